"""CSV (RFC 4180): one cell a row, for spreadsheets and scripts."""

import csv
import io
from collections.abc import Iterable, Iterator

from service.exports.frame import Frame, cut_pieces, round_scores
from service.pipeline.types import CellRecords

MEDIA_TYPE = "text/csv"
HEADER = ("x1", "y1", "x2", "y2", "class", "score", "label", "id")


def write_csv(chunks: Iterable[CellRecords], frame: Frame) -> Iterator[bytes]:
    """A header, then of every cell: box in px, class name, score, label (the class by number), id,
    and the score of every class, empty where it is not known."""
    names = [cell_class.name for cell_class in frame.classes]
    yield _to_bytes([(*HEADER, *frame.class_score_names)])
    for piece in cut_pieces(chunks):
        detections = piece.detections
        yield _to_bytes(
            (*box, names[label], score, label, cell_id, *_blank_unknown(class_scores))
            for box, score, label, cell_id, class_scores in zip(
                frame.boxes(detections).tolist(),
                round_scores(detections.score),
                detections.label.tolist(),
                piece.ids.tolist(),
                round_scores(detections.class_scores),
                strict=True,
            )
        )


def _blank_unknown(scores: list[float]) -> list[float | str]:
    return [score if score == score else "" for score in scores]


def _to_bytes(rows: Iterable[tuple[object, ...]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8")
