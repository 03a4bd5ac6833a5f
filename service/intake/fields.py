"""What may be stated of a slide beside sending it: names, limits, and one place that reads them.

Owns the rules, alike for a query, a form and any other way in; what is done with the values is
left to `accept.py`.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from models.errors import name_first_error
from service.errors import FieldConflictError, InvalidRequestError, UnknownFieldError
from service.pipeline.mpp import MAX_MPP, MIN_MPP
from service.storage.accession import normalise_accession


def read_accession(text: str) -> str:
    """The number as it is kept; its error is one that pydantic shows without words of its own."""
    try:
        return normalise_accession(text)
    except ValueError as error:
        raise PydanticCustomError("accession", "{reason}", {"reason": str(error)}) from error


DetectorName = Annotated[str, Field(description="A name of the list of detectors.", max_length=200)]
Mpp = Annotated[
    float,
    Field(
        description="µm per level-0 px, instead of what the slide says; within what scanners do.",
        ge=MIN_MPP,
        le=MAX_MPP,
        allow_inf_nan=False,
        examples=[0.25],
    ),
]
Accession = Annotated[
    str,
    AfterValidator(read_accession),
    Field(
        description="The laboratory's number. White space around it is dropped and it is kept in "
        "Unicode's NFC; characters that cannot be seen are refused.",
        max_length=200,
        examples=["C26-01234"],
    ),
]
FileName = Annotated[
    str,
    Field(
        description="Of the slide, instead of the name that a form's part states.",
        max_length=1000,
        examples=["slide.svs"],
    ),
]
LONGEST_SHOWN = 60


class SlideFields(BaseModel):
    """All that may be stated of a slide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: DetectorName = "default"
    mpp: Mpp | None = None
    accession: Accession | None = None
    filename: FileName | None = None


FIELD_NAMES = tuple(SlideFields.model_fields)


@dataclass(frozen=True)
class StatedField:
    """A value that holds, and where it was stated, e.g. "the query"."""

    value: Any
    place: str


class StatedFields:
    """What one request states of its slide, from all places in which it may."""

    def __init__(self) -> None:
        self._stated: dict[str, StatedField] = {}

    def add(self, name: str, text: str, place: str) -> None:
        """Notes a field; stated twice alike is stated once.

        Raises:
            UnknownFieldError: there is no such field.
            InvalidRequestError: the value is none that the field takes.
            FieldConflictError: another value was stated before.
        """
        check_field_name(name, place)
        value = _read(name, text, place)
        before = self._stated.setdefault(name, StatedField(value, place))
        if before.value != value:
            raise FieldConflictError(
                f"{name} is {before.value!r} in {before.place} and {value!r} in {place}; "
                f"state it once, or the same each time"
            )

    def is_stated(self, name: str) -> bool:
        """Whether a value of the field was stated."""
        return name in self._stated

    def gather(self) -> SlideFields:
        """The fields, with defaults for what was not stated."""
        values = {name: stated.value for name, stated in self._stated.items()}
        return SlideFields.model_validate(values)


def check_field_name(name: str, place: str, known: Sequence[str] = FIELD_NAMES) -> None:
    """Passes for the name of a field.

    Args:
        place: where it was stated, for the message.

    Raises:
        UnknownFieldError: there is no such field; names those there are.
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
