"""Converts the coordinates of annotation files to level-0 pixels: origin and units."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely.affinity
from numpy.typing import NDArray

from service.errors import DatasetError
from service.pipeline.types import SlideInfo
from service.training_fields.features import Feature, FeatureFile
from service.training_fields.types import CutOptions, Origin

#: Cells are 5 to 60 µm across, so boxes below this many px are probably in µm.
MAX_SIDE_LIKE_UM = 24.0
#: Above this, a pixel is about a µm, and px and µm cannot be distinguished.
MAX_MPP_TO_DISTINGUISH = 0.8


def place_features(
    file: FeatureFile, features: Sequence[Feature], info: SlideInfo, options: CutOptions
) -> list[Feature]:
    """The objects with their shapes in level-0 px.

    Raises:
        DatasetError: the origin is unknown, see `find_offset`.
    """
    dx, dy = find_offset(file, info, options.origin)
    scale = 1 / info.mpp if options.units == "um" else 1.0
    if (scale, dx, dy) == (1.0, 0, 0):
        return list(features)
    matrix = (scale, 0, 0, scale, dx, dy)
    return [
        replace(
            feature,
            shape=shapely.affinity.affine_transform(feature.shape, matrix),
            nucleus=feature.nucleus and shapely.affinity.affine_transform(feature.nucleus, matrix),
        )
        for feature in features
    ]


def find_offset(file: FeatureFile, info: SlideInfo, requested: Origin | None) -> tuple[int, int]:
    """(x, y) that are added to the file's coordinates to get level-0 px.

    Args:
        file: may state the origin of its coordinates.
        info: of the slide; without bounds, both origins are equal.
        requested: origin in the options, or None.

    Raises:
        DatasetError: the file and the options state different origins, or neither states an origin
            and the slide has bounds.
    """
    if requested and file.origin and requested != file.origin:
        raise DatasetError(
            f"{file.path} says that its origin is {file.origin!r}, not {requested!r}: leave "
            "--origin out"
        )
    if info.bounds_xywh is None or info.bounds_xywh[:2] == (0, 0):
        return 0, 0
    origin = requested or file.origin
    if origin is None:
        x, y = info.bounds_xywh[:2]
        raise DatasetError(
            f"{file.path} does not say its origin, and the slide's scanned area begins at "
            f"({x}, {y}): say --origin bounds where QuPath wrote the file, which counts from "
            "there, or --origin slide where coordinates count from the slide's own corner"
        )
    return (0, 0) if origin == "slide" else info.bounds_xywh[:2]


def check_units(
    file: FeatureFile, bbox_xyxy: NDArray[np.float64], info: SlideInfo, origin: Origin | None
) -> None:
    """Refuses coordinates that look like µm: small cells, all in the slide's upper left part.

    Args:
        file: of the cells.
        bbox_xyxy: (N, 4) level-0 px if the coordinates are px.
        info: of the slide.
        origin: in the options.

    Raises:
        DatasetError: the coordinates look like µm; states the cells' size and the remedy.
    """
    if not len(bbox_xyxy) or info.mpp > MAX_MPP_TO_DISTINGUISH:
        return
    side_px = float(np.median((bbox_xyxy[:, 2:] - bbox_xyxy[:, :2]).max(axis=1)))
    lower_right = bbox_xyxy[:, 2:].max(axis=0) - find_offset(file, info, origin)
    fits_in_um = (lower_right <= np.array((info.width, info.height)) * info.mpp).all()
    if side_px < MAX_SIDE_LIKE_UM and fits_in_um:
        raise DatasetError(
            f"{file.path}: its cells are {side_px:.1f} px across, {side_px * info.mpp:.1f} µm, and "
            "all lie in the upper left part of the slide: its coordinates look like µm; say "
            "--units um if they are, --units px if not"
        )
