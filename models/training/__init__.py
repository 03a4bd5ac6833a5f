"""The steps of a training run, one a file; `models/training/run.py` puts them in order."""
