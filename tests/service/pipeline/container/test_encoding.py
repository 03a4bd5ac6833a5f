"""The table of encodings says what OpenSlide does: a file of each is opened by both."""

from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import tifffile
from numpy.typing import NDArray
from openslide import OpenSlide, OpenSlideError

from service.errors import NotASlideError
from service.pipeline.container.encoding import READ_COMPRESSIONS
from service.pipeline.slide import check_slide
from tests.service.pipeline.container.tiff_files import APERIO, shaded, write_tiff

#: By tag; those that tifffile can write.
COMPRESSIONS = {
    1: "not compressed",
    5: "LZW",
    7: "JPEG",
    8: "Deflate",
    32773: "PackBits",
    32946: "Deflate",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
WIDE = np.dstack([shaded(), shaded()])


def does_openslide_show(path: Path, pixels: NDArray[np.uint8]) -> bool:
    """Whether OpenSlide reads the slide and shows this picture."""
    try:
        with OpenSlide(path) as slide:
            shown = np.asarray(slide.read_region((0, 0), 0, slide.dimensions))
    except OpenSlideError:
        return False
    return bool(np.abs(shown[..., :3].astype(int) - pixels).mean() < 4)


@pytest.mark.parametrize("description", [None, APERIO])
@pytest.mark.parametrize("tag", COMPRESSIONS)
def test_a_compression_is_taken_exactly_where_openslide_reads_it(
    tmp_path: Path, tag: int, description: str | None
) -> None:
    # tifffile's JPEG 2000 is RGB under every tag, so the colours of 33003 would be others.
    path = write_tiff(tmp_path / "slide.tif", compression=tag, description=description)
    if tag == 33003 and description:
        assert check_slide(path).vendor == "aperio"
    elif does_openslide_show(path, shaded()):
        assert check_slide(path).mpp == pytest.approx(0.25)
    else:
        with pytest.raises(NotASlideError, match=f"its tiles are {COMPRESSIONS[tag]}, which"):
            check_slide(path)


def test_every_compression_of_the_table_is_tried() -> None:
    assert set(READ_COMPRESSIONS) <= set(COMPRESSIONS)


@pytest.mark.parametrize("compression", ["deflate", "jpeg"])
@pytest.mark.parametrize("description", [None, APERIO])
def test_a_big_endian_slide_is_named_unless_it_is_a_bigtiff(
    tmp_path: Path, compression: str, description: str | None
) -> None:
    options = {"compression": compression, "description": description}
    classic = write_tiff(tmp_path / "classic.tif", byteorder=">", **options)
    assert not does_openslide_show(classic, shaded())
    with pytest.raises(NotASlideError, match=r"big-endian byte order.*convert it"):
        check_slide(classic)
    big = write_tiff(tmp_path / "big.tif", byteorder=">", bigtiff=True, **options)
    assert does_openslide_show(big, shaded())
    check_slide(big)


def test_colours_plane_by_plane_are_read(tmp_path: Path) -> None:
    planes = np.ascontiguousarray(np.moveaxis(shaded(), -1, 0))
    path = write_tiff(tmp_path / "slide.tif", [planes], planarconfig="separate")
    assert does_openslide_show(path, shaded())
    check_slide(path)


def test_opaque_pixels_with_alpha_are_read(tmp_path: Path) -> None:
    rgba = np.dstack([shaded(), np.full(shaded().shape[:2], 255, np.uint8)])
    path = write_tiff(tmp_path / "slide.tif", [rgba], extrasamples=["unassalpha"])
    assert does_openslide_show(path, shaded())
    check_slide(path)


@pytest.mark.parametrize(
    ("pixels", "options", "named"),
    [
        (shaded().astype(np.uint16) * 16, {}, "16 bits per sample"),
        (shaded().astype(np.uint32), {}, "32 bits per sample"),
        (shaded().astype(np.float32) / 255, {}, "32 floating-point bits"),
        (shaded().astype(np.int8), {}, "8 signed bits"),
        (shaded()[..., 0] > 100, {"photometric": "minisblack"}, "1 bits per sample"),
        (shaded()[..., 0], {"photometric": "minisblack"}, "no colours"),
        (shaded(), {"photometric": "cielab"}, "no colours.*CIELAB"),
        (WIDE[..., :4], {"photometric": "separated"}, "no colours.*SEPARATED"),
        (WIDE[..., :5], {}, "5 channels"),
        (WIDE[..., :4], {"extrasamples": ["unspecified"]}, "4 channels"),
        (shaded(), {"tile": None}, "strips, not tiles"),
    ],
)
def test_pixels_that_are_no_eight_bit_colours_are_named(
    tmp_path: Path, pixels: NDArray[Any], options: dict[str, Any], named: str
) -> None:
    path = write_tiff(tmp_path / "slide.tif", [np.ascontiguousarray(pixels)], **options)
    with pytest.raises(NotASlideError, match=rf"whole TIFF, but .*{named}.*: convert it"):
        check_slide(path)


def test_a_level_of_another_encoding_is_named(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "slide.tif", [shaded()])
    with tifffile.TiffWriter(path, append=True) as tiff:
        tiff.write(
            np.ascontiguousarray(shaded()[::2, ::2]),
            photometric="rgb",
            tile=(128, 128),
            compression="webp",
            subfiletype=1,
            metadata=None,
        )
    with pytest.raises(OpenSlideError, match="compression"):
        openslide.OpenSlide(path)
    with pytest.raises(NotASlideError, match="WebP"):
        check_slide(path)


def test_a_label_in_strips_is_no_obstacle(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "slide.tif", [shaded()])
    with tifffile.TiffWriter(path, append=True) as tiff:
        tiff.write(shaded(100, 50), photometric="rgb", compression="lzma", metadata=None)
    assert check_slide(path).level_downsamples == (1.0,)
