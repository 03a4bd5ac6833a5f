"""Drawn fields mixed into training, so that detectors can be accepted on phantoms."""

import numpy as np

from models.classes import BETHESDA, CellClass
from models.data.resample import Sample
from models.phantom import draw_field
from models.phantom.histology import draw_histology

FIELD_SIZE_PX = (640, 512)


def draw_phantom_fields(
    num_fields: int, mpp: float, classes: tuple[CellClass, ...], seed: int
) -> list[Sample]:
    """Phantom fields at `mpp`, or none where the classes are not the Bethesda classes.

    Seeds lie above 10,000,000, apart from the usual seeds of phantom slides.
    """
    if [cell_class.name for cell_class in classes] != [cell_class.name for cell_class in BETHESDA]:
        return []
    rng = np.random.default_rng([seed, 7])
    names = [cell_class.name for cell_class in classes]
    fields = []
    for index in range(num_fields):
        shares = rng.dirichlet([2.0] + [0.4] * (len(names) - 1))
        mix = {name: float(share) for name, share in zip(names, shares, strict=True)}
        pixels, bbox, label = draw_field(
            10_000_000 + seed * 100_000 + index,
            *FIELD_SIZE_PX,
            mpp,
            int(rng.integers(0, 60)),
            mix,
        )
        fields.append(Sample(pixels, bbox, label))
    return fields


def draw_histology_fields(num_fields: int, mpp: float, seed: int) -> list[Sample]:
    """Drawn sections of tissue at `mpp`, without any cell to report."""
    no_bbox, no_label = np.zeros((0, 4), np.float32), np.zeros(0, np.int16)
    return [
        Sample(draw_histology(seed * 100_000 + index, *FIELD_SIZE_PX, mpp), no_bbox, no_label)
        for index in range(num_fields)
    ]
