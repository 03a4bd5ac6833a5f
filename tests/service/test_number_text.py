"""Only decimal numbers are read, and each as the number that is written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from service.number_text import check_decimal, read_decimal


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_as_written(number: float) -> None:
    text = repr(number)
    assert read_decimal(text) == number
    assert check_decimal(text) == text


@given(st.text(alphabet="0123456789_.,+-eE infa١ \n"))
def test_any_other_text_is_refused(text: str) -> None:
    try:
        number = read_decimal(text)
    except ValueError:
        with pytest.raises(PydanticCustomError, match="decimal number"):
            check_decimal(text)
        return
    assert "_" not in text
    assert not math.isnan(number)


@pytest.mark.parametrize("text", ["0_1", "1_000", "", " ", ".", "nan", "inf", "1,5", "0x1", "١"])
def test_a_text_that_is_no_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal number"):
        read_decimal(text)


def test_values_that_are_no_text_pass() -> None:
    assert check_decimal(None) is None
    assert check_decimal(0.5) == 0.5
