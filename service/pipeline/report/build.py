"""Puts the report of a slide together from its merged detections."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.pipeline.geometry import area_mm2
from service.pipeline.report.adequacy import judge_adequacy
from service.pipeline.report.category import name_category
from service.pipeline.report.model import DISCLAIMER, AreaNotInFile, SlideReport
from service.pipeline.report.provenance import trace_result
from service.pipeline.report.quality import flag_slide, flag_tiles
from service.pipeline.report.score import abnormality_score
from service.pipeline.report.suspicious import list_suspicious
from service.pipeline.tiles import TilePlan
from service.pipeline.tissue import TissueMask
from service.pipeline.types import (
    CellSource,
    Detections,
    DetectorInfo,
    Options,
    QualityFlag,
    SlideInfo,
)


def build_report(
    info: SlideInfo,
    mask: TissueMask,
    plan: TilePlan,
    unreadable_tiles: Sequence[int],
    detections: Detections,
    detector: DetectorInfo,
    options: Options,
    times_s: Mapping[str, float],
    limited_tiles: Sequence[int] = (),
    quality: Sequence[QualityFlag] = (),
    slide_sha256: str | None = None,
) -> SlideReport:
    """The report of a slide.

    Args:
        info: of the slide.
        mask: where cells may lie.
        plan: of its tiles.
        unreadable_tiles: indices in the plan.
        detections: merged.
        detector: that found them.
        options: as given.
        times_s: seconds by step.
        limited_tiles: indices in the plan of tiles with as many detections as a tile may have.
        quality: what limits the result, besides what the other arguments tell.
        slide_sha256: of the file, for the ids of suspicious cells; None leaves them out.
    """
    classes = detector.classes
    counts = np.bincount(detections.label, minlength=len(classes))
    category = name_category(counts, classes, detector.slide_score)
    source = CellSource(slide_sha256, detector.digest, info.mpp) if slide_sha256 else None
    suspicious = list_suspicious(detections, classes, category.severity, source)
    cores = (plan.tiles[index].core_xyxy for index in unreadable_tiles)
    unreadable_px = sum(mask.num_level0_px_in(core) for core in cores)
    unreadable_mm2 = area_mm2(unreadable_px, info.mpp)
    not_in_file = _not_in_file(info, mask)
    flags = [
        *flag_slide(info, not_in_file),
        *flag_tiles(len(plan.tiles), len(unreadable_tiles), unreadable_mm2, len(limited_tiles)),
    ]
    adequacy = judge_adequacy(
        num_cells=len(detections),
        category=category,
        num_suspicious=sum(each.count for each in suspicious),
        tissue_area_mm2=area_mm2(mask.num_level0_px, info.mpp),
        unreadable_area_mm2=unreadable_mm2,
    )
    return SlideReport(
        counts={each.name: int(count) for each, count in zip(classes, counts, strict=True)},
        num_cells=len(detections),
        abnormality_score=abnormality_score(
            detections.label, detections.score, detector.slide_score
        ),
        category=category.text,
        category_code=category.code,
        adequacy=adequacy,
        suspicious=suspicious,
        quality=(*quality, *flags),
        disclaimer=DISCLAIMER,
        provenance=trace_result(
            info,
            plan,
            len(unreadable_tiles),
            not_in_file,
            detector,
            options,
            times_s,
            slide_sha256,
        ),
    )


def report_to_json(report: SlideReport) -> dict[str, Any]:
    """The report as plain values, field by field."""
    return report.model_dump(mode="json")


def _not_in_file(info: SlideInfo, mask: TissueMask) -> AreaNotInFile:
    return AreaNotInFile(
        area_mm2=area_mm2(mask.num_absent_px, info.mpp),
        with_tissue_area_mm2=area_mm2(mask.num_lost_px, info.mpp),
    )
