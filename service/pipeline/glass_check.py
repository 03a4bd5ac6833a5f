"""Compares what a low level shows as glass with level 0, which alone is the slide.

Looks first where level 0's tiles take most bytes: a compressed tile of glass is small.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import SlideUnreadableError
from service.pipeline.missing_tiles import shrink_rgba
from service.pipeline.slide import Slide
from service.pipeline.stain import MIN_LAB_DISTANCE, Lab, is_stained
from service.pipeline.tile_presence import Rectangle, grid_rectangle

Bools = NDArray[np.bool_]
#: Rows and columns of a mask.
Place = tuple[slice, slice]

#: Tiles of level 0 that are looked at: the heaviest, and others spread evenly; 2 ms each.
NUM_HEAVIEST, NUM_SPREAD = 64, 64
#: A larger one is looked at in its middle, px.
MAX_SIDE_PX = 256
#: Stain that a low level misses is plainly there at level 0: by more than noise in colour, and by
#: more than the half px that two ways of shrinking may differ by.
MISSED_LAB_DISTANCE, MIN_MISSED_PX = 2 * MIN_LAB_DISTANCE, 3


@dataclass(frozen=True)
class GlassCheck:
    """What level 0 says of places that a low level shows as glass.

    Attributes:
        stained: places where level 0 has stain.
        unreadable: places where level 0 is damaged, so that nothing can be said.
    """

    stained: tuple[Place, ...]
    unreadable: tuple[Place, ...]


def check_glass(slide: Slide, background: Lab, mask: Bools, downsample: float) -> GlassCheck:
    """Looks at level 0 in places outside a mask.

    Args:
        slide: open.
        background: the slide's own, Lab.
        mask: (H, W), where tissue is known, with its margin.
        downsample: level-0 px per px of the mask.
    """
    stained, unreadable = list[Place](), list[Place]()
    for tile in _choose_glass(slide, mask, downsample):
        rectangle = _middle(tile)
        place = _place(rectangle, downsample)
        if mask[place].any():
            continue
        try:
            if _has_stain(slide, background, rectangle, downsample):
                stained.append(place)
        except SlideUnreadableError:
            unreadable.append(place)
    return GlassCheck(tuple(stained), tuple(unreadable))


def _choose_glass(slide: Slide, mask: Bools, downsample: float) -> list[Rectangle]:
    """Level-0 tiles outside the mask: the heaviest, then others at equal steps."""
    num_bytes = slide.presence.num_bytes
    rows, columns = np.nonzero((num_bytes > 0) & ~_touched(mask, slide, downsample))
    weights = num_bytes[rows, columns]
    order = np.argsort(-weights, kind="stable")
    num_heaviest = NUM_HEAVIEST if len(set(weights.tolist())) > 1 else 0
    rest = np.sort(order[num_heaviest:])
    step = max(1, -(-len(rest) // NUM_SPREAD))
    chosen = [*order[:num_heaviest], *rest[::step]]
    return [grid_rectangle(slide.presence, int(rows[at]), int(columns[at])) for at in chosen]


def _touched(mask: Bools, slide: Slide, downsample: float) -> Bools:
    """(rows, columns) of level 0's grid, true where the middle of a tile lies in the mask."""
    shape = slide.presence.num_bytes.shape
    at = [
        np.minimum(((np.arange(num) + 0.5) * step / downsample).astype(np.int64), side - 1)
        for num, step, side in zip(shape, slide.presence.tile_size[::-1], mask.shape, strict=True)
    ]
    return np.asarray(mask[np.ix_(*at)])


def _middle(rectangle: Rectangle) -> Rectangle:
    x, y, width, height = rectangle
    side_x, side_y = min(width, MAX_SIDE_PX), min(height, MAX_SIDE_PX)
    return x + (width - side_x) // 2, y + (height - side_y) // 2, side_x, side_y


def _place(rectangle: Rectangle, downsample: float) -> Place:
    x, y, width, height = rectangle
    return (
        slice(int(y / downsample), int(np.ceil((y + height) / downsample))),
        slice(int(x / downsample), int(np.ceil((x + width) / downsample))),
    )


def _has_stain(slide: Slide, background: Lab, rectangle: Rectangle, downsample: float) -> bool:
    x, y, width, height = rectangle
    rgba = slide.read_rgba(x, y, 0, width, height)
    size = max(1, round(width / downsample)), max(1, round(height / downsample))
    small, held = shrink_rgba(rgba, size, slide.info.background_rgb)
    stained = is_stained(small, background, MISSED_LAB_DISTANCE) & held
    return int(stained.sum()) >= min(MIN_MISSED_PX, stained.size)
