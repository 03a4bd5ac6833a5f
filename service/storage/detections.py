"""Detections at rest: Arrow for a group of tiles, one Parquet file for a slide.

Owns the columns (id x1 y1 x2 y2 score label and `score_<class>` for every class; level-0 px), the
facts that travel in the file, so that every export can be made from it alone, and what of it is
read for an area.
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
#: A screen of a slide with a million cells lies in a few groups; smaller ones cost more than they
#: save.
ROW_GROUP_SIZE = 10_000
FACTS = b"cytolibra"
UNREADABLE, LIMITED = b"unreadable_tiles", b"limited_tiles"

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class DetectionFacts:
    """What a detections file says besides the detections.

    Attributes:
        classes: in label order.
        slide: what the slide says of itself.
        source: what the ids are made from.
    """

    classes: tuple[CellClass, ...]
    slide: SlideInfo
    source: CellSource


def encode_group(group: GroupResult, classes: Sequence[CellClass]) -> bytes:
    """An Arrow stream of one group of tiles; `classes` in label order."""
    detections = group.detections
    schema = pa.schema([*_fields(classes), pa.field(TILE_INDEX, pa.int32())])
    tiles = {UNREADABLE: group.unreadable_tiles, LIMITED: group.limited_tiles}
    schema = schema.with_metadata({key: json.dumps(value).encode() for key, value in tiles.items()})
    arrays = [*_arrays(detections), pa.array(detections.tile_index)]
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, schema) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return buffer.getvalue()


def decode_group(data: bytes, classes: Sequence[CellClass]) -> GroupResult:
    """What `encode_group` was given; class scores are NaN in groups of before there were any."""
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    facts = table.schema.metadata
    unreadable, limited = (json.loads(facts.get(key, b"[]")) for key in (UNREADABLE, LIMITED))
    tile_index = table[TILE_INDEX].to_numpy().astype(np.int32)
    detections = _detections(table, classes, tile_index)
    return GroupResult(detections, tuple(unreadable), tuple(limited))


def encode_detections(detections: Detections, facts: DetectionFacts) -> bytes:
    """A Parquet file of a slide's detections with their ids, in their order.

    Every row group states the least and greatest value of every number in it, so detections that
    are in a spatial order (`spatial_order.py`) can be read by area; any order is read rightly.
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

    Files of before there were ids and class scores are read, too: their ids are made here, and
    their class scores are NaN.

    Args:
        file: seekable; it is closed with this.
        slide_sha256, detector_digest: for files that do not name their source themselves.

    Raises:
        ValueError: the file does not name its source, and neither does the caller.
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
        stated = facts.get("source") or {
            "slide_sha256": slide_sha256,
            "detector_digest": detector_digest,
            "mpp": slide.mpp,
        }
        self.facts = DetectionFacts(_classes(facts["classes"]), slide, CellSource(**stated))

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def chunks(self, bbox_xyxy: Box | None = None) -> Iterator[CellRecords]:
        """The detections in their order, a row group at a time; `tile_index` is 0 throughout.

        Args:
            bbox_xyxy: level-0 px; row groups in which no cell has its centre there are not read.
                What is read is not filtered further: that is `service/exports/filters.py`.
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
        """Whether a centre of this row group may lie in the box, by the group's statistics."""
        ranges = _ranges(self._file.metadata.row_group(index))
        if not ranges.keys() >= set(SIDES):
            return True
        # Halved sums, as centres are computed, so that rounding cannot put one outside.
        least_x, most_x = ((x1 + x2) / 2 for x1, x2 in zip(ranges["x1"], ranges["x2"], strict=True))
        least_y, most_y = ((y1 + y2) / 2 for y1, y2 in zip(ranges["y1"], ranges["y2"], strict=True))
        x1, y1, x2, y2 = bbox_xyxy
        return least_x < x2 and most_x >= x1 and least_y < y2 and most_y >= y1


def _ranges(group: pq.RowGroupMetaData) -> dict[str, tuple[float, float]]:
    """Least and greatest value of the box's sides in a row group, as far as it states them."""
    ranges = {}
    for number in range(group.num_columns):
        column = group.column(number)
        stated: Any = column.statistics
        if column.path_in_schema in SIDES and stated is not None and stated.has_min_max:
            ranges[column.path_in_schema] = float(stated.min), float(stated.max)
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
        *(pa.array(each) for each in np.ascontiguousarray(detections.class_scores.T, np.float32)),
    ]


def _detections(
    table: pa.Table, classes: Sequence[CellClass], tile_index: NDArray[np.int32]
) -> Detections:
    bbox = np.stack([table[name].to_numpy() for name in SIDES], axis=1)
    absent = np.full(len(table), np.nan, np.float32)
    class_scores = [
        table[name].to_numpy() if name in table.column_names else absent
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
