"""A single drawn field, for training and tests, with the same objects as on a slide."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.data.resample import resample_pixels
from models.phantom.layout import lay_out
from models.phantom.render import make_scene, render_region
from models.phantom.spec import check_mix
from models.phantom.truth import cell_boxes

RENDER_MPP = 0.25


def draw_field(
    seed: int, width: int, height: int, mpp: float, num_cells: int, mix: Mapping[str, float]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int16]]:
    """A drawn field with its cells.

    Args:
        seed: fixes every pixel.
        width, height: px at `mpp`.
        mpp: µm/px; drawn at 0.25 and averaged.
        num_cells: at most; fewer where they do not fit.
        mix: shares by Bethesda class name.

    Returns:
        (height, width, 3) uint8 RGB; (N, 4) float32 xyxy px; (N,) int16 labels.

    Raises:
        PhantomError: the mix cannot be drawn.
    """
    check_mix(mix)
    objects = lay_out(seed, width * mpp, height * mpp, num_cells, mix)
    scene = make_scene(seed, objects, RENDER_MPP)
    fine = (round(width * mpp / RENDER_MPP), round(height * mpp / RENDER_MPP))
    pixels = resample_pixels(render_region(scene, 0, 0, *fine), RENDER_MPP / mpp)
    bbox, label = cell_boxes(objects, mpp)
    return pixels[:height, :width], bbox, label
