"""A TIFF whose directory does not fit its tiles is damaged, whatever libtiff makes of it."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from openslide import OpenSlide

from service.errors import SlideUnreadableError
from service.pipeline.slide import check_slide
from tests.service.pipeline.container.tiff_files import shaded, write_tiff


@pytest.mark.parametrize(("tag", "px"), [("ImageWidth", 5120), ("ImageLength", 2048)])
def test_dimensions_without_their_tiles_are_damage(tmp_path: Path, tag: str, px: int) -> None:
    path = write_tiff(tmp_path / "slide.tif")
    with tifffile.TiffFile(path) as tiff:
        value_at = tiff.pages.first.tags[tag].valueoffset
    content = bytearray(path.read_bytes())
    struct.pack_into("<H", content, value_at, px)
    path.write_bytes(content)
    with OpenSlide(path) as slide:
        assert px in slide.dimensions
    with pytest.raises(SlideUnreadableError, match=r"lists 6 tiles.*need .*upload it again"):
        check_slide(path)


def test_a_slide_of_several_levels_is_read(tmp_path: Path) -> None:
    pages = [shaded(), np.ascontiguousarray(shaded()[::2, ::2])]
    info = check_slide(write_tiff(tmp_path / "slide.tif", pages))
    assert info.level_downsamples == (1.0, 2.0)
