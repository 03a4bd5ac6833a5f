"""Stored detections are read unchanged, by row group, and by area without the whole file."""

import io
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.classes import BETHESDA
from service.exports.filters import Filters
from service.pipeline.cell_ids import make_cell_ids
from service.pipeline.spatial_order import order_spatially
from service.pipeline.types import CellSource, Detections, GroupResult, SlideInfo, no_detections
from service.storage import detections as stored
from service.storage.detections import (
    ROW_GROUP_SIZE,
    DetectionFacts,
    DetectionsFile,
    decode_group,
    encode_detections,
    encode_group,
)

FILES = Path(__file__).parent / "files"
SLIDE = SlideInfo(
    vendor="aperio",
    width=1000,
    height=800,
    level_downsamples=(1.0, 4.0),
    mpp=0.25,
    mpp_source="slide",
    bounds_xywh=None,
    background_rgb=(255, 255, 255),
)
SOURCE = CellSource("a" * 64, "sha256:" + "b" * 64, 0.25)
FACTS = DetectionFacts(BETHESDA, SLIDE, SOURCE)


def random_detections(count: int) -> Detections:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 500, (count, 2))
    return Detections(
        np.hstack([corner, corner + 40]).astype(np.float32),
        rng.uniform(0, 1, count).astype(np.float32),
        rng.integers(0, 6, count).astype(np.int16),
        rng.integers(0, 9, count).astype(np.int32),
        rng.uniform(0, 1, (count, len(BETHESDA))).astype(np.float32),
    )


def assert_same(left: Detections, right: Detections) -> None:
    np.testing.assert_array_equal(left.bbox_xyxy, right.bbox_xyxy)
    np.testing.assert_array_equal(left.score, right.score)
    np.testing.assert_array_equal(left.label, right.label)
    np.testing.assert_array_equal(left.class_scores, right.class_scores)
    assert left.bbox_xyxy.dtype == np.float32
    assert left.label.dtype == np.int16


@pytest.mark.parametrize("count", [0, 1, 100])
def test_group_is_decoded_as_encoded(count: int) -> None:
    detections = random_detections(count) if count else no_detections(len(BETHESDA))
    group = GroupResult(detections, (3, 7), limited_tiles=(4,))
    encoded = encode_group(group, BETHESDA, "d1")
    assert decode_group(encoded, BETHESDA, "d2") is None
    decoded = decode_group(encoded, BETHESDA, "d1")
    assert decoded is not None
    assert_same(decoded.detections, group.detections)
    np.testing.assert_array_equal(decoded.detections.tile_index, group.detections.tile_index)
    assert decoded.unreadable_tiles == (3, 7)
    assert decoded.limited_tiles == (4,)


@pytest.mark.parametrize("bounds", [None, (10, 20, 300, 400)])
def test_file_states_the_metadata_that_exports_need(
    bounds: tuple[int, int, int, int] | None,
) -> None:
    slide = SlideInfo(**{**SLIDE.__dict__, "bounds_xywh": bounds})
    facts = DetectionFacts(BETHESDA, slide, SOURCE)
    assert DetectionsFile(io.BytesIO(encode_detections(random_detections(2), facts))).facts == facts


@pytest.mark.parametrize("count", [0, 1, ROW_GROUP_SIZE + 1])
def test_file_is_read_by_row_groups(count: int) -> None:
    detections = random_detections(count)
    file = DetectionsFile(io.BytesIO(encode_detections(detections, FACTS)))
    chunks = list(file.chunks())
    assert len(file) == count
    assert sum(len(chunk) for chunk in chunks) == count
    assert all(len(chunk) <= ROW_GROUP_SIZE for chunk in chunks)
    if count:
        assert_same(chunks[0].detections, detections.take(np.arange(min(count, ROW_GROUP_SIZE))))
        expected = make_cell_ids(SOURCE, chunks[0].detections.bbox_xyxy)
        assert chunks[0].ids.tolist() == expected.tolist()


