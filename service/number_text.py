"""Decimal numbers as requests write them.

Python and pydantic also take underscores between digits, so that a typing error such as `0_1` would
be read as another number.
"""

import re
from typing import Any

from pydantic_core import PydanticCustomError

DECIMAL = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
EXPECTED = "it is no finite decimal number, such as 10, 0.25 or 1e-3"


def check_decimal(value: Any) -> Any:
    """The value unchanged, for a pydantic `BeforeValidator`; values that are no text pass.

    Raises:
        PydanticCustomError: a text is no decimal number.
    """
    if isinstance(value, str) and not DECIMAL.fullmatch(value):
        raise PydanticCustomError("decimal", EXPECTED)
    return value


def read_decimal(text: str) -> float:
    """The number that a text states.

    Raises:
        ValueError: the text is no decimal number.
    """
    if not DECIMAL.fullmatch(text):
        raise ValueError(EXPECTED)
    return float(text)
