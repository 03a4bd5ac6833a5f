"""Objects of an annotation file as labels on their slide: cells, regions and ignored areas.

Owns the meaning of QuPath's objects and the checks on them. The classes of the data set are chosen
over all slides in `classes.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from service.errors import DatasetError
from service.pipeline.geometry import um_to_level0
from service.pipeline.types import SlideInfo
from service.training_fields.duplicates import drop_duplicates
from service.training_fields.features import CELL_SHAPES, Feature, FeatureFile
from service.training_fields.placement import check_units, place_features
from service.training_fields.types import Annotations, CutOptions

#: Level-0 px; a box with a shorter side is refused as an accidental click.
MIN_SIDE_PX = 1.0
#: Cells are up to 100 µm across, clusters a few times that: a larger outline is a region.
MAX_SIDE_UM = 250.0
#: QuPath ignores classes whose name ends in this, e.g. `Ignore*`: PathClassTools.isIgnoredClass.
IGNORED_END = "*"

Boxes = NDArray[np.float64]


def place_annotations(file: FeatureFile, info: SlideInfo, options: CutOptions) -> Annotations:
    """The labels of a file on its slide, level-0 px.

    Raises:
        DatasetError: an object has no class, no area or a geometry that is not a cell's, or lies
            outside the slide; a cell has two classes; no region has class `options.roi_class`; or
            origin or units are unknown.
    """
    features, num_unclassified = _select_features(file, options)
    features = place_features(file, features, info, options)
    regions = [feature for feature in features if _is_region(feature, options.roi_class)]
    others = [feature for feature in features if not _is_region(feature, options.roi_class)]
    ignored = [feature for feature in others if _is_ignored(feature)]
    cells = [feature for feature in others if not _is_ignored(feature)]
    if options.roi_class is not None and not regions:
        raise DatasetError(_no_region(file, options.roi_class))
    bbox, nucleus, feature_index = _place_cells(
        file, cells, um_to_level0(options.point_size_um, info.mpp)
    )
    if options.units is None:
        check_units(file, bbox, info, options.origin)
    box_features = [cells[index] for index in feature_index]
    _check_inside(file, box_features, bbox, info)
    _check_sizes(file, box_features, bbox, info)
    names = [_rename(cell, options) for cell in cells]
    box_names = [names[index] for index in feature_index]
    unique, num_duplicates = drop_duplicates(
        file, bbox, box_names, [feature.position for feature in box_features]
    )
    return Annotations(
        bbox_xyxy=bbox[unique],
        nucleus_xy=nucleus[unique],
        class_name=tuple(box_names[index] for index in unique),
        regions=tuple(region.shape for region in regions),
        colors={name: cell.color for name, cell in zip(names, cells, strict=True) if cell.color},
        file_names=frozenset(feature.class_name or "" for feature in file.features),
        ignored=tuple(feature.shape for feature in ignored if feature.shape.area > 0),
        warnings=tuple(_warn(num_unclassified, num_duplicates)),
    )


def _select_features(file: FeatureFile, options: CutOptions) -> tuple[list[Feature], int]:
    """The classified objects that are not renamed to "", and the number of unclassified ones."""
    unclassified = [feature for feature in file.features if feature.class_name is None]
    if unclassified and not options.leaves_out_unclassified:
        num_others = len(unclassified) - 1
        others = f", nor have {num_others} more" if num_others else ""
        raise DatasetError(
            f"{file.path}: {unclassified[0].position} has no classification{others}: give it a "
            "class in QuPath, delete it, or pass over all such objects with "
            "--leave-out-unclassified"
        )
    features = [
        feature
        for feature in file.features
        if feature.class_name is not None and options.renames.get(feature.class_name) != ""
    ]
    return features, len(unclassified)


def _warn(num_unclassified: int, num_duplicates: int) -> list[str]:
    lines = []
    if num_unclassified:
        lines.append(f"{num_unclassified} objects without a class are left out")
    if num_duplicates:
        lines.append(f"{num_duplicates} cells are listed twice and taken once")
    return lines


def _is_region(feature: Feature, roi_class: str | None) -> bool:
    return feature.class_name == roi_class and feature.object_type.lower() == "annotation"


def _is_ignored(feature: Feature) -> bool:
    parts = (feature.class_name or "").split(":")
    return any(part.strip().endswith(IGNORED_END) for part in parts)


def _rename(feature: Feature, options: CutOptions) -> str:
    name = feature.class_name or ""
    return options.renames.get(name, name)


def _no_region(file: FeatureFile, roi_class: str) -> str:
    counts = Counter(feature.class_name for feature in file.features)
    known = ", ".join(f"{name} ({count})" for name, count in counts.most_common())
    return (
        f"{file.path} has no annotation of class {roi_class!r}, which is to mark the completely "
        f"labelled regions; its classes are {known or 'none'}: name another with --roi, or leave "
        "--roi out"
    )


def _place_cells(
    file: FeatureFile, cells: Sequence[Feature], point_px: float
) -> tuple[Boxes, Boxes, list[int]]:
    """Boxes (N, 4) and nuclei (N, 2), level-0 px, and the index in `cells` of each box.

    Every point of a multi-point object becomes a cell.
    """
    boxes, nuclei, feature_index = [np.zeros((0, 4))], [np.zeros((0, 2))], []
    for index, cell in enumerate(cells):
        cell_boxes = _boxes_of(file, cell, point_px)
        boxes.append(cell_boxes)
        centre = (cell_boxes[:, :2] + cell_boxes[:, 2:]) / 2
        nuclei.append(centre if cell.nucleus is None else _centre_of(cell.nucleus))
        feature_index += [index] * len(cell_boxes)
    return np.concatenate(boxes), np.concatenate(nuclei), feature_index


def _boxes_of(file: FeatureFile, cell: Feature, point_px: float) -> Boxes:
    """(N, 4) boxes in level-0 px: around each point, or a single box around the outline."""
    kind = cell.shape.geom_type
    if kind not in CELL_SHAPES:
        raise DatasetError(
            f"{file.path}: {cell.position} is of geometry {kind}, but only "
            f"{', '.join(CELL_SHAPES)} can be a cell: delete it, draw it anew as a "
            "rectangle, ellipse, polygon or point, or leave its class out with "
            f"--map {cell.class_name}="
        )
    if kind in ("Point", "MultiPoint"):
        xy = shapely.get_coordinates(cell.shape)
        return np.hstack([xy - point_px / 2, xy + point_px / 2])
    box = np.array([cell.shape.bounds])
    if (box[:, 2:] - box[:, :2]).min() < MIN_SIDE_PX:
        raise DatasetError(
            f"{file.path}: {cell.position} is less than a pixel wide or high: delete it or draw "
            "it anew"
        )
    return box


def _centre_of(nucleus: object) -> Boxes:
    centre = shapely.centroid(nucleus)
    return np.array([[centre.x, centre.y]], np.float64)


def _check_inside(
    file: FeatureFile, box_features: Sequence[Feature], bbox: Boxes, info: SlideInfo
) -> None:
    centre = (bbox[:, :2] + bbox[:, 2:]) / 2
    outside = np.flatnonzero(((centre < 0) | (centre >= (info.width, info.height))).any(axis=1))
    if len(outside):
        first = int(outside[0])
        x, y = centre[first]
        raise DatasetError(
            f"{file.path}: {len(outside)} of {len(bbox)} cells lie outside the slide of "
            f"{info.width}x{info.height} px, the first at ({x:.0f}, {y:.0f}) being "
            f"{box_features[first].position}: check that the file belongs to this slide, and "
            "--origin"
        )


def _check_sizes(
    file: FeatureFile, box_features: Sequence[Feature], bbox: Boxes, info: SlideInfo
) -> None:
    side_um = (bbox[:, 2:] - bbox[:, :2]).max(axis=1, initial=0.0) * info.mpp
    too_large = np.flatnonzero(side_um > MAX_SIDE_UM)
    if len(too_large):
        region = box_features[int(too_large[0])]
        raise DatasetError(
            f"{file.path}: {region.position} is {side_um[too_large[0]]:.0f} µm across, too large "
            f"for a cell: if it marks a completely labelled region say --roi {region.class_name}, "
            f"else leave its class out with --map {region.class_name}="
        )


def drop_ignored_cells(annotations: Annotations) -> Annotations:
    """The annotations without cells whose centre lies in an ignored area; a warning counts them."""
    if not annotations.ignored:
        return annotations
    area = shapely.union_all([shapely.make_valid(shape) for shape in annotations.ignored])
    inside = shapely.intersects_xy(area, *annotations.centre_xy.T)
    if not inside.any():
        return annotations
    outside = np.flatnonzero(~inside)
    return replace(
        annotations,
        bbox_xyxy=annotations.bbox_xyxy[outside],
        nucleus_xy=annotations.nucleus_xy[outside],
        class_name=tuple(annotations.class_name[index] for index in outside),
        warnings=(
            *annotations.warnings,
            f"{int(inside.sum())} cells in ignored areas are left out",
        ),
    )
