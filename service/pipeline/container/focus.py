"""Finds focus stacks in TIFFs, and refuses those of which OpenSlide would read any plane.

Owns what is a focal plane in OME-TIFF, plain pages, Leica SCN and Hamamatsu NDPI; DICOM's are
`dicom.py`'s, and Ventana's are refused by OpenSlide.
"""

import re
from collections.abc import Sequence

import tifffile

from service.errors import FocusStackError, PartOfSlideError
from service.pipeline.container.encoding import REDUCED
from service.pipeline.container.ome import read_ome

#: Height of an NDPI page's plane, nm from the one in focus; OpenSlide reads those of 0.
NDPI_FOCUS_TAG = 65424
#: Registered planes of a stack differ by a few px; levels of a pyramid by half or more.
SAME_SIZE = 0.02
#: Power of an NDPI page's objective.
NDPI_POWER_TAG = 65421
#: A plane of Leica's XML, which stands in the first page's description.
LEICA_PLANE = re.compile(r"<(?:\w+:)?dimension\b[^>]*?\bz\s*=\s*[\"'](\d+)[\"']")


def check_focus(tiff: tifffile.TiffFile, pages: Sequence[tifffile.TiffPage]) -> str | None:
    """Which plane of a stack OpenSlide reads, where that is the one in focus; None without a stack.

    Args:
        tiff: open.
        pages: all of its pages.

    Raises:
        FocusStackError: it reads one whatever its focus.
        PartOfSlideError: a page that OpenSlide does not read is larger than the one that it reads.
    """
    if tiff.is_ndpi:
        return _name_ndpi_plane(pages)
    if tiff.is_scn:
        _check_leica(pages[0])
    elif not (tiff.is_bif or tiff.is_philips):
        _check_pages(pages)
    return None


def _name_ndpi_plane(pages: Sequence[tifffile.TiffPage]) -> str | None:
    # Overviews and maps of tissue say -1 and -2 for the objective's power, and have no focus.
    levels = [page for page in pages if float(page.tags.valueof(NDPI_POWER_TAG, 1)) > 0]
    heights_nm = sorted({int(page.tags.valueof(NDPI_FOCUS_TAG, 0)) for page in levels})
    if len(heights_nm) < 2:
        return None
    listed = ", ".join(str(height) for height in heights_nm)
    if 0 not in heights_nm:
        raise FocusStackError(
            f"the file is a focus stack of {len(heights_nm)} focal planes ({listed} nm), none of "
            "them the one in focus (0 nm): send a file with one plane, the one in focus or the "
            f"middle one ({_middle(heights_nm)} nm)"
        )
    return f"the plane in focus (0 nm) of {len(heights_nm)} planes: {listed} nm"


def _check_leica(page: tifffile.TiffPage) -> None:
    planes = sorted({int(plane) for plane in LEICA_PLANE.findall(page.description)})
    if len(planes) > 1:
        _refuse(len(planes), f"z = {', '.join(map(str, planes))}", f"z = {_middle(planes)}")


def _check_pages(pages: Sequence[tifffile.TiffPage]) -> None:
    first = pages[0]
    depth = max(first.imagedepth, first.tiledepth)
    if depth > 1:
        _refuse(depth, f"ImageDepth = {depth}", f"plane {depth // 2 + 1}")
    same = [page.index + 1 for page in pages if page.is_tiled and _is_as_large(page, first)]
    if len(same) > 1:
        listed = ", ".join(map(str, same))
        _refuse(len(same), f"pages {listed}", f"page {_middle(same)} of the file")
    ome = read_ome(first.description)
    if ome is not None and ome.size_z > 1:
        _refuse(ome.size_z, f"SizeZ = {ome.size_z}", f"z = {ome.size_z // 2}, counted from 0")
    for page in pages:
        is_unread = page.index and not page.subfiletype & REDUCED
        if page.is_tiled and is_unread and _area(page) > _area(first):
            raise PartOfSlideError(
                f"the first page of the file is {_size_text(first)}, but page {page.index + 1} is "
                f"larger ({_size_text(page)}), and OpenSlide does not read it: send a file whose "
                "first page is the slide at its full resolution"
            )


def _is_as_large(page: tifffile.TiffPage, first: tifffile.TiffPage) -> bool:
    """Registered planes differ by a few px; no level of a pyramid is so near to level 0."""
    sides = zip(_size(page), _size(first), strict=True)
    return all(abs(side - other) <= SAME_SIZE * other for side, other in sides)


def _refuse(num_planes: int, planes: str, middle: str) -> None:
    raise FocusStackError(
        f"the file is a focus stack of {num_planes} focal planes ({planes}), of which OpenSlide "
        "reads the first, whatever its focus: send a file with one plane, the one in focus or the "
        f"middle one ({middle})"
    )


def _middle(planes: Sequence[int]) -> int:
    return planes[len(planes) // 2]


def _size(page: tifffile.TiffPage) -> tuple[int, int]:
    return page.imagewidth, page.imagelength


def _size_text(page: tifffile.TiffPage) -> str:
    return f"{page.imagewidth}x{page.imagelength} px"


def _area(page: tifffile.TiffPage) -> int:
    return int(page.imagewidth) * int(page.imagelength)
