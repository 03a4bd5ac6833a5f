"""Images of fields are read as whoever labelled them saw them, or refused by name."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from models.data.coco import Field, FieldSet
from models.data.field_pixels import check_images, read_field_pixels
from models.errors import DatasetError

ORIENTATION = 0x112


def make_pixels() -> np.ndarray:
    """(24, 32, 3) uint8, bright, unlike itself when turned."""
    rows, columns = np.mgrid[0:24, 0:32]
    return np.stack([rows * 5, columns * 4, np.full_like(rows, 240)], axis=2).astype(np.uint8)


def make_field(path: Path) -> Field:
    none = np.zeros((0, 4), np.float32)
    return Field(path, 32, 24, 0.25, None, none, np.zeros(0, np.int16), none[:, :2])


def save(path: Path, pixels: np.ndarray, mode: str | None = None, orientation: int = 1) -> Field:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, exif=exif)
    return make_field(path)


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_image_that_is_to_be_turned_is_refused(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    field = save(tmp_path / f"a{suffix}", make_pixels(), orientation=orientation)
    words = f"EXIF orientation {orientation}.*save it upright"
    with pytest.raises(DatasetError, match=words):
        read_field_pixels(field)
    with pytest.raises(DatasetError, match=words):
        check_images(FieldSet((field,), ()))


@pytest.mark.parametrize("mode", [None, "L", "P", "CMYK"])
def test_upright_opaque_images_are_read_as_they_are(tmp_path: Path, mode: str | None) -> None:
    field = save(tmp_path / "a.tif", make_pixels(), mode)
    check_images(FieldSet((field,), ()))
    with Image.open(field.path) as image:
        expected = np.asarray(image.convert("RGB"), np.int16)
    assert np.abs(read_field_pixels(field) - expected).max() <= 2


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    alpha = np.full((24, 32, 1), 255, np.uint8)
    alpha[:, :10] = 0
    alpha[:, 10:20] = 128
    pixels = np.where(alpha == 0, 0, make_pixels())
    field = save(tmp_path / "a.png", np.dstack([pixels, alpha]).astype(np.uint8))
    read = read_field_pixels(field)
    assert (read[:, :10] == 255).all()
    assert np.array_equal(read[:, 20:], make_pixels()[:, 20:])
    halfway = (make_pixels()[:, 10:20].astype(int) + 255) // 2
    assert np.abs(read[:, 10:20] - halfway).max() <= 1


def test_palette_with_a_transparent_colour_is_white_there(tmp_path: Path) -> None:
    image = Image.new("P", (32, 24), 0)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.paste(1, (16, 0, 32, 24))
    image.save(tmp_path / "a.png", transparency=0)
    read = read_field_pixels(make_field(tmp_path / "a.png"))
    assert read[0, 0].tolist() == [255, 255, 255]
    assert read[0, 31].tolist() == [200, 100, 50]


@pytest.mark.parametrize(("bits", "is_taken"), [(10, False), (12, False), (14, False), (16, True)])
def test_16_bit_images_must_use_their_range(tmp_path: Path, bits: int, is_taken: bool) -> None:
    field = make_field(tmp_path / "a.png")
    deep = make_pixels()[:, :, ::-1].astype(np.uint16) << (bits - 8)
    cv2.imwrite(str(field.path), deep)
    if is_taken:
        assert np.abs(read_field_pixels(field).astype(int) - make_pixels()).max() <= 1
    else:
        with pytest.raises(DatasetError, match=r"uint16 pixels, 90 % of them below .* 8 bits"):
            read_field_pixels(field)


def test_a_hot_pixel_hides_no_dark_16_bit_image(tmp_path: Path) -> None:
    field = make_field(tmp_path / "a.png")
    deep = make_pixels().astype(np.uint16) << 4
    deep[3, 5] = 65535
    cv2.imwrite(str(field.path), deep)
    with pytest.raises(DatasetError, match=r"it would be read as black"):
        read_field_pixels(field)


def test_transparency_hides_no_dark_16_bit_image(tmp_path: Path) -> None:
    field = make_field(tmp_path / "a.png")
    deep = np.full((24, 32, 4), 3800, np.uint16)
    deep[:, :, 3] = 65535
    cv2.imwrite(str(field.path), deep)
    with pytest.raises(DatasetError, match=r"uint16 pixels, 90 % of them below 3800"):
        read_field_pixels(field)


def test_other_size_than_stated_is_refused(tmp_path: Path) -> None:
    field = replace(save(tmp_path / "a.png", make_pixels()), width=31)
    with pytest.raises(DatasetError, match=r"is 32x24 px, but annotations.json says 31x24"):
        read_field_pixels(field)
