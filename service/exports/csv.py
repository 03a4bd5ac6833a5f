"""CSV (RFC 4180): one detection a row, for spreadsheets and scripts."""

import csv
import io
from collections.abc import Iterable, Iterator

from service.exports.frame import Frame, cut_pieces
from service.pipeline.types import Detections

MEDIA_TYPE = "text/csv"
HEADER = ("x1", "y1", "x2", "y2", "class", "score", "label")


def write_csv(chunks: Iterable[Detections], frame: Frame) -> Iterator[bytes]:
    """A header, then box in px, class name, score and label (the class by number) of every cell."""
    names = [one.name for one in frame.classes]
    yield _to_bytes([HEADER])
    for piece in cut_pieces(chunks):
        boxes = frame.boxes(piece).tolist()
        scores = piece.score.astype(float).round(4).tolist()
        yield _to_bytes(
            (*box, names[label], score, label)
            for box, score, label in zip(boxes, scores, piece.label.tolist(), strict=True)
        )


def _to_bytes(rows: Iterable[tuple[object, ...]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8")
