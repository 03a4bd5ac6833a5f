"""Everything that a result depends on, so that it can be traced and repeated."""

import importlib.metadata
from collections.abc import Mapping

from service.pipeline.report.model import (
    AreaNotInFile,
    DetectorFacts,
    Provenance,
    TilePlanFacts,
    UnreadableTiles,
)
from service.pipeline.tiles import TilePlan
from service.pipeline.types import DetectorInfo, Options, SlideInfo


def trace_result(
    info: SlideInfo,
    plan: TilePlan,
    num_unreadable: int,
    not_in_file: AreaNotInFile,
    detector: DetectorInfo,
    options: Options,
    times_s: Mapping[str, float],
    slide_sha256: str | None,
) -> Provenance:
    """Detector, code, settings, slide, tiles and times of an analysis."""
    num_tiles = len(plan.tiles)
    return Provenance(
        detector=DetectorFacts(
            name=detector.name,
            digest=detector.digest,
            engine=detector.engine,
            score_thresholds=detector.score_thresholds,
            merge_iou=detector.merge_iou if options.merge_iou is None else options.merge_iou,
        ),
        code_version=importlib.metadata.version("cytolibra"),
        settings=options,
        slide=info,
        slide_sha256=slide_sha256,
        tile_plan=TilePlanFacts(
            num_tiles=num_tiles,
            tile_size_px=plan.spec.tile_size_px,
            overlap_px=plan.spec.overlap_px,
            mpp=plan.spec.mpp,
            read_mpp=plan.downsample * info.mpp,
            level=plan.level,
            downsample=plan.downsample,
        ),
        unreadable=UnreadableTiles(
            num_tiles=num_unreadable, fraction=num_unreadable / num_tiles if num_tiles else 0.0
        ),
        not_in_file=not_in_file,
        times_s={name: round(value, 3) for name, value in times_s.items()},
    )
