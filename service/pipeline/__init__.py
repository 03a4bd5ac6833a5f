"""The way of a slide, every step on one screen: see `analyse_slide`.

Knows nothing of HTTP, databases or jobs: they call it, with `run_group` and `on_progress`.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from service.errors import TooMuchUnreadableError
from service.pipeline.groups import cut_groups, digest_group, find_cells
from service.pipeline.merge import merge_detections
from service.pipeline.report.build import build_report
from service.pipeline.slide import Slide, open_slide
from service.pipeline.spatial_order import order_spatially
from service.pipeline.tiles import TilePlan, plan_tiles
from service.pipeline.tissue import TissueMask, find_tissue
from service.pipeline.types import (
    Analysis,
    Detector,
    GroupResult,
    OnProgress,
    Options,
    Progress,
    RunGroup,
    SlideInfo,
    join_detections,
    no_detections,
)

__all__ = ["analyse_slide", "call_directly", "ignore"]


def call_directly(index: int, digest: str, find: Callable[[], GroupResult]) -> GroupResult:
    """Runs a group without keeping its result anywhere."""
    return find()


def ignore(progress: Progress) -> None:
    """Ignores progress."""


def analyse_slide(
    path: Path,
    detector: Detector,
    options: Options | None = None,
    run_group: RunGroup = call_directly,
    on_progress: OnProgress = ignore,
    slide_sha256: str | None = None,
) -> Analysis:
    """A slide's cells, counts, score and category.

    Args:
        path: of the slide.
        detector: to run; it says which tiles it wants.
        options: how to read and merge.
        run_group: runs one group of tiles, or gives back what an earlier run of it gave.
        on_progress: told after every batch; may raise AnalysisCancelledError to stop.
        slide_sha256: see `slide_digest.py`; without it, suspicious cells have no ids in the report.

    Raises:
        NotASlideError, SlideUnreadableError, MppMissingError: see `service/pipeline/slide.py`.
        TooMuchUnreadableError: more of the tiles are damaged than the options allow.
    """
    options = options or Options()
    clock = _Clock()
    with open_slide(path, options.mpp) as slide:
        mask = find_tissue(slide)
        _check_held(slide.info, mask)
        plan = plan_tiles(slide.info, mask, detector.info.input)
        clock.lap("plan")
        groups = _detect_groups(slide, detector, plan, options, run_group, on_progress)
        clock.lap("detect")
    damaged = (tile for group in groups for tile in group.unreadable_tiles)
    unreadable = sorted({*damaged, *plan.lost_tiles})
    _check_readable(len(unreadable), len(plan.tiles), options.max_unreadable_fraction)
    none_yet = no_detections(len(detector.info.classes))
    by_group = join_detections([none_yet, *(group.detections for group in groups)])
    merge_iou = detector.info.merge_iou if options.merge_iou is None else options.merge_iou
    merged = merge_detections(by_group, merge_iou)
    detections = order_spatially(merged, slide.info.width, slide.info.height)
    clock.lap("merge")
    report = build_report(
        slide.info,
        mask,
        plan,
        unreadable,
        detections,
        detector.info,
        options,
        clock.times_s,
        limited_tiles=[tile for group in groups for tile in group.limited_tiles],
        slide_sha256=slide_sha256,
    )
    return Analysis(report, detections, detector.info.classes, slide.info)


def _detect_groups(
    slide: Slide,
    detector: Detector,
    plan: TilePlan,
    options: Options,
    run_group: RunGroup,
    on_progress: OnProgress,
) -> list[GroupResult]:
    progress = _Counter(len(plan.tiles), on_progress)
    groups = []
    for index, tiles in enumerate(cut_groups(plan, options.group_size)):
        start = index * options.group_size
        reach = partial(progress.reach, start)
        find = partial(find_cells, slide, detector, plan, tiles, options, reach)
        digest = digest_group(slide.info, detector.info, plan, tiles)
        groups.append(run_group(index, digest, find))
        progress.reach(start, len(tiles))
    return groups


class _Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.times_s: dict[str, float] = {}
        self._since_s = time.monotonic()

    def lap(self, name: str) -> None:
        now_s = time.monotonic()
        self.times_s[name] = now_s - self._since_s
        self._since_s = now_s


class _Counter:
    """Tiles done; never falls, also where a group is run a second time."""

    def __init__(self, total: int, tell: OnProgress) -> None:
        self._done, self._total, self._tell = 0, total, tell
        self._tell(Progress(0, total))

    def reach(self, start: int, num_tiles: int) -> None:
        """Told that a group which starts at tile `start` has done so many of its own."""
        self._done = max(self._done, start + num_tiles)
        self._tell(Progress(self._done, self._total))


def _check_held(info: SlideInfo, mask: TissueMask) -> None:
    if mask.num_absent_px >= info.width * info.height:
        raise TooMuchUnreadableError(
            "the slide's file holds no tile at its full resolution: it is damaged, scan or upload "
            "it again"
        )


def _check_readable(num_unreadable: int, num_tiles: int, limit: float) -> None:
    if num_unreadable > limit * num_tiles:
        raise TooMuchUnreadableError(
            f"{num_unreadable} of {num_tiles} tiles cannot be read, more than the limit of "
            f"{limit:.0%}: the slide is damaged, scan or upload it again (or raise "
            "max_unreadable_fraction)"
        )
