"""The ids of cells: what they are made of, and how a million of them are made in seconds.

Command line, worker and exports all get their ids here, so that they are the same everywhere.
"""

import uuid
from collections.abc import Iterator
from hashlib import sha1

import numpy as np
import orjson
from numpy.typing import NDArray

from service.pipeline.types import CellRecords, CellSource, Detections

#: Of all ids that CytoLibra gives to cells; a random constant.
CELLS_NAMESPACE = uuid.UUID("5d0c1f9e-6a57-4b4e-9f0e-1c7d3b8a42f6")
PIECE_SIZE = 10_000
#: Where the 32 hex digits of a UUID stand in its 36 characters.
HEX_COLUMNS = np.delete(np.arange(36), [8, 13, 18, 23])


def make_cell_ids(source: CellSource, bbox_xyxy: NDArray[np.float32]) -> NDArray[np.object_]:
    """The id of every box: the same cell of the same slide has the same id wherever it is made.

    An id is `uuid5(namespace, "x1,y1,x2,y2")`, sides in hundredths of a level-0 px as whole
    numbers, and the namespace is `uuid5(CELLS_NAMESPACE, "sha256/detector digest/mpp")`. It depends
    neither on class or score, nor on the tile plan, nor on the origin of an export's coordinates.

    Args:
        source: which file was analysed, with what, at which µm/px.
        bbox_xyxy: (N, 4) float32, level-0 px.

    Returns:
        (N,) str.

    Source: RFC 9562, section 5.5 (UUID version 5).
    """
    if not len(bbox_xyxy):
        return np.zeros(0, np.object_)
    described = f"{source.slide_sha256}/{source.detector_digest}/{source.mpp!r}"
    namespace = uuid.uuid5(CELLS_NAMESPACE, described).bytes
    # uuid.uuid5 takes four times as long, most of it in making UUID objects.
    hashed = b"".join([sha1(namespace + name).digest() for name in _box_names(bbox_xyxy)])
    octets = np.frombuffer(hashed, np.uint8).reshape(-1, 20)[:, :16].copy()
    octets[:, 6] = octets[:, 6] & 0x0F | 0x50  # version 5
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80  # variant of RFC 9562
    return np.array(_format_uuids(octets), np.object_)


def identify_cells(
    detections: Detections, source: CellSource, piece_size: int = PIECE_SIZE
) -> Iterator[CellRecords]:
    """The detections with their ids, in order, in pieces, so that not all ids exist at one time."""
    for start in range(0, len(detections), piece_size):
        piece = detections.take(np.arange(start, min(start + piece_size, len(detections))))
        yield CellRecords(make_cell_ids(source, piece.bbox_xyxy), piece)


def _box_names(bbox_xyxy: NDArray[np.float32]) -> list[bytes]:
    """b"x1,y1,x2,y2" of every box; a JSON writer is the quickest way from numbers to text."""
    hundredths = np.rint(bbox_xyxy.astype(np.float64) * 100).astype(np.int64)
    return orjson.dumps(hundredths, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")


def _format_uuids(octets: NDArray[np.uint8]) -> list[str]:
    """The usual text of (N, 16) uint8 UUIDs."""
    text = np.full((len(octets), 36), ord("-"), np.uint8)
    text[:, HEX_COLUMNS] = np.frombuffer(octets.tobytes().hex().encode(), np.uint8).reshape(-1, 32)
    joined = text.tobytes().decode("ascii")
    return [joined[start : start + 36] for start in range(0, len(joined), 36)]
