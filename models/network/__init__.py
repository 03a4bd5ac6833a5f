"""mmdet networks built from plain descriptions, and the modules that mmdet lacks."""
