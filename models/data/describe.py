"""Describes a set of labelled fields in lines of text, to be read before training on it.

Counts and sizes, with a warning where there are too few.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.data.coco import FieldSet
from models.errors import DatasetError

#: Below this a class can be neither learned nor measured: a single cell is 5 % of its recall.
FEW_CELLS = 20
#: Box sizes are listed by class for at most this many classes.
MAX_CLASSES = 12
PERCENTILES = (5, 50, 95)
#: Half of the stride of the networks: smaller boxes cannot be told from their neighbours.
MIN_SIDE_PX = 4


def describe_fields(fields: FieldSet, mpp: float | None = None) -> Iterator[str]:
    """Lines: how many cells of which class, how large their boxes are, and what is too little.

    Args:
        fields: read by `read_coco`.
        mpp: µm/px of the px in which boxes are described; None for px of the images.
    """
    counts = dict(
        zip((cell_class.name for cell_class in fields.classes), fields.count_cells(), strict=True)
    )
    shown = ", ".join(f"{name} {count}" for name, count in counts.items())
    yield f"{len(fields.fields)} fields, {fields.num_cells} cells: {shown}"
    yield from _describe_boxes(fields, mpp)
    if num_unknown := sum(field.mpp is None for field in fields.fields):
        yield (
            f"warning: {num_unknown} fields state no µm/px and are learned as they are; slides "
            "will be read at the detector's, so state them"
        )
    for name, count in counts.items():
        if count < FEW_CELLS:
            yield f"warning: {count} cells of {name} are too few to learn or to measure it"


def require_visible(fields: FieldSet, mpp: float) -> None:
    """Refuses fields whose cells are too small at `mpp`.

    Raises:
        DatasetError: half of the boxes have sides below `MIN_SIDE_PX`.
    """
    if not fields.num_cells:
        return
    side = float(np.median(_sides(fields, mpp)[0]))
    if side < MIN_SIDE_PX:
        raise DatasetError(
            f"at input.mpp = {mpp:g} the median box has a side of {side:.1f} px: lower it until "
            f"there are {MIN_SIDE_PX} at least, or correct the mpp of the images"
        )


def find_shared_slides(fields: FieldSet) -> list[str]:
    """Names of slides with fields in several folds, whose held-out fields are not independent."""
    folds: dict[str, set[int | None]] = {}
    for field in fields.fields:
        if field.slide is not None:
            folds.setdefault(field.slide, set()).add(field.fold)
    return sorted(slide for slide, its_folds in folds.items() if len(its_folds) > 1)


def warn_of_shared_slides(fields: FieldSet) -> str | None:
    """A warning where folds share slides, else None."""
    shared = find_shared_slides(fields)
    if not shared:
        return None
    return (
        f"warning: fields of {len(shared)} slides, {shared[0]} for one, lie in several folds: "
        "figures on a held-out fold are optimistically biased"
    )


def describe_folds(fields: FieldSet) -> str:
    """Fields and cells of every fold, and a warning where folds share slides."""
    num_fields = Counter(field.fold for field in fields.fields)
    num_cells: Counter[int | None] = Counter()
    for field in fields.fields:
        num_cells[field.fold] += len(field.label)
    folds = sorted(num_fields, key=lambda fold: -1 if fold is None else fold)
    shares = (
        f"{'none' if fold is None else fold}: {num_fields[fold]}/{num_cells[fold]}"
        for fold in folds
    )
    line = "fields/cells by fold: " + ", ".join(shares)
    warning = warn_of_shared_slides(fields)
    return line if warning is None else f"{line}\n{warning}"


def _describe_boxes(fields: FieldSet, mpp: float | None) -> Iterator[str]:
    """Sides of boxes, all and by class: the square root of the area, as boxes are seldom square."""
    if not fields.num_cells:
        return
    side_px, side_um = _sides(fields, mpp)
    label = np.concatenate([field.label for field in fields.fields])
    px_unit = "px" if mpp is None else f"px of {mpp:g} µm"
    yield f"box sides, median (5-95 %): {_spread(side_um, 'µm')}, {_spread(side_px, px_unit)}"
    if 1 < len(fields.classes) <= MAX_CLASSES:
        for index, cell_class in enumerate(fields.classes):
            own = label == index
            if own.any():
                spreads = _spread(side_um[own], "µm"), _spread(side_px[own], px_unit)
                yield f"  {cell_class.name}: {', '.join(spreads)}"


def _sides(fields: FieldSet, mpp: float | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sides of all boxes, (N,) px and (N,) µm; the latter NaN where the µm/px is not known."""
    px, um = [], []
    for field in fields.fields:
        size = (field.bbox_xyxy[:, 2:] - field.bbox_xyxy[:, :2]).astype(np.float64)
        side = np.sqrt(size.prod(axis=1))
        # A field that states no µm/px is taken as it is: see resample.py.
        px.append(side if mpp is None or field.mpp is None else side * field.mpp / mpp)
        um.append(side * (np.nan if field.mpp is None else field.mpp))
    return np.concatenate(px), np.concatenate(um)


def _spread(side: NDArray[np.float64], unit: str) -> str:
    known = side[np.isfinite(side)]
    if not len(known):
        return f"unknown {unit}"
    low, middle, high = np.percentile(known, PERCENTILES)
    return f"{middle:.1f} ({low:.1f}-{high:.1f}) {unit}"
