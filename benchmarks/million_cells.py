"""Time to merge, store and export a million cells, compared with sorting their scores."""

import io
from typing import Any

import numpy as np

from benchmarks.timing import best_seconds
from models.classes import BETHESDA
from service.exports.frame import Frame
from service.exports.geojson import write_geojson
from service.pipeline.cell_ids import identify_cells, make_cell_ids
from service.pipeline.merge import merge_detections
from service.pipeline.spatial_order import order_spatially
from service.pipeline.types import CellSource, Detections, SlideInfo
from service.storage.detections import DetectionFacts, DetectionsFile, encode_detections

NUM_CELLS = 1_000_000


def measure() -> dict[str, Any]:
    """Seconds to merge a million detections of half a million cells, to store and export them."""
    rng = np.random.default_rng(0)
    centre = rng.uniform(0, 200_000, (NUM_CELLS // 2, 2))
    centres = np.concatenate([centre, centre + rng.normal(0, 2, centre.shape)])
    detections = Detections(
        np.hstack([centres - 40, centres + 40]).astype(np.float32),
        rng.uniform(0.2, 1, NUM_CELLS).astype(np.float32),
        rng.integers(0, 6, NUM_CELLS).astype(np.int16),
        np.zeros(NUM_CELLS, np.int32),
        rng.uniform(0, 1, (NUM_CELLS, len(BETHESDA))).astype(np.float32),
    )
    white = (255, 255, 255)
    slide = SlideInfo("x", 200_000, 200_000, (1.0,), 0.25, "slide", None, white)
    source = CellSource("a" * 64, "sha256:" + "b" * 64, 0.25)
    frame = Frame(BETHESDA, slide, "slide", source, "")
    facts = DetectionFacts(BETHESDA, slide, source)
    encoded = encode_detections(order_spatially(detections, slide.width, slide.height), facts)

    def read_screen() -> int:
        file = DetectionsFile(io.BytesIO(encoded))
        return sum(map(len, file.chunks((100_000, 100_000, 102_000, 101_000))))

    seconds = best_seconds(
        {
            "sort only": lambda: np.argsort(-detections.score, kind="stable"),
            "merge": lambda: merge_detections(detections, 0.55),
            "order spatially": lambda: order_spatially(detections, slide.width, slide.height),
            "make ids": lambda: make_cell_ids(source, detections.bbox_xyxy),
            "write Parquet": lambda: encode_detections(detections, facts),
            "read the cells of a screen": read_screen,
            "write GeoJSON": lambda: sum(
                map(len, write_geojson(identify_cells(detections, source), frame))
            ),
        },
        rounds=1,
    )
    return {"cells": NUM_CELLS, "parquet_bytes": len(encoded), "seconds": seconds}
