"""The fields that a request may state about a slide: names, limits, and parsing.

Owns the rules, which are the same for a query, a form and any other source; their use is left to
`accept.py`.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from models.errors import name_first_error
from service.errors import FieldConflictError, InvalidRequestError, UnknownFieldError
from service.number_text import check_decimal
from service.pipeline.mpp import MAX_MPP, MIN_MPP
from service.storage.accession import normalise_accession


def read_accession(text: str) -> str:
    """The normalised accession; pydantic shows its error message without adding text."""
    try:
        return normalise_accession(text)
    except ValueError as error:
        raise PydanticCustomError("accession", "{reason}", {"reason": str(error)}) from error


DetectorName = Annotated[str, Field(description="A name of the list of detectors.", max_length=200)]
Mpp = Annotated[
    float,
    Field(
        description="µm per level-0 px, which overrides the slide's metadata.",
        ge=MIN_MPP,
        le=MAX_MPP,
        allow_inf_nan=False,
        examples=[0.25],
    ),
    BeforeValidator(check_decimal),
]
Accession = Annotated[
    str,
    AfterValidator(read_accession),
    Field(
        description="The laboratory's accession number. It is stored without surrounding white "
        "space and in Unicode NFC; invisible characters are refused.",
        max_length=200,
        examples=["C26-01234"],
    ),
]
FileName = Annotated[
    str,
    Field(
        description="File name of the slide, which overrides the name in a form part.",
        max_length=1000,
        examples=["slide.svs"],
    ),
]
LONGEST_SHOWN = 60


class SlideFields(BaseModel):
    """The fields that a request may state about a slide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: DetectorName = "default"
    mpp: Mpp | None = None
    accession: Accession | None = None
    filename: FileName | None = None


FIELD_NAMES = tuple(SlideFields.model_fields)


@dataclass(frozen=True)
class StatedField:
    """A valid value, and where it was stated, e.g. "the query"."""

    value: Any
    place: str


class StatedFields:
    """The fields of a request, gathered from query, form and headers.

    Args:
        checks: by field, a function that raises an error for a wrong value as soon as it is added,
            so that an unknown detector is refused before the file is received.
    """

    def __init__(self, checks: Mapping[str, Callable[[Any], object]] | None = None) -> None:
        self._stated: dict[str, StatedField] = {}
        self._checks = checks or {}

    def add(self, name: str, text: str, place: str) -> None:
        """Adds a field; repeating it with the same value is allowed.

        Raises:
            UnknownFieldError: no field has this name.
            InvalidRequestError: the value is invalid.
            FieldConflictError: a different value was added before.
            CytolibraError: the field's check fails.
        """
        check_field_name(name, place)
        value = _read(name, text, place)
        previous = self._stated.setdefault(name, StatedField(value, place))
        if previous.value != value:
            raise FieldConflictError(
                f"{name} is {previous.value!r} in {previous.place} and {value!r} in {place}; "
                f"state it once, or the same each time"
            )
        if name in self._checks:
            self._checks[name](value)

    def gather(self) -> SlideFields:
        """All fields, with defaults for those that were not added."""
        values = {name: stated.value for name, stated in self._stated.items()}
        return SlideFields.model_validate(values)


def check_field_name(name: str, place: str, known: Sequence[str] = FIELD_NAMES) -> None:
    """Checks the name of a field.

    Args:
        place: where it was stated, for the message.

    Raises:
        UnknownFieldError: no field has this name; lists the known names.
    """
    if name in known:
        return
    close = difflib.get_close_matches(name[:LONGEST_SHOWN], known, 1)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    raise UnknownFieldError(
        f"{place} has a field {name[:LONGEST_SHOWN]!r}, which is not known{guess}; "
        f"known are {', '.join(known)}"
    )


def field_schemas() -> dict[str, dict[str, Any]]:
    """JSON schema of each field, by name."""
    types = {
        "detector": TypeAdapter[Any](DetectorName),
        "mpp": TypeAdapter[Any](Mpp),
        "accession": TypeAdapter[Any](Accession),
        "filename": TypeAdapter[Any](FileName),
    }
    schemas = {name: adapter.json_schema() for name, adapter in types.items()}
    schemas["detector"]["default"] = SlideFields.model_fields["detector"].default
    return schemas


def _read(name: str, text: str, place: str) -> Any:
    try:
        return getattr(SlideFields.model_validate_strings({name: text}), name)
    except ValidationError as error:
        raise InvalidRequestError(f"{place}: {name_first_error(error)}") from error
