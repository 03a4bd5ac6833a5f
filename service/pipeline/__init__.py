"""The way of a slide, every step on one screen: see `analyse_slide`."""
