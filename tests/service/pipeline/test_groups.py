"""A group of tiles says in which of them the limit on cells was reached."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.inference.cell_limit import limit_cells
from service.pipeline.groups import digest_group, find_cells
from service.pipeline.slide import open_slide
from service.pipeline.tiles import plan_tiles
from service.pipeline.tissue import find_tissue
from service.pipeline.types import InputSpec, Options
from tests.fake_detector import FakeDetector

SPEC = InputSpec(mpp=0.5, tile_size_px=256, overlap_px=64)


def test_tiles_at_the_limit_are_named(make_slide: Callable[..., Path]) -> None:
    limit = limit_cells(256, 256, 0.5)
    rng = np.random.default_rng(0)
    # In the middle of one tile's core; the next ones show a few of them at most.
    corner = rng.uniform((270, 270), (330, 330), (limit, 2))
    boxes = np.hstack([corner, corner + 5]).astype(np.float32)
    label, score = np.zeros(limit, np.int16), np.full(limit, 0.9, np.float32)
    with open_slide(make_slide(), None) as slide:
        plan = plan_tiles(slide.info, find_tissue(slide), SPEC)
        crowded = [
            tile.index
            for tile in plan.tiles
            if tile.x <= 270 and tile.y <= 270 and tile.x + tile.size >= 335
            if tile.y + tile.size >= 335
        ]
        for num_cells, limited in ((limit, crowded), (limit - 1, [])):
            detector = FakeDetector(boxes[:num_cells], label[:num_cells], score[:num_cells], SPEC)
            options = Options(batch_size=3)
            group = find_cells(slide, detector, plan, plan.tiles, options, lambda _: None)
            assert list(group.limited_tiles) == limited
    assert crowded


def test_digest_differs_by_all_that_a_group_is_made_from(make_slide: Callable[..., Path]) -> None:
    with open_slide(make_slide(), None) as slide:
        info, plan = slide.info, plan_tiles(slide.info, find_tissue(slide), SPEC)
    no_cells = np.zeros(0, np.float32)
    detector = FakeDetector(no_cells.reshape(0, 4), no_cells.astype(np.int16), no_cells, SPEC).info
    first, second = plan.tiles[:2]
    digests = [
        digest_group(info, detector, plan, [first]),
        digest_group(info, replace(detector, digest="another"), plan, [first]),
        digest_group(replace(info, mpp=0.4), detector, plan, [first]),
        digest_group(info, detector, replace(plan, level=7), [first]),
        digest_group(info, detector, replace(plan, downsample=7.0), [first]),
        digest_group(info, detector, plan, [second]),
        digest_group(info, detector, plan, [first, second]),
        digest_group(info, detector, plan, [replace(first, size=first.size + 1)]),
        digest_group(info, detector, plan, [replace(first, core_xyxy=(0, 0, 1, 1))]),
    ]
    assert len(set(digests)) == len(digests)
    assert digest_group(info, detector, plan, [replace(first)]) == digests[0]
