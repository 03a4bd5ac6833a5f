"""Pages that are no levels, and tiles that are not in the file: the same cells, or told.

Every slide here is one phantom, written with levels or tiles that mislead.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from models.phantom import PhantomSpec, draw_phantom
from service.errors import TooMuchUnreadableError
from service.pipeline import analyse_slide
from service.pipeline.slide import check_slide, open_slide
from service.pipeline.tissue import find_tissue
from service.pipeline.types import Analysis, InputSpec, Options, QualityCode
from tests.service.pipeline.pyramids import (
    TILE_PX,
    NucleusDetector,
    Pixels,
    displace_tile,
    shrink,
    write_pyramid,
)

MPP = 0.25
WIDTH, HEIGHT = 1600, 1280
#: One reads level 0, the other a level of downsample 4 where there is one.
DETECTORS = [NucleusDetector(InputSpec(mpp, 512, 128)) for mpp in (MPP, 4 * MPP)]
BY_SCALE = pytest.mark.parametrize("detector", DETECTORS, ids=["level 0", "level 1"])


def draw(folder: Path, seed: int) -> Pixels:
    path = folder / f"{seed}.svs"
    draw_phantom(path, PhantomSpec(seed, WIDTH, HEIGHT, 60, mpp=MPP))
    with open_slide(path) as slide:
        return slide.read_region(0, 0, 0, WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Pixels:
    return draw(tmp_path_factory.mktemp("phantom"), 7)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Pixels:
    return draw(tmp_path_factory.mktemp("stranger"), 8)


@pytest.fixture(scope="module")
def expected(picture: Pixels, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """Centres of the cells of a slide of level 0 alone, for each detector."""
    path = write_pyramid(tmp_path_factory.mktemp("expected") / "plain.tif", [picture])
    return [centres(analyse_slide(path, detector)) for detector in DETECTORS]


def centres(analysis: Analysis) -> np.ndarray:
    box = analysis.detections.bbox_xyxy.astype(np.float64)
    return (box[:, :2] + box[:, 2:]) / 2


def assert_same_cells(
    path: Path, detector: NucleusDetector, expected: list[np.ndarray]
) -> Analysis:
    """Every cell within 2 µm of its place, none lost and none new, one in 50 aside."""
    analysis = analyse_slide(path, detector)
    places, own = expected[DETECTORS.index(detector)], centres(analysis)
    distance = np.linalg.norm(places[:, None] - own[None], axis=2)
    near = distance < 2 / MPP
    assert len(places) > 40
    assert near.any(axis=1).mean() >= 0.98
    assert near.any(axis=0).mean() >= 0.98
    return analysis


def macro(picture: Pixels) -> Pixels:
    page = np.full((400, 1200, 3), 250, np.uint8)
    page[170:220, 900:960] = cv2.resize(picture, (60, 50), interpolation=cv2.INTER_AREA)
    return page


def patch(picture: Pixels) -> Pixels:
    """A macro of the slide's own shape: the scan is a small part of it."""
    page = np.full((480, 600, 3), 250, np.uint8)
    page[200:320, 220:370] = cv2.resize(picture, (150, 120), interpolation=cv2.INTER_AREA)
    return page


WRONG_PAGES: dict[str, Callable[[Pixels, Pixels], Pixels]] = {
    "macro of another shape": lambda picture, _: macro(picture),
    "macro of the same shape": lambda picture, _: patch(picture),
    "white": lambda picture, _: np.full_like(shrink(picture, 4), 255),
    "glass": lambda picture, _: np.full_like(shrink(picture, 4), 235),
    "another slide": lambda _, stranger: shrink(stranger, 4),
    "mirrored": lambda picture, _: shrink(picture, 4)[:, ::-1].copy(),
    "turned": lambda picture, _: shrink(picture, 4)[::-1, ::-1].copy(),
    "shifted": lambda picture, _: np.roll(shrink(picture, 4), 25, axis=1),
    "negative": lambda picture, _: 255 - shrink(picture, 4),
}


@BY_SCALE
@pytest.mark.parametrize("name", WRONG_PAGES)
def test_a_page_that_is_no_level_is_left_out_and_told(
    tmp_path: Path,
    picture: Pixels,
    stranger: Pixels,
    expected: list[np.ndarray],
    detector: NucleusDetector,
    name: str,
) -> None:
    path = write_pyramid(tmp_path / "a.tif", [picture, WRONG_PAGES[name](picture, stranger)])
    analysis = assert_same_cells(path, detector, expected)
    assert analysis.slide.level_downsamples == (1.0,)
    (sentence,) = analysis.slide.left_out_levels
    assert "level 1" in sentence
    assert analysis.report.provenance.slide.left_out_levels == (sentence,)
    assert sentence in [flag.text for flag in analysis.report.quality]


