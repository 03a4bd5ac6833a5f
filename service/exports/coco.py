"""COCO: a data set of one image, its annotations with `score`, `uuid` and `class_scores` each.

Source: the COCO data format; `bbox` is [x, y, width, height]. Category ids are label + 1. COCO's
own ids are numbers, so the cell's id stands beside them.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from service.exports.frame import Frame, cut_pieces, round_scores
from service.pipeline.types import CellRecords

MEDIA_TYPE = "application/json"
IMAGE_ID = 1


def write_coco(chunks: Iterable[CellRecords], frame: Frame) -> Iterator[bytes]:
    """One data set, piece by piece."""
    yield orjson.dumps(_make_head(frame))[:-1] + b',"annotations":['
    ids, separator = itertools.count(1), b""
    for piece in cut_pieces(chunks):
        yield separator + b",".join(map(orjson.dumps, _make_annotations(piece, frame, ids)))
        separator = b","
    yield b"]}"


def _make_head(frame: Frame) -> dict[str, Any]:
    about = frame.describe()
    return {
        "info": {"description": about.pop("disclaimer")} | about,
        "images": [
            {
                "id": IMAGE_ID,
                "width": frame.slide.width,
                "height": frame.slide.height,
                "mpp": frame.slide.mpp,
            }
        ],
        "categories": [
            {
                "id": label + 1,
                "name": cell_class.name,
                "severity": cell_class.severity,
                "color": cell_class.color,
            }
            for label, cell_class in enumerate(frame.classes)
        ],
    }


def _make_annotations(
    piece: CellRecords, frame: Frame, ids: Iterator[int]
) -> Iterator[dict[str, Any]]:
    """One annotation a cell; scores in the order of the categories, null where not known."""
    detections = piece.detections
    for cell_id, (x1, y1, x2, y2), score, label, class_scores in zip(
        piece.ids.tolist(),
        frame.boxes(detections).tolist(),
        round_scores(detections.score),
        detections.label.tolist(),
        round_scores(detections.class_scores),
        strict=True,
    ):
        width, height = round(x2 - x1, 2), round(y2 - y1, 2)
        yield {
            "id": next(ids),
            "image_id": IMAGE_ID,
            "category_id": label + 1,
            "bbox": [x1, y1, width, height],
            "area": round(width * height, 2),
            "iscrowd": 0,
            "score": score,
            "uuid": cell_id,
            # A score that is not known is NaN, which orjson writes as null.
            "class_scores": class_scores,
        }
