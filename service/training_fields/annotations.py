"""Objects of a file placed on their slide: boxes of cells, regions, and what is wrong with them.

Owns origin and renaming; which classes a data set has is decided over all slides in `classes.py`.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import shapely
import shapely.affinity
from numpy.typing import NDArray

from service.errors import DatasetError
from service.pipeline.geometry import um_to_level0
from service.pipeline.types import SlideInfo
from service.training_fields.features import Feature, FeatureFile
from service.training_fields.types import Annotations, CutOptions, Origin

#: A box with a shorter side, level-0 px, is a slip of the mouse.
MIN_SIDE_PX = 1.0

Boxes = NDArray[np.float64]


def place_annotations(file: FeatureFile, info: SlideInfo, options: CutOptions) -> Annotations:
    """What a file labels on its slide, level-0 px.

    Raises:
        DatasetError: an object has no class or no area, or lies outside the slide; there is no
            region of the class that is asked for; or the origin is not known.
    """
    offset = np.array(find_offset(file, info, options.origin), np.float64)
    _check_classified(file)
    kept = [one for one in file.features if options.renames.get(one.class_name or "") != ""]
    regions = [one for one in kept if _is_region(one, options.roi_class)]
    cells = [one for one in kept if not _is_region(one, options.roi_class)]
    if options.roi_class is not None and not regions:
        raise DatasetError(_no_region(file, options.roi_class))
    bbox, nucleus, owner = _place_cells(file, cells, um_to_level0(options.point_size_um, info.mpp))
    bbox, nucleus = bbox + np.tile(offset, 2), nucleus + offset
    _check_inside(file, [cells[one] for one in owner], bbox, info)
    names = [_rename(one, options) for one in cells]
    return Annotations(
        bbox_xyxy=bbox,
        nucleus_xy=nucleus,
        class_name=tuple(names[one] for one in owner),
        regions=tuple(shapely.affinity.translate(one.shape, *offset) for one in regions),
        colors={name: one.color for name, one in zip(names, cells, strict=True) if one.color},
        file_names=frozenset(one.class_name or "" for one in file.features),
    )


def find_offset(file: FeatureFile, info: SlideInfo, asked: Origin | None) -> tuple[int, int]:
    """What is added to the file's coordinates to get level-0 px.

    Args:
        file: may say which origin its coordinates have.
        info: of the slide; without bounds there is but one origin.
        asked: by whoever knows where the file comes from.

    Raises:
        DatasetError: the file says another origin than is asked, or neither says one and the slide
            has two.
    """
    if asked and file.origin and asked != file.origin:
        raise DatasetError(
            f"{file.path} says that its origin is {file.origin!r}, not {asked!r}: leave --origin "
            "out"
        )
    if info.bounds_xywh is None or info.bounds_xywh[:2] == (0, 0):
        return 0, 0
    origin = asked or file.origin
    if origin is None:
        x, y = info.bounds_xywh[:2]
        raise DatasetError(
            f"{file.path} does not say its origin, and the slide's scanned area begins at "
            f"({x}, {y}): say --origin bounds where QuPath wrote the file, which counts from "
            "there, or --origin slide where coordinates count from the slide's own corner"
        )
    return (0, 0) if origin == "slide" else info.bounds_xywh[:2]


def _is_region(one: Feature, roi_class: str | None) -> bool:
    return one.class_name == roi_class and one.object_type.lower() == "annotation"


def _rename(one: Feature, options: CutOptions) -> str:
    name = one.class_name or ""
    return options.renames.get(name, name)


def _check_classified(file: FeatureFile) -> None:
    without = [one.called for one in file.features if one.class_name is None]
    if without:
        raise DatasetError(
            f"{file.path}: {without[0]} has no classification"
            + (f", nor have {len(without) - 1} more" if len(without) > 1 else "")
            + ": give it a class in QuPath, or delete it"
        )


def _no_region(file: FeatureFile, roi_class: str) -> str:
    counts = Counter(one.class_name for one in file.features)
    known = ", ".join(f"{name} ({count})" for name, count in counts.most_common())
    return (
        f"{file.path} has no annotation of class {roi_class!r}, which is to mark the completely "
        f"labelled regions; its classes are {known or 'none'}: name another with --roi, or leave "
        "--roi out"
    )


def _place_cells(
    file: FeatureFile, cells: Sequence[Feature], point_px: float
) -> tuple[Boxes, Boxes, list[int]]:
    """Boxes (N, 4) and nuclei (N, 2), in the file's frame, and the object that each belongs to.

    Every point of an object is a cell of its own.
    """
    boxes, nuclei, owner = [np.zeros((0, 4))], [np.zeros((0, 2))], []
    for index, one in enumerate(cells):
        is_points = one.shape.geom_type in ("Point", "MultiPoint")
        found = _boxes_of_points(one, point_px) if is_points else np.array([one.shape.bounds])
        if (found[:, 2:] - found[:, :2]).min() < MIN_SIDE_PX:
            raise DatasetError(
                f"{file.path}: {one.called} is less than a pixel wide or high: delete it or draw "
                "it anew"
            )
        boxes.append(found)
        middle = (found[:, :2] + found[:, 2:]) / 2
        nuclei.append(middle if one.nucleus is None else _centre_of(one.nucleus))
        owner += [index] * len(found)
    return np.concatenate(boxes), np.concatenate(nuclei), owner


def _boxes_of_points(one: Feature, point_px: float) -> Boxes:
    xy = shapely.get_coordinates(one.shape)
    return np.hstack([xy - point_px / 2, xy + point_px / 2])


def _centre_of(nucleus: object) -> Boxes:
    centre = shapely.centroid(nucleus)
    return np.array([[centre.x, centre.y]], np.float64)


def _check_inside(
    file: FeatureFile, owners: Sequence[Feature], bbox: Boxes, info: SlideInfo
) -> None:
    centre = (bbox[:, :2] + bbox[:, 2:]) / 2
    outside = np.flatnonzero(((centre < 0) | (centre >= (info.width, info.height))).any(axis=1))
    if len(outside):
        first = int(outside[0])
        x, y = centre[first]
        raise DatasetError(
            f"{file.path}: {len(outside)} of {len(bbox)} cells lie outside the slide of "
            f"{info.width}x{info.height} px, the first at ({x:.0f}, {y:.0f}) being "
            f"{owners[first].called}: check that the file belongs to this slide, and --origin"
        )
