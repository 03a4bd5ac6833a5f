"""Merging: one cell, one detection, whatever the order and the classes."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.pipeline.merge import keep_owned, merge_boxes, merge_detections
from service.pipeline.types import Detections, Tile, join_detections, no_detections

rows = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.integers(0, 60),
        st.integers(1, 30),
        st.integers(1, 30),
        st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]),
        st.integers(0, 3),
    ),
    max_size=30,
)
thresholds = st.sampled_from([0.0, 0.3, 0.5, 0.6, 0.9])
NUM_CLASSES = 4
Row = tuple[int, int, int, int, float, int]


def detections(cells: list[Row]) -> Detections:
    box = np.array([[x, y, x + w, y + h] for x, y, w, h, _, _ in cells], np.float32).reshape(-1, 4)
    return Detections(
        box,
        np.array([cell[4] for cell in cells], np.float32),
        np.array([cell[5] for cell in cells], np.int16),
        np.zeros(len(cells), np.int32),
        np.arange(len(cells) * NUM_CLASSES, dtype=np.float32).reshape(-1, NUM_CLASSES),
    )


def iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.clip(sides, 0, None).prod())
    area = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod())
    return shared / (area - shared)


@given(rows, thresholds)
@settings(deadline=None, max_examples=150)
def test_it_keeps_what_greedy_suppression_keeps(cells: list[Row], threshold: float) -> None:
    boxes = detections(cells).bbox_xyxy.astype(np.float64)
    kept: list[int] = []
    for index in range(len(boxes)):
        if all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    assert merge_boxes(boxes.astype(np.float32), threshold).tolist() == kept


@given(rows, thresholds, st.randoms())
@settings(deadline=None, max_examples=100)
def test_the_order_of_detections_does_not_matter(
    cells: list[Row], threshold: float, random: object
) -> None:
    shuffled = list(cells)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = merge_detections(detections(cells), threshold)
    second = merge_detections(detections(shuffled), threshold)
    assert first.bbox_xyxy.tolist() == second.bbox_xyxy.tolist()
    assert first.label.tolist() == second.label.tolist()


@given(rows, thresholds)
@settings(deadline=None, max_examples=100)
def test_merging_again_changes_nothing_and_nothing_overlaps(
    cells: list[Row], threshold: float
) -> None:
    once = merge_detections(detections(cells), threshold)
    twice = merge_detections(once, threshold)
    assert once.bbox_xyxy.tolist() == twice.bbox_xyxy.tolist()
    for index, box in enumerate(once.bbox_xyxy.astype(np.float64)):
        for other in once.bbox_xyxy[:index].astype(np.float64):
            assert iou(box, other) <= threshold + 1e-9


def test_a_cell_called_two_things_is_one_cell_of_the_better_score() -> None:
    merged = merge_detections(detections([(0, 0, 20, 20, 0.5, 2), (1, 0, 20, 20, 0.7, 4)]), 0.5)
    assert merged.label.tolist() == [4]
    assert merged.class_scores.tolist() == [[4, 5, 6, 7]]


def test_nothing_merges_to_nothing() -> None:
    assert len(merge_detections(no_detections(NUM_CLASSES), 0.5)) == 0


def test_only_the_owner_tells_of_a_cell_but_both_at_the_seam() -> None:
    tiles = {
        0: Tile(0, 0, 0, 120, (0.0, 0.0, 100.0, 100.0)),
        1: Tile(1, 80, 0, 120, (100.0, 0.0, 200.0, 100.0)),
    }
    cells = detections(
        [(85, 40, 10, 10, 0.9, 0), (93, 40, 10, 10, 0.9, 0), (110, 40, 8, 8, 0.9, 0)]
    )
    both = replace(
        join_detections([cells, cells]), tile_index=np.array([0, 0, 0, 1, 1, 1], np.int32)
    )
    owned = keep_owned(both, tiles, margin_px=4.0)
    told = sorted(zip(owned.tile_index.tolist(), owned.bbox_xyxy[:, 0].tolist(), strict=True))
    assert told == [(0, 85.0), (0, 93.0), (1, 93.0), (1, 110.0)]


def test_many_boxes_merge_in_seconds_not_hours() -> None:
    centre = np.random.default_rng(0).uniform(0, 50_000, (100_000, 2))
    box = np.hstack([centre - 40, centre + 40]).astype(np.float32)
    kept = merge_boxes(np.concatenate([box, box + 3]), 0.5)
    assert len(kept) <= 100_000
