"""Slides are opened for what they are, and every wrong file is told apart."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from service.errors import (
    EmptyUploadError,
    MppImplausibleError,
    MppMissingError,
    NotASlideError,
    SlideUnreadableError,
)
from service.pipeline.slide import check_slide, open_slide
from tests.service.pipeline.conftest import MakeSlide, damage_tiles, spotted


def test_a_slide_says_what_it_is(make_slide: MakeSlide) -> None:
    info = check_slide(make_slide(mpp=0.5))
    assert (info.vendor, info.width, info.height) == ("aperio", 1000, 800)
    assert (info.mpp, info.mpp_source) == (0.5, "slide")
    assert info.level_downsamples == (1.0, 4.0)


def test_objective_power_stands_in_for_a_missing_scale_and_says_so(make_slide: MakeSlide) -> None:
    info = check_slide(make_slide(mpp=None, power=40))
    assert (info.mpp, info.mpp_source) == (0.25, "objective-power")


def test_a_missing_scale_is_refused_with_its_remedy(make_slide: MakeSlide) -> None:
    with pytest.raises(MppMissingError, match="mpp="):
        check_slide(make_slide(mpp=None))


def test_a_given_scale_overrides(make_slide: MakeSlide) -> None:
    info = check_slide(make_slide(mpp=None), mpp=0.3)
    assert (info.mpp, info.mpp_source) == (0.3, "request")


@pytest.mark.parametrize("mpp", [0.0, -1.0, 50.0, float("nan")])
def test_a_nonsense_scale_is_refused(make_slide: MakeSlide, mpp: float) -> None:
    with pytest.raises(MppImplausibleError, match="mpp="):
        check_slide(make_slide(), mpp=mpp)


@pytest.mark.parametrize("content", [b"%PDF-1.7 not a slide", b"hello", b"\x89PNG\r\n\x1a\n0000"])
def test_what_is_no_slide_is_told_from_what_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.svs"
    path.write_bytes(content)
    with pytest.raises(NotASlideError, match="not a slide"):
        check_slide(path)


@pytest.mark.parametrize("magic", [b"ZISRAWFILE", b"SQLite format 3\0"])
def test_other_containers_are_left_to_openslide_to_judge(tmp_path: Path, magic: bytes) -> None:
    path = tmp_path / "x.svs"
    path.write_bytes(magic + bytes(2000))
    with pytest.raises((NotASlideError, SlideUnreadableError), match=r"OpenSlide|opened"):
        check_slide(path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.svs"
    path.touch()
    with pytest.raises(EmptyUploadError):
        check_slide(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.995])
def test_a_truncated_slide_is_refused_wherever_it_ends(make_slide: MakeSlide, share: float) -> None:
    path = make_slide()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(SlideUnreadableError):
        check_slide(path)


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(SlideUnreadableError, match="cannot be read"):
        check_slide(tmp_path / "none.svs")


def test_regions_are_rgb_and_background_outside(make_slide: MakeSlide) -> None:
    pixels = spotted(1000, 800)
    with open_slide(make_slide(pixels)) as slide:
        inside = slide.read_region(100, 50, 0, 200, 100)
        beyond = slide.read_region(-50, -50, 0, 100, 100)
    assert np.abs(inside.astype(int) - pixels[50:150, 100:300]).mean() < 4
    assert (beyond[:50] == 255).all()
    assert np.abs(beyond[50:, 50:].astype(int) - pixels[:50, :50]).mean() < 4


def test_one_damaged_tile_does_not_spoil_the_others(make_slide: MakeSlide) -> None:
    path = make_slide()
    damage_tiles(path, 10, 1)
    readable = 0
    with open_slide(path) as slide:
        for x, y in [(x, y) for y in range(0, 768, 128) for x in range(0, 896, 128)]:
            try:
                slide.read_region(x, y, 0, 128, 128)
                readable += 1
            except SlideUnreadableError:
                assert (x, y) == (10 % 8 * 128, 10 // 8 * 128)
    assert readable == 6 * 7 - 1


def test_the_thumbnail_keeps_the_shape(make_slide: MakeSlide) -> None:
    with open_slide(make_slide()) as slide:
        assert slide.thumbnail(250).shape == (200, 250, 3)


def test_a_slide_cut_between_its_levels_is_truncated(make_slide: MakeSlide) -> None:
    path = make_slide(levels=(2, 4))
    with tifffile.TiffFile(path) as tiff:
        second = tiff.pages[1]
        cut = max(a + b for a, b in zip(second.dataoffsets, second.databytecounts, strict=True))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(SlideUnreadableError, match="truncated"):
        check_slide(path)
