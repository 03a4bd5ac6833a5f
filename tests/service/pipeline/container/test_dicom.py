"""Of DICOM files, only a whole slide at its full resolution is taken; others say what to send."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openslide import OpenSlide, OpenSlideError
from pydicom.uid import UID, generate_uid

from service.errors import (
    CytolibraError,
    FocusStackError,
    NotASlideError,
    PartOfSlideError,
    SlideUnreadableError,
)
from service.pipeline.slide import check_slide, open_slide
from tests.service.pipeline.container.dicom_files import (
    JPEG,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    PLAIN,
    write_dicom,
)
from tests.service.pipeline.container.tiff_files import shaded

RESAMPLED = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"]
SYNTAXES = [
    PLAIN,
    JPEG,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    *map(
        UID,
        (
            "1.2.840.10008.1.2",
            "1.2.840.10008.1.2.5",
            "1.2.840.10008.1.2.4.51",
            "1.2.840.10008.1.2.4.70",
            "1.2.840.10008.1.2.4.80",
            "1.2.840.10008.1.2.4.201",
        ),
    ),
]


def is_read_by_openslide(path: Path) -> bool:
    try:
        OpenSlide(path).close()
    except OpenSlideError:
        return False
    return True


@pytest.mark.parametrize("syntax", [PLAIN, JPEG, JPEG_2000, JPEG_2000_LOSSLESS])
def test_a_whole_slide_is_read(tmp_path: Path, syntax: UID) -> None:
    with open_slide(write_dicom(tmp_path / "slide.dcm", shaded(), syntax)) as slide:
        pixels = slide.read_region(0, 0, 0, slide.info.width, slide.info.height)
    assert (slide.info.vendor, slide.info.mpp) == ("dicom", 0.25)
    assert np.abs(pixels.astype(int) - shaded()).mean() < 4


def test_a_converted_slide_of_full_resolution_is_read(tmp_path: Path) -> None:
    image_type = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    path = write_dicom(tmp_path / "slide.dcm", shaded(), ImageType=image_type)
    assert check_slide(path).mpp == 0.25


@pytest.mark.parametrize("colour", ["RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_encoding_is_taken_exactly_where_openslide_reads_it(
    tmp_path: Path, syntax: UID, colour: str
) -> None:
    path = write_dicom(tmp_path / "x.dcm", shaded(), syntax, PhotometricInterpretation=colour)
    if is_read_by_openslide(path):
        check_slide(path)
    else:
        with pytest.raises(NotASlideError, match=r"is a DICOM slide, but .*: convert it"):
            check_slide(path)


@pytest.mark.parametrize(
    ("attributes", "error", "words"),
    [
        ({"ImageType": RESAMPLED}, PartOfSlideError, r"smaller copy \(384x256 px at 0.25 um/px.*"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]}, PartOfSlideError, "its label"),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "THUMBNAIL", "RESAMPLED"]},
            PartOfSlideError,
            "its thumbnail",
        ),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"]},
            PartOfSlideError,
            "its overview",
        ),
        (
            {
                "ConcatenationUID": generate_uid(),
                "InConcatenationNumber": 1,
                "InConcatenationTotalNumber": 2,
            },
            PartOfSlideError,
            "part 1 of 2",
        ),
        ({"NumberOfFrames": 4}, PartOfSlideError, "4 of the 6 frames"),
        ({"num_planes": 3}, FocusStackError, "3 focal planes"),
        ({"num_planes": 3, "TotalPixelMatrixFocalPlanes": None}, FocusStackError, "18 frames"),
        ({"NumberOfOpticalPaths": 2}, NotASlideError, "2 optical paths"),
        ({"BitsAllocated": 16}, NotASlideError, "16 bits"),
        ({"PlanarConfiguration": 1}, NotASlideError, "plane by plane"),
        ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.4")}, NotASlideError, "MR Image Storage"),
    ],
)
def test_what_is_not_the_whole_slide_says_what_to_send(
    tmp_path: Path, attributes: dict[str, Any], error: type[CytolibraError], words: str
) -> None:
    path = write_dicom(tmp_path / "x.dcm", shaded(), **attributes)
    with pytest.raises(error, match=rf"{words}.*(send|convert)"):
        check_slide(path)


def test_a_smaller_copy_is_refused_beside_the_slide_itself(tmp_path: Path) -> None:
    """OpenSlide reads all files of the series from the folder, and so the other one."""
    series = generate_uid()
    write_dicom(tmp_path / "full.dcm", shaded(768, 512), SeriesInstanceUID=series)
    copy = write_dicom(
        tmp_path / "copy.dcm", shaded(), ImageType=RESAMPLED, SeriesInstanceUID=series
    )
    with OpenSlide(copy) as slide:
        assert slide.dimensions == (768, 512)
    with pytest.raises(PartOfSlideError, match="384x256 px"):
        check_slide(copy)
    assert check_slide(tmp_path / "full.dcm").level_downsamples == (1.0, 2.0)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.98])
@pytest.mark.parametrize("syntax", [PLAIN, JPEG])
def test_a_truncated_file_is_refused_wherever_it_ends(
    tmp_path: Path, syntax: UID, share: float
) -> None:
    path = write_dicom(tmp_path / "x.dcm", shaded(), syntax)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(SlideUnreadableError, match="upload it again"):
        check_slide(path)
