"""Cells near a cut are compared with themselves far from any edge, by their distance from it."""

import numpy as np

from benchmarks.tile_edge import CUT_PX, compare_edges
from models.detector import Detections, TileBatch, spread_scores
from tests.fake_detector import FakeDetector

NUM_CLASSES = 6
#: From the cut; from the left edge of the whole picture all of them are far.
DISTANCES_PX = (40, 100, 300)


class EdgeDependent(FakeDetector):
    """Finds dark pixels; within 60 px of the tile's left edge it calls them HSIL, else NILM."""

    def __init__(self) -> None:
        empty = np.zeros(0, np.float32)
        super().__init__(np.zeros((0, 4), np.float32), empty.astype(np.int16), empty)

    def detect(self, batch: TileBatch) -> Detections:
        y, x = np.nonzero(batch.pixels[0, :, :, 0] == 0)
        label = np.where(x < 60, 4, 0).astype(np.int16)
        score = np.where(x < 60, 0.5, 0.9).astype(np.float32)
        box = np.stack([x - 30, y - 30, x + 30, y + 30], axis=1).astype(np.float32)
        tile = np.zeros(len(x), np.int32)
        return Detections(box, score, label, tile, spread_scores(score, label, NUM_CLASSES))


def test_classes_that_change_near_the_edge_are_seen_at_their_distance() -> None:
    pixels = np.full((256, 832, 3), 200, np.uint8)
    for distance in DISTANCES_PX:
        pixels[100, CUT_PX + distance] = 0
    rows = {row.low_px: row for row in compare_edges(EdgeDependent(), [pixels])}
    assert {low: row.num_cells for low, row in rows.items()} == {
        32: 1, 48: 0, 64: 0, 96: 1, 128: 0, 192: 1
    }  # fmt: skip
    assert rows[32].in_place == 1.0
    assert rows[32].same_class == 0.0
    assert np.isclose(rows[32].mean_score_change, 0.4)
    for low in (96, 192):
        assert rows[low].same_class == 1.0
        assert rows[low].mean_score_change == 0.0


def test_pictures_without_cells_give_no_cells() -> None:
    rows = compare_edges(EdgeDependent(), [np.full((64, 448, 3), 200, np.uint8)])
    assert all(row.num_cells == 0 for row in rows)
