"""Stored detections: Arrow for a group of tiles, a Parquet file for a slide.

Owns the columns (id x1 y1 x2 y2 score label and `score_<class>` for every class; level-0 px), the
file's metadata, which suffice to make every export from the file alone, and reading by area.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from service.pipeline.cell_ids import identify_cells, make_cell_ids
from service.pipeline.types import (
    CellClass,
    CellRecords,
    CellSource,
    Detections,
    GroupResult,
    SlideInfo,
)

ID, SIDES, SCORE, LABEL, TILE_INDEX = "id", ("x1", "y1", "x2", "y2"), "score", "label", "tile_index"
CLASS_SCORE_PREFIX = "score_"
#: Rows. A viewer's screen of a slide with a million cells then lies in a few row groups; smaller
#: groups cost more time than they save.
ROW_GROUP_SIZE = 10_000
FACTS = b"cytolibra"
UNREADABLE, LIMITED = b"unreadable_tiles", b"limited_tiles"
GROUP_DIGEST = b"group_digest"

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class DetectionFacts:
    """Metadata of a detections file.

    Attributes:
        classes: in label order.
        slide: the slide's own metadata.
        source: file, detector and mpp from which the ids are derived.
    """

    classes: tuple[CellClass, ...]
    slide: SlideInfo
    source: CellSource


def encode_group(group: GroupResult, classes: Sequence[CellClass], digest: str) -> bytes:
    """An Arrow stream of one group of tiles.

    Args:
        group: to encode.
        classes: in label order.
        digest: of what the group was made from; `decode_group` compares it.
    """
    detections = group.detections
    schema = pa.schema([*_fields(classes), pa.field(TILE_INDEX, pa.int32())])
    tiles = {UNREADABLE: group.unreadable_tiles, LIMITED: group.limited_tiles}
    metadata = {key: json.dumps(value).encode() for key, value in tiles.items()}
    schema = schema.with_metadata({**metadata, GROUP_DIGEST: digest.encode()})
    arrays = [*_arrays(detections), pa.array(detections.tile_index)]
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, schema) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return buffer.getvalue()


def decode_group(data: bytes, classes: Sequence[CellClass], digest: str) -> GroupResult | None:
    """The group that `encode_group` encoded; None if its digest is another.

    Groups of earlier versions state no digest, so that nobody knows which tiles they are of.
    """
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    metadata = table.schema.metadata or {}
    if metadata.get(GROUP_DIGEST) != digest.encode():
        return None
    unreadable, limited = (json.loads(metadata[key]) for key in (UNREADABLE, LIMITED))
    tile_index = table[TILE_INDEX].to_numpy().astype(np.int32)
    detections = _detections(table, classes, tile_index)
    return GroupResult(detections, tuple(unreadable), tuple(limited))


def encode_detections(detections: Detections, facts: DetectionFacts) -> bytes:
    """A Parquet file of a slide's detections with their ids, in their order.

    Every row group states the minimum and maximum of each numeric column. Detections in spatial
    order (`spatial_order.py`) are therefore read by area without reading the whole file; detections
    in any other order are read correctly too, but more slowly.
    """
    metadata = {FACTS: json.dumps(asdict(facts)).encode()}
    fields = [pa.field(ID, pa.string()), *_fields(facts.classes)]
    schema = pa.schema(fields).with_metadata(metadata)
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        schema,
        compression="zstd",
        use_dictionary=False,
        write_statistics=[field.name for field in fields if field.name != ID],
    ) as writer:
        for records in identify_cells(detections, facts.source, ROW_GROUP_SIZE):
            arrays = [pa.array(records.ids, pa.string()), *_arrays(records.detections)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return buffer.getvalue()


class DetectionsFile:
    """A slide's detections, read a row group at a time.

    Files of earlier versions have no ids and no class scores: their ids are computed here, and
    their class scores are NaN.

    Args:
        file: seekable.
        slide_sha256, detector_digest: for files of earlier versions, which state no source.

    Raises:
        ValueError: neither the file nor the caller states the source.
    """

    def __init__(
        self, file: BinaryIO, slide_sha256: str | None = None, detector_digest: str | None = None
    ) -> None:
        self._file = pq.ParquetFile(file)
        facts = json.loads(self._file.schema_arrow.metadata[FACTS])
        slide = _slide_info(facts["slide"])
        if "source" not in facts and (slide_sha256 is None or detector_digest is None):
            raise ValueError(
                "the detections file is of an earlier version, which does not name its source: "
                "pass slide_sha256 and detector_digest"
            )
        source = facts.get("source") or {
            "slide_sha256": slide_sha256,
            "detector_digest": detector_digest,
            "mpp": slide.mpp,
        }
        self.facts = DetectionFacts(_classes(facts["classes"]), slide, CellSource(**source))

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def chunks(self, bbox_xyxy: Box | None = None) -> Iterator[CellRecords]:
        """The detections in their order, a row group at a time; `tile_index` is 0 throughout.

        Args:
            bbox_xyxy: level-0 px; row groups without a cell centre in it are skipped. Cells outside
                of it may still be returned: `service/exports/filters.py` drops them.
        """
        for index in range(self._file.num_row_groups):
            if bbox_xyxy is None or self._may_meet(index, bbox_xyxy):
                yield self._records(self._file.read_row_group(index))

    def _records(self, table: pa.Table) -> CellRecords:
        tile_index = np.zeros(len(table), np.int32)
        detections = _detections(table, self.facts.classes, tile_index)
        if ID not in table.column_names:
            return CellRecords(make_cell_ids(self.facts.source, detections.bbox_xyxy), detections)
        return CellRecords(table[ID].to_numpy(), detections)

    def _may_meet(self, index: int, bbox_xyxy: Box) -> bool:
        """Whether the row group's statistics allow a cell centre in the box."""
        ranges = _ranges(self._file.metadata.row_group(index))
        if not ranges.keys() >= set(SIDES):
            return True
        # Halved sums, as centres are computed, so that rounding cannot exclude a centre.
        min_x, max_x = ((x1 + x2) / 2 for x1, x2 in zip(ranges["x1"], ranges["x2"], strict=True))
        min_y, max_y = ((y1 + y2) / 2 for y1, y2 in zip(ranges["y1"], ranges["y2"], strict=True))
        x1, y1, x2, y2 = bbox_xyxy
        return min_x < x2 and max_x >= x1 and min_y < y2 and max_y >= y1


