"""How good detections are, on labelled fields."""
