"""Newline-delimited GeoJSON: one Feature a line, for scripts that read as they go.

QuPath does not read it.
"""

from collections.abc import Iterable, Iterator

import orjson

from service.exports.frame import Frame, cut_pieces
from service.exports.geojson import make_features
from service.pipeline.types import CellRecords

MEDIA_TYPE = "application/x-ndjson"


def write_ndjson(chunks: Iterable[CellRecords], frame: Frame) -> Iterator[bytes]:
    """The Features of `write_geojson`, one a line."""
    for piece in cut_pieces(chunks):
        yield b"".join(
            orjson.dumps(feature, option=orjson.OPT_APPEND_NEWLINE)
            for feature in make_features(piece, frame)
        )
