"""The `--engine` option, checked."""

from typing import Literal, cast

import typer

Engine = Literal["auto", "torch", "openvino"]


def check_engine(name: str) -> Engine:
    """The engine of that name; anything else is wrong usage, exit status 2."""
    if name not in ("auto", "torch", "openvino"):
        raise typer.BadParameter(
            f"{name!r} is none of auto, torch, openvino", param_hint="--engine"
        )
    return cast("Engine", name)
