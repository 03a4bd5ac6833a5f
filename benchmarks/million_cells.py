"""Merging and exporting very many cells; the limit beside them is sorting the same scores."""

import uuid
from typing import Any

import numpy as np

from benchmarks.timing import best_seconds
from models.classes import BETHESDA
from service.exports.frame import Frame
from service.exports.geojson import write_geojson
from service.pipeline.merge import merge_detections
from service.pipeline.types import Detections, SlideInfo

NUM_CELLS = 1_000_000


def measure() -> dict[str, Any]:
    """Seconds for a million cells, each seen twice, merged; and for as many written as GeoJSON."""
    rng = np.random.default_rng(0)
    centre = rng.uniform(0, 200_000, (NUM_CELLS // 2, 2))
    twice = np.concatenate([centre, centre + rng.normal(0, 2, centre.shape)])
    detections = Detections(
        np.hstack([twice - 40, twice + 40]).astype(np.float32),
        rng.uniform(0.2, 1, NUM_CELLS).astype(np.float32),
        rng.integers(0, 6, NUM_CELLS).astype(np.int16),
        np.zeros(NUM_CELLS, np.int32),
        rng.uniform(0, 1, (NUM_CELLS, len(BETHESDA))).astype(np.float32),
    )
    white = (255, 255, 255)
    slide = SlideInfo("x", 200_000, 200_000, (1.0,), 0.25, "slide", None, white)
    frame = Frame(BETHESDA, slide, "slide", uuid.UUID(int=1), "")
    seconds = best_seconds(
        {
            "sort only": lambda: np.argsort(-detections.score, kind="stable"),
            "merge": lambda: merge_detections(detections, 0.55),
            "write GeoJSON": lambda: sum(len(part) for part in write_geojson([detections], frame)),
        },
        rounds=1,
    )
    return {"cells": NUM_CELLS, "seconds": seconds}