def test_a_wrong_page_does_not_cost_the_right_ones(tmp_path: Path, picture: Pixels) -> None:
    levels = [picture, macro(picture), shrink(picture, 4), shrink(picture, 8)]
    info = check_slide(write_pyramid(tmp_path / "a.tif", levels))
    assert info.level_downsamples == (1.0, 4.0, 8.0)
    assert len(info.left_out_levels) == 1


@pytest.mark.parametrize("glass", [235, 255])
def test_a_slide_of_blank_glass_keeps_its_levels(tmp_path: Path, glass: int) -> None:
    noise = np.random.default_rng(0).normal(glass, 2, (HEIGHT, WIDTH, 3))
    pixels = np.clip(noise, 0, 255).astype(np.uint8)
    levels = [pixels, shrink(pixels, 4), shrink(pixels, 16)]
    info = check_slide(write_pyramid(tmp_path / "a.tif", levels))
    assert info.level_downsamples == (1.0, 4.0, 16.0)
    assert info.left_out_levels == ()


@BY_SCALE
def test_a_padded_level_is_used_at_its_true_downsample(
    tmp_path: Path, picture: Pixels, expected: list[np.ndarray], detector: NucleusDetector
) -> None:
    level = shrink(picture, 4)
    sides = [-(-side // TILE_PX) * TILE_PX - side for side in level.shape[:2]]
    padded = np.pad(level, ((0, sides[0]), (0, sides[1]), (0, 0)), constant_values=255)
    path = write_pyramid(tmp_path / "a.tif", [picture, padded])
    analysis = assert_same_cells(path, detector, expected)
    assert analysis.slide.level_downsamples == (1.0, 4.0)
    assert analysis.slide.left_out_levels == ()


@BY_SCALE
def test_tiles_missing_from_a_low_level_are_read_from_a_finer_one(
    tmp_path: Path, picture: Pixels, expected: list[np.ndarray], detector: NucleusDetector
) -> None:
    path = write_pyramid(tmp_path / "a.tif", [picture, shrink(picture, 4)], {1: {(0, 1), (1, 1)}})
    analysis = assert_same_cells(path, detector, expected)
    assert analysis.slide.level_downsamples == (1.0, 4.0)
    assert analysis.report.adequacy.unreadable_area_mm2 == 0
    assert analysis.report.provenance.not_in_file.area_mm2 == 0


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_low_level_that_is_partly_white_loses_no_cell(
    tmp_path: Path, picture: Pixels, expected: list[np.ndarray], compression: str | None
) -> None:
    level = shrink(picture, 4)
    level[80:280, 100:360] = 255
    path = write_pyramid(tmp_path / "a.tif", [picture, level], compression=compression)
    assert_same_cells(path, DETECTORS[0], expected)


def test_tissue_missing_from_level_0_is_told_and_counts_as_unreadable(
    tmp_path: Path, picture: Pixels, expected: list[np.ndarray]
) -> None:
    path = write_pyramid(tmp_path / "a.tif", [picture, shrink(picture, 4)], {0: {(3, 4)}})
    analysis = analyse_slide(path, DETECTORS[0], Options(max_unreadable_fraction=0.9))
    missing = analysis.report.provenance.not_in_file
    tile_mm2 = (TILE_PX * MPP / 1000) ** 2
    assert missing.area_mm2 == pytest.approx(tile_mm2)
    assert 0.2 * tile_mm2 < missing.with_tissue_area_mm2 < 1.2 * tile_mm2
    assert analysis.report.adequacy.unreadable_area_mm2 >= missing.with_tissue_area_mm2
    codes = [flag.code for flag in analysis.report.quality]
    assert QualityCode.AREA_NOT_IN_FILE in codes
    assert QualityCode.UNREADABLE_AREA in codes
    assert analysis.report.provenance.unreadable.num_tiles >= 1
    low, high = np.array([4, 3]) * TILE_PX, np.array([5, 4]) * TILE_PX
    places = expected[0]
    clear = ((places < low - 80) | (places > high + 80)).any(axis=1)
    distance = np.linalg.norm(places[clear][:, None] - centres(analysis)[None], axis=2)
    assert (distance.min(axis=1) < 2 / MPP).mean() >= 0.98


def test_a_slide_that_lacks_most_of_level_0_is_refused(tmp_path: Path, picture: Pixels) -> None:
    missing = {(row, column) for row in range(5) for column in range(1, 7)}
    path = write_pyramid(tmp_path / "a.tif", [picture, shrink(picture, 4)], {0: missing})
    with pytest.raises(TooMuchUnreadableError, match="cannot be read"):
        analyse_slide(path, DETECTORS[0])


def test_a_slide_without_any_tile_of_level_0_is_refused(tmp_path: Path, picture: Pixels) -> None:
    path = write_pyramid(tmp_path / "a.tif", [picture])
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        for name in ("TileOffsets", "TileByteCounts"):
            tag = tiff.pages[0].tags[name]
            tag.overwrite([0] * tag.count)
    with pytest.raises(TooMuchUnreadableError, match="no tile at its full resolution"):
        analyse_slide(path, DETECTORS[0])


def test_what_no_level_holds_is_told_but_no_alarm(tmp_path: Path, picture: Pixels) -> None:
    # As scanners do that scan where they see tissue: nothing there at any level.
    pixels = np.full((1536, 3072, 3), picture.max(axis=(0, 1)), np.uint8)
    pixels[:HEIGHT, :WIDTH] = picture
    right = {(row, column) for row in range(6) for column in range(8, 12)}
    levels = [pixels, shrink(pixels, 4)]
    low = {(row, 2) for row in range(2)}
    path = write_pyramid(tmp_path / "a.tif", levels, {0: right, 1: low})
    report = analyse_slide(path, DETECTORS[0]).report
    area = report.provenance.not_in_file.area_mm2
    assert area == pytest.approx(len(right) * (TILE_PX * MPP / 1000) ** 2)
    assert report.provenance.not_in_file.with_tissue_area_mm2 == 0
    assert report.adequacy.unreadable_area_mm2 == 0


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_tile_without_a_place_is_unreadable_not_the_files_own_header(
    tmp_path: Path, picture: Pixels, compression: str | None
) -> None:
    levels = [picture, shrink(picture, 4)]
    path = write_pyramid(tmp_path / "a.tif", levels, compression=compression)
    displace_tile(path, 0, 3 * 7 + 4)
    report = analyse_slide(path, DETECTORS[0], Options(max_unreadable_fraction=0.9)).report
    assert report.adequacy.unreadable_area_mm2 > 0
    assert report.provenance.unreadable.num_tiles >= 1


def test_a_level_too_coarse_for_the_mask_still_shows_what_level_0_lacks(
    tmp_path: Path, picture: Pixels
) -> None:
    # At 1 µm/px the mask is made at a downsample of 8, so from level 0.
    levels = [picture, shrink(picture, 16)]
    path = write_pyramid(tmp_path / "a.tif", levels, {0: {(3, 4), (2, 3)}}, mpp=1.0)
    with open_slide(path) as slide:
        assert slide.info.level_downsamples == (1.0, 16.0)
        mask = find_tissue(slide)
    assert mask.num_absent_px == 2 * TILE_PX**2
    assert mask.num_lost_px > 0.2 * mask.num_absent_px


# At 1 µm/px the mask is made from level 3, at 1.6 from level 2.
@pytest.mark.parametrize(("holder", "mpp"), [(1, 1.0), (3, 1.6)], ids=["finer", "coarser"])
@pytest.mark.parametrize("has_tables", [True, False])
def test_tissue_that_one_level_alone_shows_is_lost_not_glass(
    tmp_path: Path,
    picture: Pixels,
    monkeypatch: pytest.MonkeyPatch,
    holder: int,
    mpp: float,
    has_tables: bool,
) -> None:
    wide = np.tile(picture, (2, 2, 1))
    if not has_tables:
        monkeypatch.setattr("service.pipeline.slide.read_tile_tables", lambda path: {})
    steps = [1, 2, 4, 8]
    levels = [wide if step == 1 else shrink(wide, step) for step in steps]
    left_px = 2048
    missing = {
        index: {
            (row, column)
            for row in range(-(-level.shape[0] // TILE_PX))
            for column in range(-(-level.shape[1] // TILE_PX))
            if column * TILE_PX * steps[index] >= left_px and index != holder
        }
        for index, level in enumerate(levels)
    }
    with open_slide(write_pyramid(tmp_path / "a.tif", levels, missing, mpp)) as slide:
        assert list(slide.info.level_downsamples) == steps
        mask = find_tissue(slide)
    assert mask.lost is not None
    assert mask.num_lost_px > 0.2 * (wide.shape[1] - left_px) * wide.shape[0]
    assert not mask.lost[:, : int(left_px / mask.downsample)].any()


def test_a_container_without_a_table_of_tiles_is_asked_for_its_pixels(
    tmp_path: Path, picture: Pixels, monkeypatch: pytest.MonkeyPatch, expected: list[np.ndarray]
) -> None:
    monkeypatch.setattr("service.pipeline.slide.read_tile_tables", lambda path: {})
    levels = [picture, shrink(picture, 4)]
    missing = {1: {(0, 1), (1, 1)}}
    path = write_pyramid(tmp_path / "low.tif", [*levels, macro(picture)], missing)
    analysis = assert_same_cells(path, DETECTORS[0], expected)
    assert analysis.slide.level_downsamples == (1.0, 4.0)
    assert [flag.code for flag in analysis.report.quality][:1] == [QualityCode.LEVELS_LEFT_OUT]
    assert analysis.report.adequacy.unreadable_area_mm2 == 0
    block = {(row, column) for row in range(4) for column in range(1, 4)}
    path = write_pyramid(tmp_path / "full.tif", levels, {0: block})
    options = Options(max_unreadable_fraction=0.9)
    report = analyse_slide(path, DETECTORS[0], options).report
    assert report.provenance.not_in_file.with_tissue_area_mm2 > 0
    assert report.adequacy.unreadable_area_mm2 > 0
