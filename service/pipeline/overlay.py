"""A small picture of a slide with its detections drawn on, for a first look."""

import cv2
import numpy as np
from numpy.typing import NDArray

from service.pipeline.slide import Slide
from service.pipeline.types import CellClass, Detections

MAX_SIDE_PX = 2048
#: Boxes smaller than this could not be seen.
MIN_HALF_SIDE_PX = 3
LEGEND_ROW_PX = 26


def draw_overlay(
    slide: Slide,
    detections: Detections,
    classes: tuple[CellClass, ...],
    max_side_px: int = MAX_SIDE_PX,
) -> NDArray[np.uint8]:
    """The whole slide, small, with a square on every cell in its class's colour and a legend.

    Negative cells are drawn first and thin, so that abnormal ones stand out.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    overview = slide.read_overview(max(slide.info.width, slide.info.height) / max_side_px)
    picture = overview.pixels
    boxes = detections.bbox_xyxy.astype(np.float64) / overview.downsample
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.maximum((boxes[:, 2:] - boxes[:, :2]) / 2, MIN_HALF_SIDE_PX)
    corners = np.rint(np.hstack([centre - half, centre + half])).astype(np.int64)
    severity = np.array([cell_class.severity for cell_class in classes])[detections.label]
    for index in np.argsort(severity, kind="stable"):
        cell_class = classes[detections.label[index]]
        x1, y1, x2, y2 = corners[index].tolist()
        thickness = 2 if cell_class.is_abnormal else 1
        cv2.rectangle(picture, (x1, y1), (x2, y2), cell_class.color, thickness)
    return _add_legend(picture, detections, classes)


def _add_legend(
    picture: NDArray[np.uint8], detections: Detections, classes: tuple[CellClass, ...]
) -> NDArray[np.uint8]:
    counts = np.bincount(detections.label, minlength=len(classes))
    columns = max(1, picture.shape[1] // 170)
    rows = -(-len(classes) // columns)
    legend = np.full((rows * LEGEND_ROW_PX, picture.shape[1], 3), 255, np.uint8)
    for label, cell_class in enumerate(classes):
        x, y = label % columns * 170 + 8, label // columns * LEGEND_ROW_PX + 18
        cv2.rectangle(legend, (x, y - 11), (x + 12, y + 1), cell_class.color, -1)
        text = f"{cell_class.name} {counts[label]}"
        cv2.putText(
            legend, text, (x + 18, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
        )
    return np.vstack([picture, legend])
