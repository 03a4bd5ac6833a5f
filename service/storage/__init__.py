"""What is kept: slides and results in a database, detections and thumbnails as blobs."""
