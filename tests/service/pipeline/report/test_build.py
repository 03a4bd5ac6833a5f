"""A report says what was found and what it does not support, and survives the way through JSON."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from models.bundle.description import read_model
from models.bundle.find import find_bundle
from models.classes import BETHESDA
from models.detector import DetectorInfo, InputSpec, spread_scores
from service.pipeline.cell_ids import make_cell_ids
from service.pipeline.report.build import build_report, report_to_json
from service.pipeline.report.model import AreaNotInFile, SlideReport
from service.pipeline.report.quality import flag_slide, flag_tiles
from service.pipeline.report.stored import read_report
from service.pipeline.tiles import plan_tiles
from service.pipeline.tissue import TissueMask
from service.pipeline.types import (
    CellSource,
    Detections,
    Options,
    QualityCode,
    QualityFlag,
    SlideInfo,
)

INFO = SlideInfo("aperio", 4000, 3000, (1.0, 4.0), 0.5, "slide", None, (255, 255, 255))
SHA256 = "ed92d5a9f2e86df67640d6f92ce3e231419ce127131697fbbce42ad5e002c8a7"
MASK = TissueMask(np.ones((30, 40), bool), 100.0)


def make_report(
    counts: list[int],
    detector: DetectorInfo,
    quality: tuple[QualityFlag, ...] = (),
    mask: TissueMask = MASK,
    unreadable_tiles: Sequence[int] = (0,),
) -> SlideReport:
    """The report of a slide with so many cells of each class."""
    label = np.repeat(np.arange(6), counts).astype(np.int16)
    box = np.tile(np.array([10, 10, 50, 50], np.float32), (len(label), 1))
    score = np.linspace(0.3, 0.9, len(label)).astype(np.float32)
    tile_index, class_scores = np.zeros(len(label), np.int32), spread_scores(score, label, 6)
    detections = Detections(box, score, label, tile_index, class_scores)
    plan = plan_tiles(INFO, mask, detector.input)
    unreadable = sorted({*unreadable_tiles, *plan.lost_tiles})
    return build_report(
        INFO,
        mask,
        plan,
        unreadable,
        detections,
        detector,
        Options(),
        {"all": 1},
        [1, 2],
        quality,
        SHA256,
    )


@pytest.fixture(scope="module", params=["default", "fast", "grad-libra"])
def shipped(request: pytest.FixtureRequest) -> DetectorInfo:
    info = read_model(find_bundle(request.param)).info("auto")
    # Larger tiles make the plan of this slide quick; nothing here depends on them.
    return replace(info, input=InputSpec(0.5, 1024, 64))


def test_many_severe_cells_among_very_many_are_not_passed_over(shipped: DetectorInfo) -> None:
    report = make_report([59_750, 0, 0, 0, 250, 0], shipped)
    named = report.category_code == "abnormal" and report.category == "HSIL"
    suspicious = {each.class_name: each.count for each in report.suspicious}
    assert named or suspicious == {"HSIL": 250}
    assert report.category != "NILM"
    assert named or report.adequacy.reason == "enough-cells-suspicious"


def test_a_few_carcinoma_cells_among_very_many_are_listed(shipped: DetectorInfo) -> None:
    report = make_report([59_400, 0, 0, 0, 0, 59], shipped)
    assert report.category == "no abnormal category supported"
    (carcinoma,) = report.suspicious
    assert (carcinoma.class_name, carcinoma.count, len(carcinoma.cells)) == ("SCC", 59, 20)
    assert "suspicious cells to review: 59" in report.adequacy.reason_text


def test_a_slide_without_cells_has_no_score(shipped: DetectorInfo) -> None:
    report = make_report([0] * 6, shipped)
    assert report.abnormality_score is None
    assert (report.category, report.category_code) == ("no cells seen", "no-cells")
    assert (report.adequacy.adequate, report.adequacy.reason) == (False, "no-cells")
    assert report.suspicious == ()


def test_flags_of_earlier_steps_and_unreadable_tiles_are_kept(shipped: DetectorInfo) -> None:
    plane = QualityFlag(QualityCode.FOCUS_PLANE, "plane 3 of 7, the one in focus, was read")
    report = make_report([6000, 0, 0, 0, 0, 0], shipped, (plane,))
    assert report.quality[0] == plane
    assert [flag.code for flag in report.quality[1:]] == ["unreadable-area", "density-limit"]
    assert report.quality[2].fraction == 2 / report.provenance.tile_plan.num_tiles


def test_of_a_sparse_slide_no_more_is_unreadable_than_there_is_tissue(
    shipped: DetectorInfo,
) -> None:
    few = np.zeros((30, 40), bool)
    few[::10, ::10] = True
    lost = few.copy()
    lost[10:] = False
    report = make_report([6000, 0, 0, 0, 0, 0], shipped, mask=TissueMask(few, 100.0, few))
    adequacy = report.adequacy
    assert adequacy.unreadable_area_mm2 == pytest.approx(adequacy.tissue_area_mm2)
    assert "100% of the tissue could not be read" in adequacy.reason_text
    report = make_report(
        [6000, 0, 0, 0, 0, 0], shipped, mask=TissueMask(few, 100.0, lost), unreadable_tiles=()
    )
    share = report.adequacy.unreadable_area_mm2 / report.adequacy.tissue_area_mm2
    assert share == pytest.approx(1 / 3)


def test_json_and_back_gives_the_same_report(shipped: DetectorInfo, tmp_path: Path) -> None:
    report = make_report([900, 3, 2, 0, 1, 1], shipped)
    text = orjson.dumps(report_to_json(report))
    assert read_report(orjson.loads(text), lambda: BETHESDA) == report
    assert set(SlideReport.model_json_schema()["properties"]) == set(orjson.loads(text))


def test_what_limits_a_slide_is_flagged() -> None:
    stack = replace(
        INFO,
        mpp_source="objective-power",
        focal_plane="3 of 7, the one in focus",
        left_out_levels=("level 1 shows another picture",),
    )
    missing = AreaNotInFile(area_mm2=2.0, with_tissue_area_mm2=0.5)
    flags = flag_slide(stack, missing)
    assert [flag.code for flag in flags] == [
        "mpp-from-objective-power",
        "focus-plane",
        "levels-left-out",
        "area-not-in-file",
    ]
    assert flags[2].text == "level 1 shows another picture"
    assert flags[3].area_mm2 == 2.0
    assert "0.50 mm² show tissue" in flags[3].text
    assert flag_slide(INFO, AreaNotInFile()) == []


@pytest.mark.parametrize(
    ("given", "own", "told"),
    [(0.5, 0.25, True), (0.5, 0.489, True), (0.5, 0.495, False), (0.5, None, False)],
)
def test_a_given_mpp_that_differs_from_the_slides_own_is_told(
    given: float, own: float | None, told: bool
) -> None:
    info = replace(INFO, mpp=given, mpp_source="request", stated_mpp=own)
    flags = flag_slide(info, AreaNotInFile())
    expected = [f"mpp {given:g} was given, the slide states {own} µm per px"] if told else []
    assert [flag.text for flag in flags] == expected
    assert all(flag.code == "mpp-differs-from-slide" for flag in flags)


def test_tiles_that_are_unreadable_or_too_crowded_are_flagged() -> None:
    assert flag_tiles(9, 0, 0.0, 0) == []
    unreadable, limited = flag_tiles(8, 2, 0.25, 4)
    assert (unreadable.code, unreadable.area_mm2, unreadable.fraction) == (
        "unreadable-area",
        0.25,
        0.25,
    )
    assert (limited.code, limited.fraction) == ("density-limit", 0.5)


def test_suspicious_cells_have_the_ids_of_the_annotations(shipped: DetectorInfo) -> None:
    report = make_report([900, 0, 0, 0, 0, 1], shipped)
    (carcinoma,) = report.suspicious
    box = np.array([carcinoma.cells[0].bbox_xyxy], np.float32)
    expected = make_cell_ids(CellSource(SHA256, shipped.digest, INFO.mpp), box)
    assert report.provenance.slide_sha256 == SHA256
    assert [str(carcinoma.cells[0].id)] == expected.tolist()
