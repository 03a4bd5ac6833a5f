"""Checks a DICOM file: a whole slide, at full resolution, in one plane, as OpenSlide reads it.

A DICOM slide is one file per level, and an upload is one file: this tells which one was sent.
"""

import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import parse_basic_offsets, parse_fragments
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID

from service.errors import (
    CytolibraError,
    FocusStackError,
    NotASlideError,
    PartOfSlideError,
    SlideUnreadableError,
)

SLIDE_CLASS = "1.2.840.10008.5.1.4.1.1.77.1.6"
#: Transfer syntaxes that OpenSlide 4.0.1 reads, and the colours that it takes in each.
READ_COLOURS = {
    "1.2.840.10008.1.2.1": frozenset({"RGB"}),
    "1.2.840.10008.1.2.4.50": frozenset({"RGB", "YBR_FULL_422"}),
    "1.2.840.10008.1.2.4.90": frozenset({"RGB", "YBR_RCT"}),
    "1.2.840.10008.1.2.4.91": frozenset({"RGB", "YBR_ICT", "YBR_RCT"}),
}
#: The whole data set is compressed; it would have to be unpacked to be looked at.
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_FRAMES = (
    "convert it to 8-bit RGB with JPEG baseline frames (transfer syntax 1.2.840.10008.1.2.4.50), "
    "or to a pyramidal TIFF with JPEG tiles"
)
FULL_RESOLUTION = (
    "send the file of the full resolution, whose ImageType is ORIGINAL\\PRIMARY\\VOLUME\\NONE"
)
#: Tag, VR, two reserved bytes and length of the pixels; tag and length of a fragment.
PIXELS_HEADER_BYTES, ITEM_HEADER_BYTES = 12, 8
#: Attributes read; others, such as the position of each frame, are skipped.
TAGS = [
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "ConcatenationUID",
    "DimensionOrganizationType",
    "ImageType",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
    "NumberOfFrames",
    "NumberOfOpticalPaths",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "PixelSpacing",
    "PlanarConfiguration",
    "Rows",
    "SOPClassUID",
    "SamplesPerPixel",
    "SharedFunctionalGroupsSequence",
    "TotalPixelMatrixColumns",
    "TotalPixelMatrixFocalPlanes",
    "TotalPixelMatrixRows",
]


def check_dicom(path: Path) -> None:
    """Passes a whole slide at its full resolution, in one focal plane, that OpenSlide reads.

    Raises:
        NotASlideError: it is no slide, or encoded as OpenSlide does not read it.
        PartOfSlideError: it is a smaller copy, a part, or a picture of the glass.
        FocusStackError: it holds several focal planes.
        SlideUnreadableError: it is damaged.

    Source: DICOM PS3.3, C.8.12.4 (whole slide microscopy image), C.7.6.16 (concatenations).
    """
    try:
        with path.open("rb") as file:
            header = _read_header(path, file)
            _check_class(header)
            _check_kind(header)
            _check_planes(header)
            _check_encoding(header)
            _check_frames(header)
            _check_pixels(file, header, path.stat().st_size)
    except CytolibraError:
        raise
    # A damaged file makes pydicom raise whatever its parsing stumbles on.
    except Exception as error:
        raise SlideUnreadableError(
            f"the DICOM file's attributes are damaged or cut off ({error}): upload it again"
        ) from error


def _read_header(path: Path, file: BinaryIO) -> FileDataset:
    """The attributes before the pixels, where the file stands afterwards."""
    if read_file_meta_info(path).TransferSyntaxUID == DEFLATED:
        raise NotASlideError(
            f"the DICOM file is deflated as a whole, which OpenSlide does not read: {JPEG_FRAMES}"
        )
    return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS))


def _check_class(header: FileDataset) -> None:
    sop_class = UID(header.file_meta.MediaStorageSOPClassUID)
    if sop_class != SLIDE_CLASS:
        raise NotASlideError(
            f"the DICOM file is no whole-slide image but: {sop_class.name}: send a file of the "
            "class VL Whole Slide Microscopy Image Storage"
        )


