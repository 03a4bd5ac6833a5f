"""Repeat-factor sampling: fields with rare classes are drawn more often.

Source: Gupta et al., "LVIS", CVPR 2019, section "Repeat factor sampling".
"""

import numpy as np
from numpy.typing import NDArray


def repeat_factors(
    labels: list[NDArray[np.int16]], num_classes: int, threshold: float
) -> NDArray[np.float64]:
    """How often each field is drawn per epoch, on average.

    Args:
        labels: an (N_i,) int16 array for each field.
        num_classes: C.
        threshold: classes on a smaller fraction of the fields are repeated; 0 repeats none.

    Returns:
        (F,) float64, at least 1: the largest sqrt(threshold / fraction) over a field's classes.
    """
    present = np.array([np.bincount(label, minlength=num_classes) > 0 for label in labels])
    present = present.reshape(len(labels), num_classes)
    fraction = present.mean(axis=0)
    by_class = np.sqrt(threshold / np.maximum(fraction, 1e-12))
    factor = np.where(present, by_class, 1.0).max(axis=1, initial=1.0)
    return np.asarray(np.maximum(factor, 1.0), np.float64)


def draw_epoch(factors: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of one epoch's fields in random order; fractions are rounded at random."""
    at_least = np.floor(factors).astype(np.int64)
    times = at_least + (rng.random(len(factors)) < factors - at_least)
    return rng.permutation(np.repeat(np.arange(len(factors)), times))
