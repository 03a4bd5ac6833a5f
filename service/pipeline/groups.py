"""Finds the cells of one group of tiles: the unit that a job makes durable.

A group's result depends on the slide, the detector and its tiles alone, so it may be run again.
"""

from collections.abc import Callable, Sequence

import numpy as np

from service.pipeline.batches import read_batches
from service.pipeline.geometry import um_to_level0
from service.pipeline.merge import SEAM_MARGIN_UM, keep_owned
from service.pipeline.slide import Slide
from service.pipeline.tiles import TilePlan
from service.pipeline.types import (
    Detections,
    Detector,
    GroupResult,
    Options,
    Tile,
    no_detections,
)


def cut_groups(plan: TilePlan, group_size: int) -> list[tuple[Tile, ...]]:
    """The plan's tiles in groups, in order."""
    return [
        plan.tiles[start : start + group_size] for start in range(0, len(plan.tiles), group_size)
    ]


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
        on_tiles: called with the number of tiles after every batch; may raise to stop.
    """
    by_index = {tile.index: tile for tile in tiles}
    margin_px = um_to_level0(SEAM_MARGIN_UM, slide.info.mpp)
    limit = np.array([slide.info.width, slide.info.height] * 2, np.float32)
    parts, unreadable = [no_detections()], list[int]()
    for read in read_batches(slide, plan, tiles, options.batch_size, options.num_readers):
        unreadable.extend(read.unreadable)
        if len(read.tile_index):
            found = detector.detect(read.batch)
            in_plan = Detections(
                np.clip(found.bbox_xyxy, 0, limit),
                found.score,
                found.label,
                read.tile_index[found.tile_index],
            )
            has_area = ((in_plan.bbox_xyxy[:, 2:] - in_plan.bbox_xyxy[:, :2]) > 0).all(axis=1)
            parts.append(keep_owned(in_plan.take(np.asarray(has_area)), by_index, margin_px))
        on_tiles(len(read.tile_index) + len(read.unreadable))
    return GroupResult(join_detections(parts), tuple(unreadable))


def join_detections(parts: Sequence[Detections]) -> Detections:
    """All of them, in order."""
    return Detections(
        np.concatenate([part.bbox_xyxy for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.tile_index for part in parts]),
    )
