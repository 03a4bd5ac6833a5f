"""OME-XML is read for planes, scale and objective, in whatever unit it states them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.container.ome import UNITS_UM, read_ome

SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ome(attributes: str, prefix: str = "") -> str:
    name = f"{prefix}:" if prefix else ""
    declaration = f'xmlns:{prefix}="{SCHEMA}"' if prefix else f'xmlns="{SCHEMA}"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{name}OME {declaration}><{name}Instrument>'
        f'<{name}Objective ID="Objective:0" NominalMagnification="40.0"/></{name}Instrument>'
        f'<{name}Image ID="Image:0"><{name}Pixels ID="Pixels:0" {attributes}/></{name}Image>'
        f"</{name}OME>"
    )


@given(st.sampled_from(sorted(UNITS_UM)), st.floats(0.01, 100), st.sampled_from(["", "OME"]))
def test_a_length_is_the_same_in_every_unit(unit: str, mpp: float, prefix: str) -> None:
    value = mpp / UNITS_UM[unit]
    text = ome(
        f'SizeZ="3" PhysicalSizeX="{value!r}" PhysicalSizeXUnit="{unit}" '
        f'PhysicalSizeY="{value!r}" PhysicalSizeYUnit="{unit}"',
        prefix,
    )
    facts = read_ome(text)
    assert facts is not None
    assert (facts.size_z, facts.power) == (3, 40.0)
    assert facts.mpp_x == facts.mpp_y == pytest.approx(mpp)


def test_micrometres_are_meant_where_no_unit_is_given() -> None:
    facts = read_ome(ome('PhysicalSizeX="0.25" PhysicalSizeY="0.25"'))
    assert facts is not None
    assert (facts.mpp_x, facts.mpp_y, facts.size_z) == (0.25, 0.25, 1)


def test_a_unit_that_is_no_length_states_nothing() -> None:
    facts = read_ome(ome('PhysicalSizeX="1" PhysicalSizeXUnit="pixel"'))
    assert facts is not None
    assert (facts.mpp_x, facts.mpp_y) == (None, None)


@pytest.mark.parametrize("text", ["", "Aperio Image Library", "<OME", "<OME></OME>", "<a:OME>"])
def test_what_is_no_ome_has_no_facts(text: str) -> None:
    assert read_ome(text) is None
