"""CSV (RFC 4180): one detection a row, for spreadsheets and scripts."""

import csv
import io
from collections.abc import Iterable, Iterator

from service.exports.frame import Frame
from service.pipeline.types import Detections

MEDIA_TYPE = "text/csv"
HEADER = ("x1", "y1", "x2", "y2", "class", "score")


def write_csv(chunks: Iterable[Detections], frame: Frame) -> Iterator[bytes]:
    """A header, then x1, y1, x2, y2 in px, class name and score of every detection."""
    names = [one.name for one in frame.classes]
    yield _to_bytes([HEADER])
    for chunk in chunks:
        boxes = frame.boxes(chunk).tolist()
        scores = chunk.score.astype(float).round(4).tolist()
        rows = [
            (*box, names[label], score)
            for box, score, label in zip(boxes, scores, chunk.label.tolist(), strict=True)
        ]
        if rows:
            yield _to_bytes(rows)


def _to_bytes(rows: Iterable[tuple[object, ...]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8")
