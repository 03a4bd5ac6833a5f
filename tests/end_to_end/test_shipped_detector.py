"""The shipped detector on a slide it never saw: every cell, once, in the right place."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.bundle.description import read_model
from models.bundle.find import ZOO_DIR, read_info
from models.bundle.load import load_detector
from models.phantom import draw_field
from models.phantom.histology import draw_histology
from service.pipeline import analyse_slide
from service.pipeline.types import Analysis, TileBatch
from tests.end_to_end.conftest import MPP, Phantom
from tests.end_to_end.matching import match_cells


@pytest.fixture(scope="module")
def analysis(phantom: Phantom) -> Analysis:
    return analyse_slide(phantom.path, load_detector("default"))


def test_nine_in_ten_cells_are_found_and_nine_in_ten_found_are_cells(
    phantom: Phantom, analysis: Analysis
) -> None:
    for name in ("default", "fast", "eql-v2", "grad-libra"):
        result = analysis if name == "default" else analyse_slide(phantom.path, load_detector(name))
        cell, _ = match_cells(phantom.bbox_xyxy, result.detections.bbox_xyxy, MPP)
        assert len(cell) >= 0.9 * len(phantom.label), name
        assert len(cell) >= 0.9 * len(result.detections), name


def test_what_serves_by_default_learned_with_grad_libra_and_takes_no_statistics_of_tiles() -> None:
    for name in ("default", "fast"):
        head = read_model(ZOO_DIR / name).network["bbox_head"]
        assert head["loss_cls"]["type"] == "GradLibraLoss"
        assert head["norm_cfg"]["type"] == "BN"


def test_no_shipped_detector_is_larger_than_a_repository_should_hold() -> None:
    weights = list(ZOO_DIR.glob("*/weights.safetensors"))
    assert {file.parent.name for file in weights} == {"default", "fast", "eql-v2", "grad-libra"}
    assert max(file.stat().st_size for file in weights) <= 50_000_000


def test_abnormal_cells_of_a_phantom_are_told_from_normal_ones(
    phantom: Phantom, analysis: Analysis
) -> None:
    cell, detected = match_cells(phantom.bbox_xyxy, analysis.detections.bbox_xyxy, MPP)
    same_side = (phantom.label[cell] > 0) == (analysis.detections.label[detected] > 0)
    assert same_side.mean() >= 0.85
    assert analysis.report.abnormality_score > 0.5


@pytest.mark.parametrize(("tile_size_px", "overlap_px"), [(384, 128), (640, 128), (512, 192)])
def test_other_tile_plans_find_the_same_cells(
    analysis: Analysis, phantom: Phantom, tmp_path: Path, tile_size_px: int, overlap_px: int
) -> None:
    bundle = tmp_path / "default"
    shutil.copytree(ZOO_DIR / "default", bundle)
    model = json.loads((bundle / "model.json").read_text())
    model["input"] |= {"tile_size_px": tile_size_px, "overlap_px": overlap_px}
    (bundle / "model.json").write_text(json.dumps(model))
    other = analyse_slide(phantom.path, load_detector(str(bundle)))
    first, _ = match_cells(analysis.detections.bbox_xyxy, other.detections.bbox_xyxy, MPP)
    assert len(first) >= 0.99 * max(len(analysis.detections), len(other.detections))
    for name, count in analysis.report.counts.items():
        assert abs(other.report.counts[name] - count) <= max(2, 0.01 * count)


def test_both_engines_find_the_same_cells() -> None:
    mpp = read_info("default").input.mpp
    pixels = draw_field(901, 512, 512, mpp, 20, {"NILM": 0.7, "LSIL": 0.15, "HSIL": 0.15})[0]
    batch = TileBatch(pixels[None], np.zeros((1, 2)), 1.0)
    detected = [
        load_detector("default", engine=engine).detect(batch) for engine in ("torch", "openvino")
    ]
    first, second = match_cells(detected[0].bbox_xyxy, detected[1].bbox_xyxy, mpp, 1.0)
    assert abs(len(detected[0]) - len(detected[1])) <= 2
    assert len(first) >= 0.95 * max(len(detections) for detections in detected)
    assert np.abs(detected[0].score[first] - detected[1].score[second]).max() < 0.1


def test_a_section_of_tissue_is_not_taken_for_abnormal_cells() -> None:
    detector = load_detector("default")
    mpp = detector.info.input.mpp
    tiles = np.stack([draw_histology(90_000 + seed, 512, 512, mpp) for seed in range(6)])
    detected = detector.detect(TileBatch(tiles, np.zeros((6, 2)), 1.0))
    abnormal = np.array([cell_class.is_abnormal for cell_class in detector.info.classes])[
        detected.label
    ]
    assert abnormal.sum() <= 6


@pytest.mark.parametrize("name", ["default", "fast", "eql-v2", "grad-libra"])
def test_a_shipped_card_says_what_a_user_must_know(name: str) -> None:
    card = (ZOO_DIR / name / "card.md").read_text()
    for word in (
        "Research software",
        "10.1038/s41597-021-00933-8",
        "CC BY",
        "seed",
        "fold",
        "Limits",
    ):
        assert word in card
