"""Synthetic slides with known cells, for the demo, tests and acceptance by a laboratory."""

from models.phantom.field import draw_field
from models.phantom.slide import draw_phantom
from models.phantom.spec import DEFAULT_MIX, PhantomSpec, parse_mix
from models.phantom.truth import read_truth, truth_path

__all__ = [
    "DEFAULT_MIX",
    "PhantomSpec",
    "draw_field",
    "draw_phantom",
    "parse_mix",
    "read_truth",
    "truth_path",
]
