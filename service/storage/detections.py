"""Detections at rest: Arrow for a group of tiles, one Parquet file for a slide.

Owns the columns (x1 y1 x2 y2 score label, level-0 px) and the facts that travel in the file, so
that every export can be made from it alone.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from service.pipeline.types import CellClass, Detections, GroupResult, SlideInfo

COLUMNS = ("x1", "y1", "x2", "y2", "score", "label")
SCHEMA = pa.schema([(name, pa.float32()) for name in COLUMNS[:5]] + [("label", pa.int16())])
CLASS_SCORE = "score_"
ROW_GROUP_SIZE = 20_000
FACTS = b"cytolibra"
UNREADABLE, LIMITED = b"unreadable_tiles", b"limited_tiles"


@dataclass(frozen=True)
class DetectionFacts:
    """What a detections file says besides the detections.

    Attributes:
        classes: in label order.
        slide: what the slide says of itself.
    """

    classes: tuple[CellClass, ...]
    slide: SlideInfo


def encode_group(group: GroupResult) -> bytes:
    """An Arrow stream of one group of tiles."""
    detections = group.detections
    names = [f"{CLASS_SCORE}{label}" for label in range(detections.class_scores.shape[1])]
    schema = _schema(names).append(pa.field("tile_index", pa.int32()))
    tiles = {UNREADABLE: group.unreadable_tiles, LIMITED: group.limited_tiles}
    schema = schema.with_metadata({key: json.dumps(value).encode() for key, value in tiles.items()})
    columns = [*_columns(detections), pa.array(detections.tile_index)]
    table = pa.Table.from_arrays(columns, schema=schema)
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def decode_group(data: bytes) -> GroupResult:
    """What `encode_group` was given."""
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    facts = table.schema.metadata
    unreadable, limited = (json.loads(facts.get(key, b"[]")) for key in (UNREADABLE, LIMITED))
    tile_index = table["tile_index"].to_numpy().astype(np.int32)
    names = [name for name in table.column_names if name.startswith(CLASS_SCORE)]
    return GroupResult(_detections(table, tile_index, names), tuple(unreadable), tuple(limited))


def encode_detections(detections: Detections, facts: DetectionFacts) -> bytes:
    """A Parquet file of a slide's detections, in their order."""
    metadata = {FACTS: json.dumps(asdict(facts)).encode()}
    schema = _schema(_class_columns(facts.classes)).with_metadata(metadata)
    table = pa.Table.from_arrays(_columns(detections), schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=ROW_GROUP_SIZE, compression="zstd")
    return buffer.getvalue()


class DetectionsFile:
    """A slide's detections, read a row group at a time.

    Args:
        source: seekable; it is closed with the file.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._file = pq.ParquetFile(source)
        facts = json.loads(self._file.schema_arrow.metadata[FACTS])
        self.facts = DetectionFacts(_classes(facts["classes"]), _slide_info(facts["slide"]))

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def chunks(self) -> Iterator[Detections]:
        """The detections in their order, a row group at a time; `tile_index` is 0 throughout."""
        for index in range(self._file.num_row_groups):
            table = self._file.read_row_group(index)
            names = _class_columns(self.facts.classes)
            yield _detections(table, np.zeros(len(table), np.int32), names)


def _class_columns(classes: tuple[CellClass, ...]) -> list[str]:
    return [CLASS_SCORE + cell_class.name for cell_class in classes]


def _schema(class_columns: list[str]) -> pa.Schema:
    return pa.schema([*SCHEMA, *(pa.field(name, pa.float32()) for name in class_columns)])


def _columns(detections: Detections) -> "list[pa.Array[Any]]":
    box = np.ascontiguousarray(detections.bbox_xyxy.T, np.float32)
    arrays = [pa.array(side) for side in box]
    return [
        *arrays,
        pa.array(detections.score.astype(np.float32)),
        pa.array(detections.label.astype(np.int16)),
        *(pa.array(scores) for scores in np.ascontiguousarray(detections.class_scores.T)),
    ]


def _detections(
    table: pa.Table, tile_index: NDArray[np.int32], class_columns: list[str]
) -> Detections:
    box = np.stack([table[name].to_numpy() for name in COLUMNS[:4]], axis=1)
    missing = np.full(len(table), np.nan, np.float32)
    scores = [table[c].to_numpy() if c in table.column_names else missing for c in class_columns]
    return Detections(
        box.astype(np.float32).reshape(-1, 4),
        table["score"].to_numpy().astype(np.float32),
        table["label"].to_numpy().astype(np.int16),
        tile_index,
        np.stack(scores, axis=1).astype(np.float32),
    )


def _classes(rows: list[dict[str, Any]]) -> tuple[CellClass, ...]:
    return tuple(
        CellClass(row["name"], (row["color"][0], row["color"][1], row["color"][2]), row["severity"])
        for row in rows
    )


def _slide_info(row: dict[str, Any]) -> SlideInfo:
    tuples = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
    return SlideInfo(**{**row, **tuples})
