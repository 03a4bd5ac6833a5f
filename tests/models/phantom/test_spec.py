"""What cannot be drawn is refused before anything is."""

import pytest

from models.errors import PhantomError
from models.phantom import PhantomSpec, parse_mix


def test_a_mix_is_read_from_text() -> None:
    assert parse_mix("NILM=0.9, HSIL=0.1") == {"NILM": 0.9, "HSIL": 0.1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NILM", "NAME=SHARE"),
        ("NILM=much", "NAME=SHARE"),
        ("AGC=1", "'AGC' cannot be drawn: known are NILM"),
        ("NILM=-1", "zero or more"),
        ("NILM=nan", "zero or more"),
        ("NILM=0", "no share above zero"),
        ("", "NAME=SHARE"),
    ],
)
def test_a_wrong_mix_is_named(text: str, message: str) -> None:
    with pytest.raises(PhantomError, match=message):
        parse_mix(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 10}, "width is 10 px"),
        ({"height": 10**7}, "height is 10000000 px"),
        ({"seed": -1}, "seed is -1"),
        ({"mpp": 0.0}, r"mpp is 0\.0"),
        ({"num_cells": 10**6}, "do not fit"),
        ({"mix": {"X": 1.0}}, "'X' cannot be drawn"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"seed": 1, "width": 1000, "height": 1000, "num_cells": 5}
    with pytest.raises(PhantomError, match=message):
        PhantomSpec(**(good | change))  # type: ignore[arg-type]
