"""mmdet networks built from plain descriptions, and the parts of our own."""
