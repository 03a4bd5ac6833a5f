"""The steps of a training run, a file for each; `models/training/run.py` calls them in order."""
