"""COCO: a data set of one image, its annotations with a `score` each.

Source: the COCO data format; `bbox` is [x, y, width, height]. Category ids are label + 1.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from service.exports.frame import Frame, cut_pieces
from service.pipeline.types import Detections

MEDIA_TYPE = "application/json"
IMAGE_ID = 1


def write_coco(chunks: Iterable[Detections], frame: Frame) -> Iterator[bytes]:
    """One data set, piece by piece."""
    head = {
        "info": {
            "description": frame.disclaimer,
            "origin": frame.origin,
            "offset_xy": list(frame.offset_xy),
        },
        "images": [
            {
                "id": IMAGE_ID,
                "width": frame.slide.width,
                "height": frame.slide.height,
                "mpp": frame.slide.mpp,
            }
        ],
        "categories": [
            {"id": label + 1, "name": one.name, "severity": one.severity, "color": one.color}
            for label, one in enumerate(frame.classes)
        ],
    }
    yield orjson.dumps(head)[:-1] + b',"annotations":['
    ids, separator = itertools.count(1), b""
    for piece in cut_pieces(chunks):
        yield separator + b",".join(map(orjson.dumps, _make_rows(piece, frame, ids)))
        separator = b","
    yield b"]}"


def _make_rows(piece: Detections, frame: Frame, ids: Iterator[int]) -> Iterator[dict[str, Any]]:
    boxes = frame.boxes(piece).tolist()
    scores = piece.score.astype(float).round(4).tolist()
    for (x1, y1, x2, y2), score, label in zip(boxes, scores, piece.label.tolist(), strict=True):
        width, height = round(x2 - x1, 2), round(y2 - y1, 2)
        yield {
            "id": next(ids),
            "image_id": IMAGE_ID,
            "category_id": label + 1,
            "bbox": [x1, y1, width, height],
            "area": round(width * height, 2),
            "iscrowd": 0,
            "score": score,
        }
