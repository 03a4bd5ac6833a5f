"""Storage: slides and reports in a database, detections and thumbnails as blobs."""
