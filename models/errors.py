"""Errors of making and running detectors, under the one base class of the product.

Every message names the thing, the value and the remedy; nothing here knows of HTTP.
"""

from pydantic import ValidationError


class CytolibraError(Exception):
    """Base of every error that a user can cause and mend; its text is fit to be shown to them."""


class BundleError(CytolibraError):
    """A detector bundle is missing, unreadable, inconsistent, or asks for a type not allowed."""


class UnknownDetectorError(BundleError):
    """No shipped or configured detector has this name."""


class ConfigError(CytolibraError):
    """A training configuration is missing a value or holds a wrong one."""


class DatasetError(CytolibraError):
    """A folder of labelled fields is missing, unreadable or inconsistent."""


class TrainingError(CytolibraError):
    """Training cannot go on, e.g. the loss became NaN; the batch at fault is saved and named."""


class StudyError(CytolibraError):
    """A study cannot go on or be shown, e.g. its results are of another configuration."""


class PhantomError(CytolibraError):
    """A phantom slide cannot be drawn as asked, e.g. an unknown class in the mix."""


class UnsupportedOpError(CytolibraError):
    """An operation of mmcv's compiled extension was called for which there is no stand-in."""


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
