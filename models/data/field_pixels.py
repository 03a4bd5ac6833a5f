"""The pixels of labelled fields, read as the labelling tool showed them, or refused.

Labelling tools differ in whether they turn an image by its EXIF orientation, so one that is to be
turned is refused; transparency is shown on white, as glass is; images of more than 8 bits must use
their range.
"""

import warnings

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from models.data.coco import Field, FieldSet
from models.errors import DatasetError

UPRIGHT = 1
#: A field's glass is bright: 16 bits whose brighter values are below half of their range hold fewer
#: bits (10, 12 or 14), and would be read as black. A percentile, since single pixels are faulty.
MIN_BRIGHT_16_BIT, BRIGHT_PERCENTILE = 1 << 15, 90


def check_images(fields: FieldSet) -> None:
    """Refuses images of another size or orientation than stated, and cut ones, undecoded.

    Raises:
        DatasetError: names the image, what is wrong with it and the remedy.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        for field in fields.fields:
            try:
                _check_image(field)
            except Image.DecompressionBombError:
                continue  # above this library's limit; it is checked when it is read
            except (OSError, SyntaxError, ValueError) as error:
                raise DatasetError(_undecodable(field)) from error


def read_field_pixels(field: Field) -> NDArray[np.uint8]:
    """Pixels of a field, (H, W, 3) uint8, RGB; transparency on white.

    Raises:
        DatasetError: the image cannot be decoded, is to be turned by its EXIF orientation, has
            another size than stated, or more than 8 bits without using their range.
    """
    if _check_header(field):
        return _read_transparent(field)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imread(str(field.path), flags)
    except cv2.error as error:
        raise DatasetError(
            f"{field.path} is {field.width}x{field.height} px, more than can be read at once: "
            "cut it into smaller fields"
        ) from error
    if pixels is None:
        raise DatasetError(_undecodable(field))
    _check_size(field, pixels.shape[1], pixels.shape[0])
    return np.ascontiguousarray(_to_8_bit(field, pixels)[:, :, ::-1])


def _check_image(field: Field) -> None:
    with Image.open(field.path) as image:
        _check_orientation(field, image)
        _check_size(field, *image.size)
        is_jpeg = image.format in ("JPEG", "MPO")
    if is_jpeg:
        _check_end(field)
        return
    with Image.open(field.path) as image:  # anew, since it is verified before anything is read
        image.verify()


def _check_header(field: Field) -> bool:
    """Whether an image has transparency; False for formats that Pillow cannot open."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(field.path) as image:
                _check_orientation(field, image)
                return image.has_transparency_data
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # OpenCV decodes it, or refuses it


def _check_orientation(field: Field, image: Image.Image) -> None:
    orientation = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    if orientation != UPRIGHT:
        raise DatasetError(
            f"{field.path} is to be turned when shown (EXIF orientation {orientation}), and tools "
            "differ in whether labels are drawn before or after: save it upright, without that "
            "tag, and check that its labels fit"
        )


def _read_transparent(field: Field) -> NDArray[np.uint8]:
    # Pillow takes the upper 8 of 16 bits in silence.
    deep = cv2.imread(str(field.path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if deep is not None and deep.dtype != np.uint8:
        _to_8_bit(field, deep[:, :, :3] if deep.ndim == 3 else deep)
    try:
        with Image.open(field.path) as image:
            layers = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError) as error:
        raise DatasetError(_undecodable(field)) from error
    _check_size(field, *layers.size)
    white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(white, layers).convert("RGB"), np.uint8)


def _to_8_bit(field: Field, pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    bright = np.percentile(np.asarray(pixels, np.float64), BRIGHT_PERCENTILE)
    if pixels.dtype != np.uint16 or bright < MIN_BRIGHT_16_BIT:
        raise DatasetError(
            f"{field.path} has {pixels.dtype} pixels, {BRIGHT_PERCENTILE} % of them below "
            f"{bright:.0f}: it would be read as black; save it with 8 bits a channel, glass being "
            "near 255"
        )
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=255 / 65535), np.uint8)


def _check_size(field: Field, width: int, height: int) -> None:
    if (width, height) != (field.width, field.height):
        raise DatasetError(
            f"{field.path} is {width}x{height} px, but annotations.json says "
            f"{field.width}x{field.height}: correct its entry or take the image that was labelled"
        )


def _check_end(field: Field) -> None:
    """After the last scan (FF DA) of a whole JPEG its end (FF D9) follows: ITU-T T.81, B.1.1.3."""
    content = field.path.read_bytes()
    if content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise DatasetError(f"{field.path} is cut off: copy it again, or delete its entry")


def _undecodable(field: Field) -> str:
    return f"{field.path} cannot be decoded as an image: replace it, or delete its entry"
