"""Running a network: from tiles to detections."""
