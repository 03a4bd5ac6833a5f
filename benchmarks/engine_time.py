"""Time of the OpenVINO and torch engines on the same tiles."""

from typing import Any

import numpy as np

from benchmarks.timing import best_seconds
from models.bundle.load import load_detector
from models.detector import TileBatch
from models.phantom import draw_field

BATCH = 8


def measure() -> dict[str, Any]:
    """Seconds per 512² tile of each engine, and their ratio."""
    pixels = draw_field(1, 512, 512, 0.49, 30, {"NILM": 0.9, "HSIL": 0.1})[0]
    batch = TileBatch(np.stack([pixels] * BATCH), np.zeros((BATCH, 2)), 1.0)
    torch_engine = load_detector("default", engine="torch")
    openvino_engine = load_detector("default", engine="openvino")
    seconds = best_seconds(
        {
            "torch": lambda: torch_engine.detect(batch),
            "openvino": lambda: openvino_engine.detect(batch),
        }
    )
    return {
        "seconds_per_tile": {name: value / BATCH for name, value in seconds.items()},
        "torch_over_openvino": seconds["torch"] / seconds["openvino"],
    }
