"""Cells of classes worse than the category are listed, the best of each class with their places."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.classes import BETHESDA
from models.detector import spread_scores
from service.pipeline.cell_ids import make_cell_ids
from service.pipeline.report.suspicious import MAX_CELLS_PER_CLASS, list_suspicious
from service.pipeline.types import CellSource, Detections

CLASS_NAMES = [each.name for each in BETHESDA]
RNG = np.random.default_rng(3)


def make_detections(counts: list[int]) -> Detections:
    """So many cells of each class, with random places and scores."""
    label = np.repeat(np.arange(6), counts).astype(np.int16)
    corner = RNG.uniform(0, 1000, (len(label), 2))
    score = RNG.uniform(0.2, 1, len(label)).astype(np.float32)
    return Detections(
        np.hstack([corner, corner + 80]).astype(np.float32),
        score,
        label,
        np.zeros(len(label), np.int32),
        spread_scores(score, label, 6),
    )


@given(st.lists(st.integers(0, 40), min_size=6, max_size=6), st.integers(0, 5))
def test_every_cell_worse_than_the_category_is_counted(counts: list[int], severity: int) -> None:
    listed = list_suspicious(make_detections(counts), BETHESDA, severity)
    worse = [each for each in reversed(BETHESDA) if each.severity > severity]
    expected = [(each.name, counts[each.severity]) for each in worse if counts[each.severity]]
    assert [(each.class_name, each.count) for each in listed] == expected
    for each in listed:
        assert len(each.cells) == min(each.count, MAX_CELLS_PER_CLASS)


def test_the_cells_of_the_highest_scores_are_listed_in_order() -> None:
    detections = make_detections([5, 0, 0, 0, 90, 0])
    (listed,) = list_suspicious(detections, BETHESDA, 0)
    scores = np.sort(detections.score[detections.label == 4])[::-1]
    np.testing.assert_array_equal([cell.score for cell in listed.cells], scores[:20])
    best = detections.take(np.array([np.argmax(detections.score * (detections.label == 4))]))
    np.testing.assert_array_equal(listed.cells[0].bbox_xyxy, best.bbox_xyxy[0])


def test_cells_have_the_ids_that_their_boxes_have() -> None:
    source = CellSource("ab" * 32, "sha256:" + "cd" * 32, 0.25)
    (listed,) = list_suspicious(make_detections([0, 0, 0, 0, 0, 7]), BETHESDA, 4, source)
    boxes = np.array([cell.bbox_xyxy for cell in listed.cells], np.float32)
    assert [str(cell.id) for cell in listed.cells] == make_cell_ids(source, boxes).tolist()


def test_scores_of_all_classes_are_named_where_they_were_kept() -> None:
    detections = make_detections([0, 0, 0, 0, 0, 2])
    kept = detections.class_scores.copy()
    kept[np.argmin(detections.score)] = np.nan
    (listed,) = list_suspicious(replace(detections, class_scores=kept), BETHESDA, 0)
    first, second = listed.cells
    assert first.class_scores == {**dict.fromkeys(CLASS_NAMES, 0.0), "SCC": first.score}
    assert second.class_scores is None
