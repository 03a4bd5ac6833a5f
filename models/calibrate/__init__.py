"""Chosen on fields that a detector never saw: probabilities, thresholds, the slide score."""