def _ranges(group: pq.RowGroupMetaData) -> dict[str, tuple[float, float]]:
    """(min, max) of each side of the boxes in a row group; sides without statistics are absent."""
    ranges = {}
    for index in range(group.num_columns):
        column = group.column(index)
        statistics: Any = column.statistics
        if column.path_in_schema in SIDES and statistics is not None and statistics.has_min_max:
            ranges[column.path_in_schema] = float(statistics.min), float(statistics.max)
    return ranges


def _class_columns(classes: Sequence[CellClass]) -> list[str]:
    return [CLASS_SCORE_PREFIX + cell_class.name for cell_class in classes]


def _fields(classes: Sequence[CellClass]) -> "list[pa.Field[Any]]":
    numbers = [pa.field(name, pa.float32()) for name in (*SIDES, SCORE)]
    scores = [pa.field(name, pa.float32()) for name in _class_columns(classes)]
    return [*numbers, pa.field(LABEL, pa.int16()), *scores]


def _arrays(detections: Detections) -> "list[pa.Array[Any]]":
    return [
        *(pa.array(side) for side in np.ascontiguousarray(detections.bbox_xyxy.T, np.float32)),
        pa.array(detections.score.astype(np.float32)),
        pa.array(detections.label.astype(np.int16)),
        *(pa.array(score) for score in np.ascontiguousarray(detections.class_scores.T, np.float32)),
    ]


def _detections(
    table: pa.Table, classes: Sequence[CellClass], tile_index: NDArray[np.int32]
) -> Detections:
    bbox = np.stack([table[name].to_numpy() for name in SIDES], axis=1)
    missing_scores = np.full(len(table), np.nan, np.float32)
    class_scores = [
        table[name].to_numpy() if name in table.column_names else missing_scores
        for name in _class_columns(classes)
    ]
    return Detections(
        bbox.astype(np.float32).reshape(-1, 4),
        table[SCORE].to_numpy().astype(np.float32),
        table[LABEL].to_numpy().astype(np.int16),
        tile_index,
        np.stack(class_scores, axis=1).astype(np.float32),
    )


def _classes(rows: list[dict[str, Any]]) -> tuple[CellClass, ...]:
    return tuple(
        CellClass(row["name"], (row["color"][0], row["color"][1], row["color"][2]), row["severity"])
        for row in rows
    )


def _slide_info(row: dict[str, Any]) -> SlideInfo:
    tuples = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
    return SlideInfo(**{**row, **tuples})