def _check_kind(header: Dataset) -> None:
    image_type = [str(value) for value in header.get("ImageType", [])]
    flavour = image_type[2] if len(image_type) > 2 else "unknown"
    size = f"{header.get('TotalPixelMatrixColumns')}x{header.get('TotalPixelMatrixRows')} px"
    if flavour != "VOLUME":
        raise PartOfSlideError(
            f"this is not the slide but its {flavour.lower()} picture ({size}; ImageType is "
            f"{_joined(image_type)}): {FULL_RESOLUTION}"
        )
    if "RESAMPLED" in image_type:
        raise PartOfSlideError(
            f"this is a smaller copy ({size}{_spacing_text(header)}; ImageType is "
            f"{_joined(image_type)}): {FULL_RESOLUTION}"
        )
    part, total = header.get("InConcatenationNumber"), header.get("InConcatenationTotalNumber")
    if total != 1 and (part is not None or "ConcatenationUID" in header):
        raise PartOfSlideError(
            f"this is part {part or '?'} of {total or '?'} of a level that was cut into several "
            "files (a concatenation): send the level as one file"
        )


def _check_planes(header: Dataset) -> None:
    num_planes = _number(header, "TotalPixelMatrixFocalPlanes", 1)
    if num_planes > 1:
        raise FocusStackError(
            f"the file is a focus stack of {num_planes} focal planes, which OpenSlide does not "
            "read: send a file with one plane, the one in focus or the middle one (plane "
            f"{num_planes // 2 + 1})"
        )
    num_paths = _number(header, "NumberOfOpticalPaths", 1)
    if num_paths > 1:
        raise NotASlideError(
            f"the slide was taken through {num_paths} optical paths, of which OpenSlide reads but "
            "one: send a bright-field slide of one optical path"
        )


def _check_encoding(header: FileDataset) -> None:
    syntax = UID(header.file_meta.TransferSyntaxUID)
    colour = str(header.get("PhotometricInterpretation", "unknown"))
    bits, is_signed = header.get("BitsAllocated"), header.get("PixelRepresentation", 0)
    if syntax not in READ_COLOURS:
        obstacle = f"its transfer syntax is {syntax.name} ({syntax})"
    elif colour not in READ_COLOURS[syntax] or header.get("SamplesPerPixel") != 3:
        obstacle = f"its colours are {colour} in {syntax.name}"
    elif bits != 8 or header.get("BitsStored", bits) != 8 or is_signed:
        obstacle = f"its samples have {bits} bits{' and a sign' if is_signed else ''}, not 8"
    elif header.get("PlanarConfiguration", 0) != 0:
        obstacle = "its colours are stored plane by plane"
    else:
        return
    raise NotASlideError(
        f"the file is a DICOM slide, but {obstacle}, which OpenSlide does not read: {JPEG_FRAMES}"
    )


def _check_frames(header: Dataset) -> None:
    """More frames than places for them are planes that are not declared; fewer were lost."""
    columns, rows = header.TotalPixelMatrixColumns, header.TotalPixelMatrixRows
    num_places = math.ceil(columns / header.Columns) * math.ceil(rows / header.Rows)
    num_frames = _number(header, "NumberOfFrames", 1)
    if num_frames > num_places:
        raise FocusStackError(
            f"the file holds {num_frames} frames for {num_places} places, as a focus stack does, "
            "and OpenSlide reads but one of each place: send a file with one plane, the one in "
            "focus or the middle one"
        )
    if num_frames < num_places and header.get("DimensionOrganizationType") == "TILED_FULL":
        raise PartOfSlideError(
            f"the file holds {num_frames} of the {num_places} frames that {columns}x{rows} px "
            "need: send the whole level as one file"
        )


def _check_pixels(file: BinaryIO, header: FileDataset, size_bytes: int) -> None:
    """Passes if the file goes on to the end of the last frame."""
    num_frames = _number(header, "NumberOfFrames", 1)
    file.seek(PIXELS_HEADER_BYTES, os.SEEK_CUR)
    if UID(header.file_meta.TransferSyntaxUID).is_encapsulated:
        parse_basic_offsets(file)
        num_stored, starts = parse_fragments(file)
        end = file.seek(starts[-1]) + ITEM_HEADER_BYTES if starts else size_bytes
        end += int.from_bytes(file.read(ITEM_HEADER_BYTES)[4:], "little")
    else:
        num_stored = num_frames
        end = file.tell() + num_frames * header.Rows * header.Columns * header.SamplesPerPixel
    if num_stored < num_frames or end > size_bytes:
        raise SlideUnreadableError(
            f"the slide is truncated: its {num_frames} frames do not end within its {size_bytes} "
            "bytes: upload it again"
        )


def _number(header: Dataset, name: str, default: int) -> int:
    value: Any = header.get(name)
    return default if value is None else int(value)


def _spacing_text(header: Dataset) -> str:
    try:
        measures = header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        return f" at {1000 * float(measures.PixelSpacing[1]):g} um/px"
    except (AttributeError, IndexError, TypeError, ValueError):
        return ""


def _joined(image_type: list[str]) -> str:
    return "\\".join(image_type) or "missing"
