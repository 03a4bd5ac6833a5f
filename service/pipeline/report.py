"""Turns merged detections into the report of a slide: counts, score, category, adequacy.

The slide score is

    score = 1 / (1 + exp(-(intercept + slope * ln((A + prior_abnormal) / (N + prior_total)))))
    A = sum over classes of class_weight * count,   N = all cells

At a fixed N it grows with every cell that changes to a class of larger weight; weights do not fall
with severity. The priors are the weighted false alarms expected where nothing is abnormal.
"""

import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.pipeline.geometry import area_mm2
from service.pipeline.tiles import TilePlan
from service.pipeline.tissue import TissueMask
from service.pipeline.types import (
    Adequacy,
    CellClass,
    Detections,
    DetectorInfo,
    Options,
    SlideInfo,
    SlideReport,
    SlideScoreModel,
)

#: Bethesda 2014, liquid-based preparations.
MIN_SQUAMOUS_CELLS = 5000
NO_CELLS = "no cells seen"
DISCLAIMER = (
    "Research software. For review by a cytologist; not a diagnosis and not for clinical decisions "
    "by itself."
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
    """
    counts = np.bincount(detections.label, minlength=len(detector.classes))
    category = name_category(counts, detector.classes, detector.slide_score)
    return SlideReport(
        counts={one.name: int(count) for one, count in zip(detector.classes, counts, strict=True)},
        num_cells=len(detections),
        abnormality_score=abnormality_score(counts, detector.slide_score),
        category=category,
        adequacy=_judge_adequacy(
            info, mask, plan, unreadable_tiles, counts, detector.classes, category
        ),
        disclaimer=DISCLAIMER,
        provenance={
            **_provenance(info, plan, unreadable_tiles, detector, options, times_s),
            "not_in_file": _not_in_file(info, mask),
        },
    )


def abnormality_score(counts: NDArray[np.int64], model: SlideScoreModel) -> float:
    """The slide score, in [0, 1]; 0 where no cell was seen. Formula above.

    Args:
        counts: (C,) cells by class.
        model: fitted coefficients.
    """
    total = int(counts.sum())
    if total == 0:
        return 0.0
    weighted = float(np.dot(counts, model.class_weights))
    share = (weighted + model.prior_abnormal) / (total + model.prior_total)
    # tanh, unlike 1 / (1 + exp(-x)), cannot overflow.
    return 0.5 * (1 + math.tanh(0.5 * (model.intercept + model.slope * math.log(share))))


def name_category(
    counts: NDArray[np.int64], classes: Sequence[CellClass], model: SlideScoreModel
) -> str:
    """The most severe class with enough cells of it or worse; else the negative class.

    Enough is the larger of `category_min_count` and the class's own `category_min_fractions` of all
    cells.
    """
    total = int(counts.sum())
    if total == 0:
        return NO_CELLS
    severity = np.array([one.severity for one in classes])
    by_severity = sorted(range(len(classes)), key=lambda label: -severity[label])
    for label in by_severity:
        enough = max(model.category_min_count, model.category_min_fractions[label] * total)
        as_bad = int(counts[severity >= severity[label]].sum())
        if classes[label].is_abnormal and counts[label] > 0 and as_bad >= enough:
            return classes[label].name
    return next((one.name for one in classes if not one.is_abnormal), NO_CELLS)


def report_to_json(report: SlideReport) -> dict[str, Any]:
    """The report as plain values, field by field."""
    return asdict(report)


def _judge_adequacy(
    info: SlideInfo,
    mask: TissueMask,
    plan: TilePlan,
    unreadable_tiles: Sequence[int],
    counts: NDArray[np.int64],
    classes: Sequence[CellClass],
    category: str,
) -> Adequacy:
    total = int(counts.sum())
    abnormal = any(one.name == category and one.is_abnormal for one in classes)
    core_px = sum(_core_px(plan, index, info) for index in unreadable_tiles)
    return Adequacy(
        num_squamous_cells=total,
        minimum=MIN_SQUAMOUS_CELLS,
        # Bethesda 2014: a specimen with abnormal cells is satisfactory whatever their number.
        adequate=total >= MIN_SQUAMOUS_CELLS or abnormal,
        tissue_area_mm2=area_mm2(mask.num_level0_px, info.mpp),
        unreadable_area_mm2=area_mm2(core_px, info.mpp),
    )


def _core_px(plan: TilePlan, index: int, info: SlideInfo) -> float:
    x1, y1, x2, y2 = plan.tiles[index].core_xyxy
    return (min(x2, info.width) - x1) * (min(y2, info.height) - y1)


def _not_in_file(info: SlideInfo, mask: TissueMask) -> dict[str, float]:
    """Area that the file does not hold at level 0, and how much of it shows tissue elsewhere."""
    return {
        "area_mm2": area_mm2(mask.num_absent_px, info.mpp),
        "with_tissue_area_mm2": area_mm2(mask.num_lost_px, info.mpp),
    }


def _provenance(
    info: SlideInfo,
    plan: TilePlan,
    unreadable_tiles: Sequence[int],
    detector: DetectorInfo,
    options: Options,
    times_s: Mapping[str, float],
) -> dict[str, Any]:
    num_tiles = len(plan.tiles)
    return {
        "detector": {
            "name": detector.name,
            "digest": detector.digest,
            "engine": detector.engine,
            "score_thresholds": list(detector.score_thresholds),
            "merge_iou": detector.merge_iou if options.merge_iou is None else options.merge_iou,
        },
        "code_version": importlib.metadata.version("cytolibra"),
        "settings": asdict(options),
        "slide": asdict(info),
        "tile_plan": {
            "num_tiles": num_tiles,
            "tile_size_px": plan.spec.tile_size_px,
            "overlap_px": plan.spec.overlap_px,
            "mpp": plan.spec.mpp,
            "read_mpp": plan.downsample * info.mpp,
            "level": plan.level,
            "downsample": plan.downsample,
        },
        "unreadable": {
            "num_tiles": len(unreadable_tiles),
            "fraction": len(unreadable_tiles) / num_tiles if num_tiles else 0.0,
        },
        "times_s": {name: round(value, 3) for name, value in times_s.items()},
    }
