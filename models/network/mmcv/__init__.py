"""Plain-torch forms of the compiled operations that our detectors call, one file each."""
