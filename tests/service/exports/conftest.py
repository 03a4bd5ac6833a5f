"""Detections on a slide with bounds."""

import numpy as np
import pytest

from models.classes import BETHESDA
from models.detector import spread_scores
from service.exports.frame import Frame, Origin
from service.pipeline.cell_ids import make_cell_ids
from service.pipeline.types import CellRecords, CellSource, Detections, SlideInfo

SLIDE = SlideInfo("x", 5000, 4000, (1.0,), 0.25, "slide", (100, 50, 4000, 3000), (255, 255, 255))

SOURCE = CellSource("a" * 64, "sha256:" + "b" * 64, 0.25)


def frame(origin: Origin = "slide") -> Frame:
    return Frame(BETHESDA, SLIDE, origin, SOURCE, "not a diagnosis")


@pytest.fixture
def chunks() -> list[CellRecords]:
    def chunk(first: int, count: int) -> CellRecords:
        low = np.arange(first, first + count, dtype=np.float32)[:, None] * 10 + 200
        score = np.linspace(0.2, 0.9, count).astype(np.float32)
        label = (np.arange(count) % 6).astype(np.int16)
        detections = Detections(
            np.hstack([low, low, low + 80, low + 81.5]).astype(np.float32),
            score,
            label,
            np.zeros(count, np.int32),
            spread_scores(score, label, len(BETHESDA)) + np.float32(0.01),
        )
        return CellRecords(make_cell_ids(SOURCE, detections.bbox_xyxy), detections)

    return [chunk(0, 7), chunk(0, 0), chunk(7, 5)]
