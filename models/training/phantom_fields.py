"""Drawn fields that are mixed into training, so that phantoms can be used to accept a detector."""

import numpy as np

from models.classes import BETHESDA, CellClass
from models.data.resample import Sample
from models.phantom import draw_field
from models.phantom.histology import draw_histology

FIELD_SIZE_PX = (640, 512)


def draw_phantom_fields(
    num_fields: int, mpp: float, classes: tuple[CellClass, ...], seed: int
) -> list[Sample]:
    """Phantom fields at `mpp`, or none where the classes are not those phantoms can draw.

    Seeds lie above 10,000,000, apart from those anyone would pick for a phantom slide.
    """
    if tuple(one.name for one in classes) != tuple(one.name for one in BETHESDA):
        return []
    rng = np.random.default_rng([seed, 7])
    names = [one.name for one in classes]
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
