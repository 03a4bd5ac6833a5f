"""Detector bundles: a folder with weights.safetensors, model.json and card.md."""
