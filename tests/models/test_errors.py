"""The first of pydantic's errors, named with place, value and what is wrong."""

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import name_first_error


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int = Field(ge=0)


class Outer(BaseModel):
    inner: Inner


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"count": -1}, "inner.count = -1: Input should be greater than or equal to 0"),
        ({"count": "x"}, "inner.count = 'x': Input should be a valid integer"),
        ({"count": 1, "cuont": 2}, "inner.cuont: there is no such key"),
        ({}, "inner.count: Field required"),
        ({"count": "x" * 999}, f"inner.count = '{'x' * 59}: Input should be a valid integer"),
    ],
)
def test_place_value_and_fault_are_named(content: object, line: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": content})
    assert name_first_error(caught.value).startswith(line)


def test_what_has_no_place_is_the_content() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate_json("{")
    assert name_first_error(caught.value).startswith("content")