def test_columns_are_named_plainly_typed_and_have_statistics() -> None:
    table = pq.read_table(io.BytesIO(encode_detections(random_detections(20), FACTS)))
    types = {field.name: str(field.type) for field in table.schema}
    names = [f"score_{cell_class.name}" for cell_class in BETHESDA]
    assert types == {
        "id": "string",
        **dict.fromkeys(("x1", "y1", "x2", "y2", "score"), "float"),
        "label": "int16",
        **dict.fromkeys(names, "float"),
    }
    assert all(uuid.UUID(cell_id).version == 5 for cell_id in table["id"].to_pylist())
    np.testing.assert_array_equal(
        np.stack([table[name].to_numpy() for name in names], axis=1),
        random_detections(20).class_scores,
    )
    metadata = pq.read_metadata(io.BytesIO(encode_detections(random_detections(20), FACTS)))
    columns = [metadata.row_group(0).column(index) for index in range(metadata.num_columns)]
    without_statistics = [col.path_in_schema for col in columns if not col.is_stats_set]
    assert without_statistics == ["id"]


coordinates = st.integers(-20, 320).map(float)
areas = st.tuples(coordinates, coordinates, coordinates, coordinates).filter(
    lambda box: box[0] < box[2] and box[1] < box[3]
)


@given(
    st.lists(st.tuples(st.floats(0, 300, width=32), st.floats(0, 300, width=32)), max_size=60),
    areas,
    st.booleans(),
)
@settings(deadline=None)
def test_reading_by_area_returns_every_cell_in_it(
    corner: list[tuple[float, float]], area: tuple[float, float, float, float], is_ordered: bool
) -> None:
    low = np.array(corner, np.float32).reshape(-1, 2)
    cells = random_detections(len(low))
    cells = replace(cells, bbox_xyxy=np.hstack([low, low + np.float32(7.3)]))
    if is_ordered:
        cells = order_spatially(cells, 320, 320)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "ROW_GROUP_SIZE", 4)
        file = DetectionsFile(io.BytesIO(encode_detections(cells, FACTS)))
    in_area = Filters(bbox_xyxy=area)
    ids_by_area, ids_of_whole_file = (
        [cell_id for chunk in in_area.keep(chunks) for cell_id in chunk.ids.tolist()]
        for chunks in (file.chunks(area), file.chunks())
    )
    assert ids_by_area == ids_of_whole_file


def test_a_small_area_of_a_large_slide_reads_little_of_the_file() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 100_000, (100_000, 2))
    bbox = np.hstack([corner, corner + 40]).astype(np.float32)
    cells = replace(random_detections(100_000), bbox_xyxy=bbox)
    encoded = encode_detections(order_spatially(cells, 100_040, 100_040), FACTS)

    class CountedReads(io.BytesIO):
        num_bytes = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.num_bytes += len(data)
            return data

    reads = CountedReads(encoded)
    area = (40_000.0, 20_000.0, 42_000.0, 21_000.0)
    chunks = list(DetectionsFile(reads).chunks(area))
    assert 0 < len(chunks) <= 2
    assert reads.num_bytes < len(encoded) / 3


def test_file_of_an_earlier_version_without_ids_and_class_scores_is_read() -> None:
    """An earlier version wrote `files/`; the detections in it are `random_detections(50)`."""
    data = (FILES / "detections_without_class_scores.parquet").read_bytes()
    file = DetectionsFile(io.BytesIO(data), SOURCE.slide_sha256, SOURCE.detector_digest)
    assert file.facts == FACTS
    (chunk,) = file.chunks()
    expected = random_detections(50)
    np.testing.assert_array_equal(chunk.detections.bbox_xyxy, expected.bbox_xyxy)
    np.testing.assert_array_equal(chunk.detections.label, expected.label)
    assert chunk.detections.class_scores.shape == (50, len(BETHESDA))
    assert np.isnan(chunk.detections.class_scores).all()
    assert chunk.ids.tolist() == make_cell_ids(SOURCE, expected.bbox_xyxy).tolist()
    assert sum(map(len, file.chunks((2_000.0, 0.0, 3_000.0, 500.0)))) == 0
    with pytest.raises(ValueError, match="pass slide_sha256 and detector_digest"):
        DetectionsFile(io.BytesIO(data))


def test_group_of_an_earlier_version_is_not_used() -> None:
    """It does not say which tiles it is of."""
    data = (FILES / "group_without_class_scores.arrow").read_bytes()
    assert decode_group(data, BETHESDA, "d1") is None
