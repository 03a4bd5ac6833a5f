"""Small DICOM slides: one file of one level, of any kind, encoding and number of frames."""

import math
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, generate_uid

SLIDE_CLASS = UID("1.2.840.10008.5.1.4.1.1.77.1.6")
PLAIN, JPEG, JPEG_2000_LOSSLESS, JPEG_2000 = (
    UID("1.2.840.10008.1.2.1"),
    UID("1.2.840.10008.1.2.4.50"),
    UID("1.2.840.10008.1.2.4.90"),
    UID("1.2.840.10008.1.2.4.91"),
)
FRAME_PX = 128


def write_dicom(
    path: Path,
    pixels: NDArray[np.uint8],
    syntax: UID = PLAIN,
    num_planes: int = 1,
    mpp: float = 0.25,
    **attributes: Any,
) -> Path:
    """A level of a DICOM slide, RGB, tiled.

    Args:
        path: to write.
        pixels: (H, W, 3), H and W multiples of 128.
        syntax: transfer syntax; frames are written as JPEG or JPEG 2000 where it is that.
        num_planes: how often all frames are there.
        mpp: that it states.
        attributes: by keyword, instead of those of a whole slide; None leaves one out.
    """
    height, width = pixels.shape[:2]
    frames = [
        np.ascontiguousarray(pixels[y : y + FRAME_PX, x : x + FRAME_PX])
        for _ in range(num_planes)
        for y in range(0, height, FRAME_PX)
        for x in range(0, width, FRAME_PX)
    ]
    level = _describe(width, height, mpp, len(frames))
    level.PixelData = _encode(frames, syntax)
    for keyword, value in attributes.items():
        if value is None:
            delattr(level, keyword)
        else:
            setattr(level, keyword, value)
    level.file_meta = FileMetaDataset()
    level.file_meta.TransferSyntaxUID = syntax
    level.file_meta.MediaStorageSOPClassUID = level.SOPClassUID
    level.file_meta.MediaStorageSOPInstanceUID = level.SOPInstanceUID
    level["PixelData"].VR = "OB"
    level["PixelData"].is_undefined_length = syntax.is_encapsulated
    level.save_as(path, enforce_file_format=True)
    return path


def _describe(width: int, height: int, mpp: float, num_frames: int) -> Dataset:
    level, measures, functional = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [mpp / 1000, mpp / 1000]
    functional.PixelMeasuresSequence = [measures]
    level.SharedFunctionalGroupsSequence = [functional]
    level.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    level.SOPClassUID, level.SOPInstanceUID = SLIDE_CLASS, generate_uid()
    level.SeriesInstanceUID, level.StudyInstanceUID = generate_uid(), generate_uid()
    level.Modality = "SM"
    level.DimensionOrganizationType = "TILED_FULL"
    level.SamplesPerPixel, level.PhotometricInterpretation = 3, "RGB"
    level.PlanarConfiguration, level.PixelRepresentation = 0, 0
    level.BitsAllocated, level.BitsStored, level.HighBit = 8, 8, 7
    level.Rows, level.Columns, level.NumberOfFrames = FRAME_PX, FRAME_PX, num_frames
    level.TotalPixelMatrixColumns, level.TotalPixelMatrixRows = width, height
    level.TotalPixelMatrixFocalPlanes = math.ceil(num_frames * FRAME_PX**2 / (width * height))
    return level


def _encode(frames: list[NDArray[np.uint8]], syntax: UID) -> bytes:
    if not syntax.is_encapsulated:
        return b"".join(frame.tobytes() for frame in frames)
    if syntax in (JPEG_2000, JPEG_2000_LOSSLESS):
        codes = [imagecodecs.jpeg2k_encode(f, codecformat="j2k", mct=False) for f in frames]
    else:
        codes = [imagecodecs.jpeg8_encode(f, outcolorspace="rgb") for f in frames]
    return bytes(encapsulate([bytes(code) for code in codes]))
