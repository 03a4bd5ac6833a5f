"""A slide from end to end: the same cells for every tile plan, damage reported, stops when told."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.phantom import PhantomSpec, draw_phantom, read_truth
from service.errors import AnalysisCancelledError, TooMuchUnreadableError
from service.pipeline import analyse_slide
from service.pipeline.spatial_order import order_spatially
from service.pipeline.types import Detections, GroupResult, InputSpec, Options, Progress
from tests.fake_detector import FakeDetector
from tests.service.pipeline.conftest import MakeSlide, damage_tiles

PLANS = [
    InputSpec(0.5, 256, 64),
    InputSpec(0.49, 512, 96),
    InputSpec(0.25, 512, 120),
    InputSpec(1.0, 128, 32),
]


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FakeDetector]:
    path = tmp_path_factory.mktemp("slide") / "phantom.svs"
    spec = PhantomSpec(8, 3000, 2500, 120, {"NILM": 0.8, "LSIL": 0.1, "HSIL": 0.1})
    bbox, label = read_truth(draw_phantom(path, spec))
    score = np.random.default_rng(1).uniform(0.3, 1.0, len(label)).astype(np.float32)
    return path, FakeDetector(bbox, label, score, merge_iou=0.9)


def with_plan(fake: FakeDetector, spec: InputSpec) -> FakeDetector:
    cells = fake.cells
    return FakeDetector(cells.bbox_xyxy, cells.label, cells.score, spec, fake.info.merge_iou)


@pytest.mark.parametrize("spec", PLANS, ids=lambda spec: f"{spec.tile_size_px}px at {spec.mpp}")
def test_every_tile_plan_finds_every_cell_once(
    phantom: tuple[Path, FakeDetector], spec: InputSpec
) -> None:
    path, fake = phantom
    detections = analyse_slide(path, with_plan(fake, spec)).detections
    expected = order_spatially(fake.cells, 3000, 2500)
    np.testing.assert_array_equal(detections.bbox_xyxy, expected.bbox_xyxy)
    np.testing.assert_array_equal(detections.label, expected.label)
    np.testing.assert_array_equal(detections.score, expected.score)
    np.testing.assert_array_equal(detections.class_scores, expected.class_scores)


def test_report_counts_the_truth_and_says_where_it_comes_from(
    phantom: tuple[Path, FakeDetector],
) -> None:
    path, fake = phantom
    report = analyse_slide(path, fake).report
    assert report.counts == {
        "NILM": 96,
        "ASC-US": 0,
        "LSIL": 12,
        "ASC-H": 0,
        "HSIL": 12,
        "SCC": 0,
    }
    assert report.category == "HSIL"
    assert report.provenance.detector.name == "fake"
    assert report.provenance.slide.mpp_source == "slide"
    assert "phantom" not in str(report)
    assert "not a diagnosis" in report.disclaimer


def test_groups_can_be_given_back_instead_of_run(phantom: tuple[Path, FakeDetector]) -> None:
    path, fake = phantom
    kept: dict[int, GroupResult] = {}
    options = Options(group_size=7, batch_size=3)

    def keep(index: int, digest: str, find: Callable[[], GroupResult]) -> GroupResult:
        return kept.setdefault(index, find())

    def give_back(index: int, digest: str, find: Callable[[], GroupResult]) -> GroupResult:
        return kept[index] if index % 2 else find()

    first = analyse_slide(path, fake, options, keep).detections
    seen: list[Progress] = []
    second = analyse_slide(path, fake, options, give_back, seen.append).detections
    np.testing.assert_array_equal(first.bbox_xyxy, second.bbox_xyxy)
    done = [progress.tiles_done for progress in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].tiles_total


def test_a_group_run_twice_counts_its_tiles_once(phantom: tuple[Path, FakeDetector]) -> None:
    path, fake = phantom
    seen: list[Progress] = []

    def run_twice(index: int, digest: str, find: Callable[[], GroupResult]) -> GroupResult:
        find()
        return find()

    options = Options(group_size=10, batch_size=4)
    once = analyse_slide(path, fake, options).detections
    twice = analyse_slide(path, fake, options, run_twice, seen.append).detections
    np.testing.assert_array_equal(once.bbox_xyxy, twice.bbox_xyxy)
    done = [progress.tiles_done for progress in seen]
    assert done == sorted(done)
    assert done[-1] == seen[-1].tiles_total


def test_the_report_says_at_which_scale_tiles_were_read(make_slide: MakeSlide) -> None:
    path = make_slide(mpp=0.263)
    plan = analyse_slide(path, no_cells()).report.provenance.tile_plan
    assert plan.mpp == 0.5
    assert plan.read_mpp == pytest.approx(plan.downsample * 0.263)
    assert plan.read_mpp == pytest.approx(0.5, rel=1 / 64)


def test_an_analysis_stops_when_told(phantom: tuple[Path, FakeDetector]) -> None:
    path, fake = phantom

    def stop(progress: Progress) -> None:
        if progress.tiles_done > 8:
            raise AnalysisCancelledError("enough")

    with pytest.raises(AnalysisCancelledError):
        analyse_slide(path, fake, on_progress=stop)
    assert not [one for one in threading.enumerate() if one.name.startswith("tile-reader")]


def no_cells() -> FakeDetector:
    return FakeDetector(
        np.zeros((0, 4), np.float32), np.zeros(0, np.int16), np.zeros(0, np.float32)
    )


def test_damaged_tiles_are_reported_and_the_rest_analysed(make_slide: MakeSlide) -> None:
    path = make_slide()
    damage_tiles(path, 9, 1)
    report = analyse_slide(path, no_cells(), Options(max_unreadable_fraction=0.9)).report
    assert report.adequacy.unreadable_area_mm2 > 0
    assert report.provenance.unreadable.num_tiles >= 1
    assert [flag.code for flag in report.quality] == ["unreadable-area"]
    assert report.quality[0].area_mm2 == report.adequacy.unreadable_area_mm2


def test_too_much_damage_is_refused_by_the_stated_limit(make_slide: MakeSlide) -> None:
    path = make_slide()
    damage_tiles(path, 0, 40)
    with pytest.raises(TooMuchUnreadableError, match=r"limit of 10%"):
        analyse_slide(path, no_cells(), Options(max_unreadable_fraction=0.1))


def test_a_slide_of_empty_glass_has_no_cells_and_no_score(make_slide: MakeSlide) -> None:
    path = make_slide(np.full((700, 900, 3), 245, np.uint8))
    analysis = analyse_slide(path, no_cells())
    assert analysis.report.num_cells == 0
    assert analysis.report.abnormality_score is None
    assert analysis.report.category == "no cells seen"
    assert analysis.report.category_code == "no-cells"
    assert not analysis.report.adequacy.adequate
    assert isinstance(analysis.detections, Detections)
