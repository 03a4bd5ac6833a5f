"""A phantom slide that the shipped detector never saw, and the shipped detector itself."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.phantom import PhantomSpec, draw_phantom, read_truth

MPP = 0.25


@dataclass(frozen=True)
class Phantom:
    """A slide and its truth, level-0 px."""

    path: Path
    bbox_xyxy: NDArray[np.float32]
    label: NDArray[np.int16]


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    """A fresh seed, far from those of training."""
    path = tmp_path_factory.mktemp("phantom") / "slide.svs"
    mix = {"NILM": 0.7, "ASC-US": 0.05, "LSIL": 0.1, "HSIL": 0.1, "SCC": 0.05}
    truth = draw_phantom(path, PhantomSpec(777, 4000, 3600, 200, mix, MPP))
    return Phantom(path, *read_truth(truth))
