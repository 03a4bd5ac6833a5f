"""Plain-torch forms of the compiled mmcv operations that the detectors need, a file for each."""
