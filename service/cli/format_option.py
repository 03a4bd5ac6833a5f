"""The `--format` option, checked."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from service.exports.formats import Format


def check_format(name: str) -> "Format":
    """The format of that name; anything else is wrong usage, exit status 2."""
    from service.exports.formats import Format

    try:
        return Format(name)
    except ValueError:
        raise typer.BadParameter(
            f"{name!r} is none of {', '.join(Format)}", param_hint="--format"
        ) from None
