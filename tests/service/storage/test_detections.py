"""Detections come back from disk as they were, in pieces."""

import io

import numpy as np
import pytest

from models.classes import BETHESDA
from service.pipeline.types import Detections, GroupResult, SlideInfo, no_detections
from service.storage.detections import (
    ROW_GROUP_SIZE,
    DetectionFacts,
    DetectionsFile,
    decode_group,
    encode_detections,
    encode_group,
)

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
def test_group_comes_back(count: int) -> None:
    detections = random_detections(count) if count else no_detections(len(BETHESDA))
    group = GroupResult(detections, (3, 7), limited_tiles=(4,))
    back = decode_group(encode_group(group))
    assert_same(back.detections, group.detections)
    np.testing.assert_array_equal(back.detections.tile_index, group.detections.tile_index)
    assert back.unreadable_tiles == (3, 7)
    assert back.limited_tiles == (4,)


@pytest.mark.parametrize("bounds", [None, (10, 20, 300, 400)])
def test_file_says_all_that_an_export_needs(bounds: tuple[int, int, int, int] | None) -> None:
    slide = SlideInfo(**{**SLIDE.__dict__, "bounds_xywh": bounds})
    data = encode_detections(random_detections(2), DetectionFacts(BETHESDA, slide))
    assert DetectionsFile(io.BytesIO(data)).facts == DetectionFacts(BETHESDA, slide)


@pytest.mark.parametrize("count", [0, 1, ROW_GROUP_SIZE + 1])
def test_file_is_read_in_pieces(count: int) -> None:
    detections = random_detections(count)
    data = encode_detections(detections, DetectionFacts(BETHESDA, SLIDE))
    file = DetectionsFile(io.BytesIO(data))
    chunks = list(file.chunks())
    assert len(file) == count
    assert sum(len(chunk) for chunk in chunks) == count
    assert all(len(chunk) <= ROW_GROUP_SIZE for chunk in chunks)
    if count:
        assert_same(chunks[0], detections.take(np.arange(min(count, ROW_GROUP_SIZE))))
