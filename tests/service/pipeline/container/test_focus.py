"""A focus stack is refused with its planes, unless the plane in focus is read and named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from service.errors import FocusStackError, NotASlideError, PartOfSlideError
from service.pipeline.slide import check_slide
from tests.service.pipeline.container.czi_files import write_czi
from tests.service.pipeline.container.ndpi_files import write_ndpi
from tests.service.pipeline.container.tiff_files import APERIO, shaded, write_tiff

PER_CM = (40_000, 40_000)
LEICA = (
    '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
    '<collection sizeX="96000" sizeY="64000"><image><pixels sizeX="384" sizeY="256">{planes}'
    "</pixels></image></collection></scn>"
)


def write_stack(path: Path, planes: NDArray[np.uint8], **options: Any) -> Path:
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            planes,
            photometric="rgb",
            tile=(128, 128),
            resolution=PER_CM,
            resolutionunit="CENTIMETER",
            **options,
        )
    return path


@pytest.mark.parametrize(
    ("num_planes", "middle"), [(2, "page 2 of"), (3, "page 2 of"), (5, "page 3 of")]
)
def test_an_ome_stack_is_refused_with_its_planes(
    tmp_path: Path, num_planes: int, middle: str
) -> None:
    planes = np.stack([shaded()] * num_planes)
    path = write_stack(tmp_path / "stack.ome.tif", planes, metadata={"axes": "ZYXS"})
    with pytest.raises(FocusStackError, match=f"{num_planes} focal planes.*middle one.*{middle}"):
        check_slide(path)


def test_plain_pages_of_one_size_are_a_stack(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "stack.tif", [shaded()] * 3, subfiletype=0)
    with pytest.raises(FocusStackError, match=r"pages 1, 2, 3"):
        check_slide(path)


def test_registered_planes_of_nearly_one_size_are_a_stack(tmp_path: Path) -> None:
    planes = [shaded(), shaded()[:-1, :-2], shaded()[:-2, :-1]]
    path = write_tiff(tmp_path / "stack.tif", planes, subfiletype=0)
    with pytest.raises(FocusStackError, match=r"pages 1, 2, 3"):
        check_slide(path)


def test_a_volume_is_a_stack(tmp_path: Path) -> None:
    volume = np.stack([np.stack([shaded()] * 4)])
    path = tmp_path / "volume.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(
            volume[0],
            photometric="rgb",
            tile=(4, 128, 128),
            volumetric=True,
            resolution=PER_CM,
            resolutionunit="CENTIMETER",
        )
    with pytest.raises(FocusStackError, match=r"ImageDepth = 4"):
        check_slide(path)


def test_planes_between_their_levels_are_a_stack(tmp_path: Path) -> None:
    small = np.ascontiguousarray(shaded()[::2, ::2])
    pages = [shaded(), small, shaded(), small]
    path = write_tiff(tmp_path / "stack.svs", pages, description=APERIO)
    with pytest.raises(FocusStackError, match=r"pages 1, 3"):
        check_slide(path)


def test_planes_in_other_files_are_a_stack(tmp_path: Path) -> None:
    """An OME-TIFF of which each plane lies in a file of its own."""
    path = write_stack(tmp_path / "plane.ome.tif", shaded(), metadata={"axes": "YXS"})
    path.write_bytes(path.read_bytes().replace(b'SizeZ="1"', b'SizeZ="7"'))
    with pytest.raises(FocusStackError, match=r"SizeZ = 7.*z = 3"):
        check_slide(path)


def test_an_ome_slide_of_one_plane_is_read(tmp_path: Path) -> None:
    path = write_stack(tmp_path / "slide.ome.tif", shaded(), metadata={"axes": "YXS"})
    assert check_slide(path).focal_plane is None


def test_a_leica_stack_is_refused_with_its_planes(tmp_path: Path) -> None:
    planes = "".join(f'<dimension sizeX="384" sizeY="256" ifd="{z}" z="{z}"/>' for z in range(3))
    path = write_tiff(
        tmp_path / "stack.scn", [shaded()] * 3, description=LEICA.format(planes=planes)
    )
    with pytest.raises(FocusStackError, match=r"z = 0, 1, 2.*z = 1"):
        check_slide(path)


def test_of_a_hamamatsu_stack_the_plane_in_focus_is_read_and_named(tmp_path: Path) -> None:
    info = check_slide(write_ndpi(tmp_path / "stack.ndpi", shaded(), [-2000, 0, 2000]))
    assert (info.vendor, info.width, info.mpp) == ("hamamatsu", 384, 0.25)
    assert info.focal_plane == "the plane in focus (0 nm) of 3 planes: -2000, 0, 2000 nm"
    assert check_slide(write_ndpi(tmp_path / "plain.ndpi", shaded(), [0])).focal_plane is None


def test_a_hamamatsu_stack_without_the_plane_in_focus_is_refused(tmp_path: Path) -> None:
    path = write_ndpi(tmp_path / "stack.ndpi", shaded(), [-2000, 1000, 3000])
    with pytest.raises(FocusStackError, match=r"3 focal planes .*-2000, 1000, 3000 nm.*1000 nm"):
        check_slide(path)


def test_the_overview_of_a_hamamatsu_slide_is_no_plane(tmp_path: Path) -> None:
    path = write_ndpi(tmp_path / "slide.ndpi", shaded(), [0, 5000], [40, -1])
    assert check_slide(path).focal_plane is None
    path = write_ndpi(tmp_path / "stack.ndpi", shaded(), [-1000, 1000, 0], [40, 40, -1])
    with pytest.raises(FocusStackError, match="2 focal planes"):
        check_slide(path)


def test_a_zeiss_stack_is_told_from_damage(tmp_path: Path) -> None:
    with pytest.raises(FocusStackError, match=r'dimension "Z".*one focal plane'):
        check_slide(write_czi(tmp_path / "stack.czi", {"Z": 0}))


@pytest.mark.parametrize("dimensions", [{"C": 1}, {"T": 0}])
def test_other_dimensions_of_zeiss_are_told_from_damage(
    tmp_path: Path, dimensions: dict[str, int]
) -> None:
    with pytest.raises(NotASlideError, match=r"does not read .*convert it"):
        check_slide(write_czi(tmp_path / "slide.czi", dimensions))


def test_a_larger_page_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "slide.tif", [shaded(), shaded(768, 512)], subfiletype=0)
    with pytest.raises(PartOfSlideError, match=r"page 2 is larger \(768x512 px\)"):
        check_slide(path)
