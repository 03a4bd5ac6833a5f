"""GeoJSON that QuPath opens as detections: one FeatureCollection.

Source: qupath-core, QuPathTypeAdapters and GsonTools: `objectType` stands inside `properties`, a
classification has both name and color, ids are UUIDs, rings are closed.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from service.exports.frame import Frame, cut_pieces
from service.pipeline.types import Detections

MEDIA_TYPE = "application/geo+json"


def write_geojson(chunks: Iterable[Detections], frame: Frame) -> Iterator[bytes]:
    """A FeatureCollection, piece by piece.

    Its member `cytolibra` names the origin of the coordinates.
    """
    about = {
        "origin": frame.origin,
        "offset_xy": list(frame.offset_xy),
        "unit": "level-0 px",
        "disclaimer": frame.disclaimer,
    }
    yield b'{"type":"FeatureCollection","cytolibra":' + orjson.dumps(about) + b',"features":['
    separator = b""
    for piece in cut_pieces(chunks):
        yield separator + b",".join(map(orjson.dumps, make_features(piece, frame)))
        separator = b","
    yield b"]}"


def make_features(piece: Detections, frame: Frame) -> Iterator[dict[str, Any]]:
    """One Feature a detection: its box as a closed ring."""
    classifications = [{"name": one.name, "color": list(one.color)} for one in frame.classes]
    boxes = frame.boxes(piece).tolist()
    scores = piece.score.astype(float).round(4).tolist()
    ids = frame.cell_ids(piece)
    for cell_id, box, score, label in zip(ids, boxes, scores, piece.label.tolist(), strict=True):
        x1, y1, x2, y2 = box
        yield {
            "type": "Feature",
            "id": cell_id,
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]]],
            },
            "properties": {
                "objectType": "detection",
                "classification": classifications[label],
                "measurements": {"score": score},
            },
        }
