"""Fields of a slide are accepted or refused, in query and form alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import (
    FieldConflictError,
    InvalidRequestError,
    UnknownDetectorError,
    UnknownFieldError,
)
from service.intake.fields import FIELD_NAMES, SlideFields, StatedFields, field_schemas


def gather_fields(*fields: tuple[str, str]) -> StatedFields:
    """Gathered fields: the first is in the query, all others are in the form."""
    gathered = StatedFields()
    for number, (name, text) in enumerate(fields):
        gathered.add(name, text, "the form" if number else "the query")
    return gathered


def test_nothing_stated_gives_defaults() -> None:
    assert gather_fields().gather() == SlideFields(detector="default")


def test_all_fields_are_read() -> None:
    fields = gather_fields(
        ("detector", "fast"), ("mpp", "0.25"), ("accession", " C26-1"), ("filename", "a.svs")
    )
    assert fields.gather() == SlideFields(
        detector="fast", mpp=0.25, accession="C26-1", filename="a.svs"
    )


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("accession", "C26-1", " C26-1 "), ("mpp", "0.5", "0.50"), ("detector", "fast", "fast")],
)
def test_same_value_twice_is_stated_once(name: str, first: str, second: str) -> None:
    assert (
        gather_fields((name, first), (name, second)).gather()
        == gather_fields((name, first)).gather()
    )


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("accession", "C26-1", "C26-2"), ("mpp", "0.25", "0.5"), ("filename", "a.svs", "b.svs")],
)
def test_two_values_are_refused_naming_both(name: str, first: str, second: str) -> None:
    with pytest.raises(FieldConflictError) as caught:
        gather_fields((name, first), (name, second))
    for word in (name, first, second, "the query", "the form"):
        assert word in str(caught.value)


def test_value_that_fails_its_check_is_refused_when_it_is_added() -> None:
    def refuse(name: str) -> None:
        raise UnknownDetectorError(f"no detector is called {name!r}")

    fields = StatedFields({"detector": refuse})
    fields.add("accession", "C26-1", "the query")
    with pytest.raises(UnknownDetectorError, match="'fast'"):
        fields.add("detector", "fast", "the form")


def test_misspelt_field_is_refused_with_a_guess() -> None:
    with pytest.raises(UnknownFieldError, match=r"'acession'.*did you mean 'accession'.*mpp"):
        gather_fields(("acession", "C26-1"))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("mpp", "0", "mpp = '0'"),
        ("mpp", "nan", "finite"),
        ("mpp", "", "mpp = ''"),
        ("mpp", "0,25", "number"),
        ("mpp", "0_1", "mpp = '0_1'.*decimal number"),
        ("accession", "", "accession = '': it is empty"),
        ("accession", "C\x07", "U\\+0007"),
        ("accession", "C" * 201, "at most 200"),
        ("detector", "x" * 201, "at most 200"),
        ("filename", "x" * 1001, "at most 1000"),
    ],
)
def test_wrong_value_is_refused_by_name(name: str, text: str, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        gather_fields((name, text))


@given(st.sampled_from(FIELD_NAMES), st.text())
def test_any_text_is_accepted_or_refused(name: str, text: str) -> None:
    try:
        fields = gather_fields((name, text))
    except InvalidRequestError:
        return
    value = getattr(fields.gather(), name)
    assert value is not None
    text_of_value = value if isinstance(value, str) else repr(value)
    assert gather_fields((name, text), (name, text_of_value)).gather() == fields.gather()


def test_schemas_state_the_limits() -> None:
    schemas = field_schemas()
    assert tuple(schemas) == FIELD_NAMES
    assert schemas["mpp"]["type"] == "number"
    assert schemas["accession"]["maxLength"] == 200
    assert schemas["detector"]["default"] == "default"
