"""The steps of a training run, one a file; `models/train.py` puts them in order."""
