"""Cells lie where a detector can be held to them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from models.phantom.layout import EDGE_UM, LABEL_OF, MIN_NUCLEUS_DISTANCE_UM, lay_out


@given(st.integers(0, 1000), st.integers(0, 60))
@settings(deadline=None, max_examples=25)
def test_nuclei_keep_their_distance_and_stay_on_the_slide(seed: int, num_cells: int) -> None:
    objects = lay_out(seed, 600.0, 500.0, num_cells, {"NILM": 0.8, "SCC": 0.2})
    cells = [phantom_object for phantom_object in objects if phantom_object.kind in LABEL_OF]
    assert len(cells) == num_cells
    centres = np.array([(cell.x_um, cell.y_um) for cell in cells]).reshape(-1, 2)
    assert (centres >= EDGE_UM).all()
    assert (centres <= np.array([600.0, 500.0]) - EDGE_UM).all()
    if num_cells > 1:
        assert pdist(centres).min() >= 0.7 * MIN_NUCLEUS_DISTANCE_UM


def test_there_is_more_than_cells_on_a_slide() -> None:
    kinds = {
        phantom_object.kind for phantom_object in lay_out(1, 2000.0, 2000.0, 200, {"NILM": 1.0})
    }
    assert kinds == {"NILM", "inflammatory", "debris"}


def test_things_have_looks_of_their_own() -> None:
    objects = lay_out(1, 1000.0, 1000.0, 80, {"NILM": 1.0})
    assert len({phantom_object.seed for phantom_object in objects}) == len(objects)
