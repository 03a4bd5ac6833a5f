"""What pydantic found first, as one line for whoever wrote the value."""

from pydantic import ValidationError


def name_first_error(error: ValidationError) -> str:
    """Place, value and what is wrong: "train.epochs = -1: Input should be greater than 0"."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "content"
    if first["type"] == "extra_forbidden":
        return f"{place}: there is no such key"
    value = first["input"]
    # A stranger's value may be of any length.
    shown = f" = {repr(value)[:60]}" if isinstance(value, str | int | float) else ""
    return f"{place}{shown}: {first['msg']}"
