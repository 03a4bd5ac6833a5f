"""Drawn fields are drawn as slides are, at any µm/px."""

import numpy as np
import pytest

from models.errors import PhantomError
from models.phantom import draw_field


def test_a_field_has_the_size_and_cells_asked_for() -> None:
    pixels, bbox, label = draw_field(4, 320, 256, 0.49, 10, {"NILM": 0.5, "HSIL": 0.5})
    assert pixels.shape == (256, 320, 3)
    assert len(bbox) == len(label) == 10
    np.testing.assert_allclose(bbox[:, 2:] - bbox[:, :2], 20.4 / 0.49, rtol=1e-4)
    for x, y in (bbox[:, :2] + bbox[:, 2:]) / 2:
        assert pixels[round(float(y)), round(float(x))].mean() < pixels.mean()


def test_the_same_seed_draws_the_same_field() -> None:
    first = draw_field(4, 200, 200, 0.49, 5, {"LSIL": 1.0})
    again = draw_field(4, 200, 200, 0.49, 5, {"LSIL": 1.0})
    for array, repeated in zip(first, again, strict=True):
        assert (array == repeated).all()


def test_an_empty_field_is_bright() -> None:
    pixels, bbox, _ = draw_field(4, 200, 200, 0.49, 0, {"NILM": 1.0})
    assert len(bbox) == 0
    assert pixels.mean() > 200


def test_a_wrong_mix_is_refused() -> None:
    with pytest.raises(PhantomError):
        draw_field(4, 200, 200, 0.49, 5, {"XYZ": 1.0})
