"""Backbones that mmdet lacks, one a file."""
