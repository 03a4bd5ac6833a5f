"""Ids of cells: real UUIDs of version 5, the same wherever they are made, never of two slides."""

import uuid
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.cell_ids import CELLS_NAMESPACE, identify_cells, make_cell_ids
from service.pipeline.types import CellSource, Detections

SOURCE = CellSource("a" * 64, "sha256:" + "b" * 64, 0.25)
sides = st.floats(0, 300_000, width=32)
boxes = st.lists(st.tuples(sides, sides, sides, sides), max_size=20)


def as_array(rows: list[tuple[float, float, float, float]]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


@given(boxes, st.floats(0.05, 5))
def test_an_id_is_what_the_standard_library_makes_of_source_and_box(
    rows: list[tuple[float, float, float, float]], mpp: float
) -> None:
    bbox = as_array(rows)
    namespace = uuid.uuid5(CELLS_NAMESPACE, f"{'a' * 64}/sha256:{'b' * 64}/{mpp}")
    expected = [
        str(uuid.uuid5(namespace, ",".join(str(round(float(side) * 100)) for side in box)))
        for box in bbox
    ]
    assert make_cell_ids(replace(SOURCE, mpp=mpp), bbox).tolist() == expected


def test_an_id_stays_what_it_is() -> None:
    """Whoever changes this breaks every reference to a cell that was ever kept."""
    (cell_id,) = make_cell_ids(SOURCE, as_array([(10, 20, 30.5, 40.25)]))
    assert cell_id == "88c7ef91-3a01-5be6-8ec0-2c1b304d5784"


@pytest.mark.parametrize(
    "other",
    [
        replace(SOURCE, slide_sha256="c" * 64),
        replace(SOURCE, detector_digest="sha256:" + "c" * 64),
        replace(SOURCE, mpp=0.2500001),
    ],
)
def test_another_slide_detector_or_scale_gives_other_ids(other: CellSource) -> None:
    bbox = as_array([(0, 0, 10, 10), (5, 5, 20, 20.01)])
    assert not set(make_cell_ids(SOURCE, bbox)) & set(make_cell_ids(other, bbox))


def test_cells_are_identified_in_pieces_and_in_order() -> None:
    bbox = np.arange(28, dtype=np.float32).reshape(7, 4)
    zeros = np.zeros(7, np.float32)
    detections = Detections(
        bbox, zeros, zeros.astype(np.int16), zeros.astype(np.int32), np.zeros((7, 2), np.float32)
    )
    pieces = list(identify_cells(detections, SOURCE, 3))
    assert [len(piece) for piece in pieces] == [3, 3, 1]
    assert np.concatenate([piece.ids for piece in pieces]).tolist() == [
        str(cell_id) for cell_id in make_cell_ids(SOURCE, bbox)
    ]
    assert np.concatenate([piece.detections.bbox_xyxy for piece in pieces]).tolist() == (
        bbox.tolist()
    )
