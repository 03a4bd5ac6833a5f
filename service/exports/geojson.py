"""GeoJSON that QuPath opens as detections: one FeatureCollection.

Source: qupath-core, QuPathTypeAdapters and GsonTools: `objectType` stands inside `properties`, a
classification has both name and color, ids are UUIDs, rings are closed, measurements are numbers
and never NaN.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from service.exports.frame import Frame, cut_pieces, round_scores
from service.pipeline.types import CellRecords

MEDIA_TYPE = "application/geo+json"


def write_geojson(chunks: Iterable[CellRecords], frame: Frame) -> Iterator[bytes]:
    """A FeatureCollection, piece by piece.

    Its member `cytolibra` names the origin of the coordinates and what the ids are made from.
    """
    head = orjson.dumps(frame.describe())
    yield b'{"type":"FeatureCollection","cytolibra":' + head + b',"features":['
    separator = b""
    for piece in cut_pieces(chunks):
        yield separator + b",".join(map(orjson.dumps, make_features(piece, frame)))
        separator = b","
    yield b"]}"


def make_features(piece: CellRecords, frame: Frame) -> Iterator[dict[str, Any]]:
    """One Feature a cell: its box as a closed ring, `score` and the score of every class."""
    classifications = [
        {"name": cell_class.name, "color": list(cell_class.color)} for cell_class in frame.classes
    ]
    detections = piece.detections
    names = ("score", *frame.class_score_names)
    for cell_id, (x1, y1, x2, y2), score, label, class_scores in zip(
        piece.ids.tolist(),
        frame.boxes(detections).tolist(),
        round_scores(detections.score),
        detections.label.tolist(),
        round_scores(detections.class_scores),
        strict=True,
    ):
        measured = zip(names, (score, *class_scores), strict=True)
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
                # A score that is not known is NaN, and equal to nothing.
                "measurements": {name: value for name, value in measured if value == value},
            },
        }
