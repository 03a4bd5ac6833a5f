"""Synthetic slides with known cells: for the demo, the tests, and a laboratory's own acceptance."""

from models.phantom.field import draw_field
from models.phantom.spec import PhantomSpec, parse_mix
from models.phantom.truth import read_truth

__all__ = ["PhantomSpec", "draw_field", "parse_mix", "read_truth"]
