"""Makes and runs the detectors; knows nothing of slides, jobs or HTTP."""
