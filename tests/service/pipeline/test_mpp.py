"""A slide's µm per px is believed only where scanners do it and nothing contradicts it."""

from pathlib import Path

import openslide
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import MppImplausibleError, MppMissingError, PixelsNotSquareError
from service.pipeline.mpp import MAX_MPP, MIN_MPP, find_mpp
from service.pipeline.slide import check_slide
from tests.service.pipeline.conftest import MakeSlide
from tests.service.pipeline.container.test_ome import ome
from tests.service.pipeline.container.tiff_files import write_tiff


def stated(
    x: float | None = None, y: float | None = None, power: float | None = None, comment: str = ""
) -> dict[str, str]:
    """A slide's properties as OpenSlide gives them; y is x by default."""
    values = {
        openslide.PROPERTY_NAME_MPP_X: x,
        openslide.PROPERTY_NAME_MPP_Y: x if y is None else y,
        openslide.PROPERTY_NAME_OBJECTIVE_POWER: power,
        openslide.PROPERTY_NAME_COMMENT: comment or None,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


#: µm/px and objective power as scanners' makers state them, and slides in the field.
SCANS = [
    (0.2425, 40),  # 3DHISTECH, Hamamatsu-like 40x
    (0.2520, 40),  # Aperio AT2
    (0.263, 40),  # Leica GT 450
    (0.2738, 40),
    (0.499, 20),  # Aperio
    (0.55, 20),
    (0.234, 20),  # Pannoramic MIDI: a camera of small pixels
    (0.25, 20),  # a magnification changer
    (0.1214, 40),
    (0.5, 40),  # halved, the power left standing
    (0.65, 10),
    (1.0, 10),
    (2.0, 5),
    (0.065, 100),
    (0.17, 60),
]


@pytest.mark.parametrize(("mpp", "power"), SCANS)
def test_what_scanners_do_is_believed(mpp: float, power: float) -> None:
    assert find_mpp(stated(mpp, power=power), None) == (mpp, "slide")
    assert find_mpp(stated(mpp), None) == (mpp, "slide")
    assert find_mpp(stated(power=power), mpp) == (mpp, "request")


@pytest.mark.parametrize(("mpp", "power"), SCANS)
@pytest.mark.parametrize("factor", [0.1, 10.0, 0.001, 1000.0])
def test_a_factor_of_ten_is_refused(mpp: float, power: float, factor: float) -> None:
    wrong = mpp * factor
    with pytest.raises(MppImplausibleError, match=rf"{wrong:g}.*mpp="):
        find_mpp(stated(wrong, power=power), None)
    with pytest.raises(MppImplausibleError, match=rf"mpp={wrong:g}"):
        find_mpp(stated(mpp, power=power), wrong)


@given(st.floats(0.22, 0.55), st.sampled_from([0.1, 10.0]))
def test_a_factor_of_ten_is_refused_without_an_objective(mpp: float, factor: float) -> None:
    with pytest.raises(MppImplausibleError):
        find_mpp(stated(mpp * factor), None)
    with pytest.raises(MppImplausibleError):
        find_mpp({}, mpp * factor)


@pytest.mark.parametrize("factor", [2.54, 1 / 2.54])
def test_inch_for_centimetre_is_refused_where_the_objective_is_known(factor: float) -> None:
    with pytest.raises(MppImplausibleError, match="40x"):
        find_mpp(stated(0.25 * factor, power=40), None)


@given(st.floats())
def test_whatever_is_given_is_either_used_or_refused(mpp: float) -> None:
    if MIN_MPP <= mpp <= MAX_MPP:
        assert find_mpp({}, mpp) == (mpp, "request")
    else:
        with pytest.raises(MppImplausibleError, match="mpp="):
            find_mpp({}, mpp)


def test_two_statements_that_differ_are_decided_by_a_person() -> None:
    slide = stated(2.5, power=40)
    with pytest.raises(MppImplausibleError, match=r"2\.5.*mpp="):
        find_mpp(slide, None)
    assert find_mpp(slide, 0.25) == (0.25, "request")
    slide = stated(0.25, power=4)
    with pytest.raises(MppImplausibleError, match=r"4x.*mpp="):
        find_mpp(slide, None)
    assert find_mpp(slide, 0.25) == (0.25, "request")


def test_what_is_given_does_not_overrule_the_objective() -> None:
    with pytest.raises(MppImplausibleError, match=r"mpp=1\.5 contradicts.*40x"):
        find_mpp(stated(0.25, power=40), 1.5)


@pytest.mark.parametrize(("own", "given"), [(0.25, 2.0), (0.25, 1.01), (0.25, 0.06), (1.0, 0.24)])
def test_what_is_given_does_not_contradict_a_plausible_slide(own: float, given: float) -> None:
    with pytest.raises(MppImplausibleError, match=rf"mpp={given:g} contradicts.*{own:g} µm"):
        find_mpp(stated(own), given)


def test_what_is_given_overrules_a_slide_that_is_near_or_implausible() -> None:
    assert find_mpp(stated(0.25), 1.0) == (1.0, "request")
    assert find_mpp(stated(2.5), 0.25) == (0.25, "request")
    assert find_mpp(stated(2.0, power=40), 0.25) == (0.25, "request")


def test_what_the_slide_states_is_kept_beside_what_is_given(make_slide: MakeSlide) -> None:
    info = check_slide(make_slide(mpp=0.25), 0.5)
    assert (info.mpp, info.mpp_source, info.stated_mpp) == (0.5, "request", 0.25)


@pytest.mark.parametrize(("power", "mpp"), [(40, 0.25), (20, 0.5), (100, 0.1)])
def test_the_objective_stands_in_and_says_so(power: float, mpp: float) -> None:
    assert find_mpp(stated(power=power), None) == (mpp, "objective-power")


@pytest.mark.parametrize("power", [-40, 0.5, 1.25, 4000])
def test_an_objective_that_no_scanner_has_does_not_stand_in(power: float) -> None:
    with pytest.raises(MppImplausibleError, match=r"objective power.*mpp="):
        find_mpp(stated(power=power), None)


@pytest.mark.parametrize(
    "properties", [{}, stated(0), stated(0, power=0), {"openslide.mpp-x": "?"}]
)
def test_what_is_not_stated_is_asked_for(properties: dict[str, str]) -> None:
    with pytest.raises(MppMissingError, match="mpp="):
        find_mpp(properties, None)


@pytest.mark.parametrize("mpp", [None, 0.25])
def test_oblong_pixels_are_refused_whatever_is_given(tmp_path: Path, mpp: float | None) -> None:
    path = write_tiff(tmp_path / "oblong.tif", mpp_xy=(0.25, 0.5))
    with pytest.raises(PixelsNotSquareError, match=r"0\.25 .*0\.5 .*resample"):
        check_slide(path, mpp)


def test_pixels_that_are_square_but_for_rounding_are_read(tmp_path: Path) -> None:
    assert find_mpp(stated(0.2425, 0.2426), None)[0] == pytest.approx(0.24255)
    path = write_tiff(tmp_path / "slide.tif", mpp_xy=(0.25, 0.254))
    assert check_slide(path).mpp == pytest.approx(0.252)
    with pytest.raises(PixelsNotSquareError):
        check_slide(write_tiff(tmp_path / "slide.tif", mpp_xy=(0.25, 0.256)))


@pytest.mark.parametrize(("unit", "per_unit"), [("INCH", 101_600), ("CENTIMETER", 40_000)])
def test_tiff_units_are_told_apart(tmp_path: Path, unit: str, per_unit: int) -> None:
    path = write_tiff(
        tmp_path / "slide.tif", None, resolution=(per_unit, per_unit), resolutionunit=unit
    )
    assert check_slide(path).mpp == pytest.approx(0.25)


@pytest.mark.parametrize("unit", ["NONE", "MILLIMETER", "MICROMETER"])
def test_a_tiff_without_a_known_unit_states_nothing(tmp_path: Path, unit: str) -> None:
    path = write_tiff(tmp_path / "slide.tif", resolution=(4, 4), resolutionunit=unit, mpp_xy=None)
    with pytest.raises(MppMissingError):
        check_slide(path)


@pytest.mark.parametrize("dots_per_inch", [72, 96, 300])
def test_a_resolution_of_screens_and_prints_is_refused(tmp_path: Path, dots_per_inch: int) -> None:
    path = write_tiff(
        tmp_path / "slide.tif", resolution=(dots_per_inch,) * 2, resolutionunit="INCH"
    )
    with pytest.raises(MppImplausibleError, match=f"{25400 / dots_per_inch:g} µm.*mpp="):
        check_slide(path)
    assert check_slide(path, 0.25).mpp == 0.25


def size_xy(value: float, unit: str = "µm") -> str:
    attributes = (f'PhysicalSize{a}="{value}" PhysicalSize{a}Unit="{unit}"' for a in "XY")
    return ome(" ".join(attributes)).replace(' NominalMagnification="40.0"', "")


def test_ome_states_it_where_tags_do_not(tmp_path: Path) -> None:
    description = size_xy(250, "nm").encode()
    path = write_tiff(tmp_path / "slide.ome.tif", mpp_xy=None, description=description)
    info = check_slide(path)
    assert (info.vendor, info.mpp, info.mpp_source) == ("generic-tiff", 0.25, "slide")


def test_ome_and_tags_that_differ_are_refused() -> None:
    with pytest.raises(MppImplausibleError, match=r"1 .*TIFF tags.*0\.25 .*OME"):
        find_mpp(stated(1.0, comment=size_xy(0.25)), None)
    assert find_mpp(stated(1.0, comment=size_xy(0.25)), 0.25) == (0.25, "request")
    assert find_mpp(stated(0.25, comment=size_xy(0.2501)), None) == (0.25, "slide")


def test_the_objective_of_ome_counts() -> None:
    slide = stated(1.0, comment=ome('SizeZ="1"'))
    with pytest.raises(MppImplausibleError, match="40x"):
        find_mpp(slide, None)


def test_a_slide_is_refused_by_name(make_slide: MakeSlide) -> None:
    with pytest.raises(MppImplausibleError, match=r"2\.5 µm.*mpp="):
        check_slide(make_slide(mpp=2.5, power=40))
    with pytest.raises(MppImplausibleError, match=r"1 µm.*40x"):
        check_slide(make_slide(mpp=1.0, power=40))
    assert check_slide(make_slide(mpp=1.0, power=40), 0.25).mpp_source == "request"
