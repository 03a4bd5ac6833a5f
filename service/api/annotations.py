"""Streams a slide's detections in the requested format.

Owns the choice of writer and the compression; the formats are `service.exports`. A wrong request is
refused before the first byte is sent.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from werkzeug.http import parse_accept_header

from service.exports.filters import read_filters
from service.exports.formats import WRITERS, Format
from service.exports.frame import Frame, Origin
from service.pipeline.types import CellRecords
from service.storage.detections import DetectionsFile
from service.storage.tables import Slide

#: Detections compress tenfold at the fastest level; higher levels gain little.
GZIP_LEVEL = 1
GZIP_WINDOW = 31


@dataclass(frozen=True)
class AnnotationsQuery:
    """Format and filters that a request states.

    Attributes:
        format: of the stream.
        label: class names, repeated or separated by commas; empty for all classes.
        min_score: in [0, 1].
        bbox: "x1,y1,x2,y2", level-0 px.
        origin: of the coordinates.
    """

    format: Format
    label: tuple[str, ...]
    min_score: float | None
    bbox: str | None
    origin: Origin


def stream_annotations(source: BinaryIO, slide: Slide, query: AnnotationsQuery) -> Iterator[bytes]:
    """The detections that pass the query's filters, as pieces of bytes.

    Args:
        source: the slide's detections file; closed when the stream ends.
        slide: whose detections they are.
        query: format and filters.

    Raises:
        InvalidRequestError: a filter is wrong; raised by the call, not by the first piece.
    """
    file = DetectionsFile(source, slide.sha256, slide.detector_digest)
    facts = file.facts
    try:
        filters = read_filters(query.label, query.min_score, query.bbox, facts.classes)
    except BaseException:
        source.close()
        raise
    frame = Frame(
        classes=facts.classes,
        slide=facts.slide,
        origin=query.origin,
        source=facts.source,
        disclaimer=str((slide.report or {}).get("disclaimer", "")),
    )
    return _stream(source, filters.keep(file.chunks(filters.bbox_xyxy)), frame, query.format)


def compress(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, compressed by gzip."""
    gzip = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    for piece in pieces:
        if packed := gzip.compress(piece):
            yield packed
    yield gzip.flush()


def is_gzip_accepted(accept_encoding: Sequence[str]) -> bool:
    """Whether the lines of an Accept-Encoding header accept gzip; stated by name, `*` is ignored.

    Source: RFC 9110, section 12.5.3.
    """
    return parse_accept_header(", ".join(accept_encoding)).quality("gzip") > 0


def _stream(
    source: BinaryIO, chunks: Iterator[CellRecords], frame: Frame, format: Format
) -> Iterator[bytes]:
    with closing(source):
        yield from WRITERS[format](chunks, frame)
