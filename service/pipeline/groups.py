"""Finds the cells of one group of tiles: the unit that a job makes durable.

A group's result depends on the slide, the detector and its tiles alone, so it may be run again.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import astuple, replace

import numpy as np
from numpy.typing import NDArray

from models.inference.cell_limit import limit_cells
from service.pipeline.batches import read_batches
from service.pipeline.geometry import um_to_level0
from service.pipeline.merge import SEAM_MARGIN_UM, keep_owned
from service.pipeline.slide import Slide
from service.pipeline.tiles import TilePlan
from service.pipeline.types import (
    Detections,
    Detector,
    DetectorInfo,
    GroupResult,
    InputSpec,
    Options,
    SlideInfo,
    Tile,
    TileBatch,
    join_detections,
    no_detections,
)


def cut_groups(plan: TilePlan, group_size: int) -> list[tuple[Tile, ...]]:
    """The plan's tiles in groups, in order."""
    return [
        plan.tiles[start : start + group_size] for start in range(0, len(plan.tiles), group_size)
    ]


def digest_group(
    info: SlideInfo, detector: DetectorInfo, plan: TilePlan, tiles: Sequence[Tile]
) -> str:
    """64 hex digits of all but the slide's file that a group's result is made from.

    Equal numbers mean equal tiles: a group that was kept may be used in place of another only
    where these are equal.
    """
    made_from = [
        detector.digest,
        info.mpp,
        plan.spec.mpp,
        plan.downsample,
        plan.level,
        [astuple(tile) for tile in tiles],
    ]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def find_cells(
    slide: Slide,
    detector: Detector,
    plan: TilePlan,
    tiles: Sequence[Tile],
    options: Options,
    on_tiles: Callable[[int], None],
) -> GroupResult:
    """What the detector finds on some tiles, each cell told by the tile that owns it.

    Args:
        slide: open.
        detector: to run.
        plan: of the whole slide.
        tiles: of this group.
        options: batch size and readers.
        on_tiles: called after every batch with how many of these tiles are done; may raise to stop.
    """
    by_index = {tile.index: tile for tile in tiles}
    margin_px = um_to_level0(SEAM_MARGIN_UM, slide.info.mpp)
    parts, num_done = [no_detections(len(detector.info.classes))], 0
    unreadable, limited = list[int](), list[int]()
    batches = read_batches(slide, plan, tiles, options.batch_size, options.num_readers)
    # Closed before the slide is, whatever happens: a reader must not read from a closed handle.
    with closing(batches):
        for read in batches:
            unreadable.extend(read.unreadable)
            if len(read.tile_index):
                in_batch = detector.detect(read.batch)
                limited += read.tile_index[_at_limit(in_batch, read.batch, plan.spec)].tolist()
                detections = _within(slide.info, in_batch, read.tile_index)
                parts.append(keep_owned(detections, by_index, margin_px))
            num_done += len(read.tile_index) + len(read.unreadable)
            on_tiles(num_done)
    return GroupResult(join_detections(parts), tuple(unreadable), tuple(limited))


def _at_limit(detections: Detections, batch: TileBatch, spec: InputSpec) -> NDArray[np.int64]:
    """Which tiles of a batch have as many detections as a detector gives of a tile at most."""
    num_tiles, height_px, width_px = batch.pixels.shape[:3]
    counts = np.bincount(detections.tile_index, minlength=num_tiles)
    return np.flatnonzero(counts >= limit_cells(width_px, height_px, spec.mpp))


def _within(info: SlideInfo, detections: Detections, tile_index: NDArray[np.int32]) -> Detections:
    """Clipped to the slide, without what lies beyond it; `tile_index` in the whole plan."""
    limit = np.array([info.width, info.height] * 2, np.float32)
    clipped = np.clip(detections.bbox_xyxy, 0, limit)
    has_area = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    clipped_detections = replace(
        detections, bbox_xyxy=clipped, tile_index=tile_index[detections.tile_index]
    )
    return clipped_detections.take(np.asarray(has_area))
