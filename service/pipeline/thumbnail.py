"""A small picture of a whole slide."""

import io
from pathlib import Path

from PIL import Image

from service.pipeline.slide import open_slide

THUMBNAIL_SIDE_PX = 1024
THUMBNAIL_QUALITY = 85


def draw_thumbnail(path: Path, mpp: float | None) -> bytes:
    """A JPEG of the whole slide, its longer side at most 1,024 px.

    Raises:
        CytolibraError: the slide cannot be opened or read.
    """
    with open_slide(path, mpp) as slide:
        pixels = slide.thumbnail(THUMBNAIL_SIDE_PX)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()
