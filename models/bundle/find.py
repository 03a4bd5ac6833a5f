"""Finds detector bundles and reads their descriptions, without importing torch."""

import os
from pathlib import Path

from models.bundle.description import NAME, read_model
from models.bundle.files import MODEL_FILE
from models.detector import DetectorInfo
from models.errors import UnknownDetectorError

ZOO_DIR = Path(__file__).parent.parent / "zoo"


def find_bundle(name_or_path: str, extra_dir: Path | None = None) -> Path:
    """The folder of a shipped detector, of one in `extra_dir`, or of a path to a bundle.

    A bare name is never a path, so that a folder in the working directory cannot stand for a
    detector of its name: it is given as "./NAME".

    Raises:
        UnknownDetectorError: there is none; the message lists the known names.
    """
    if NAME.fullmatch(name_or_path):
        for folder in (ZOO_DIR, extra_dir):
            if folder is not None and (folder / name_or_path / MODEL_FILE).is_file():
                return folder / name_or_path
    elif _has_separator(name_or_path) and (Path(name_or_path) / MODEL_FILE).is_file():
        return Path(name_or_path)
    known = ", ".join(sorted(_names(extra_dir))) or "none"
    raise UnknownDetectorError(
        f"no detector {name_or_path!r}: known are {known}; or give the folder of a bundle as a "
        "path, one in the working directory as ./FOLDER"
    )


def read_info(name_or_path: str, extra_dir: Path | None = None) -> DetectorInfo:
    """Description of a detector, without building it; its engine is "auto".

    Raises:
        UnknownDetectorError: there is none of this name.
        BundleError: its model.json is missing, unreadable or wrong.
    """
    return read_model(find_bundle(name_or_path, extra_dir)).info("auto")


def list_detectors(extra_dir: Path | None = None) -> list[DetectorInfo]:
    """All shipped detectors and those in `extra_dir`, by name.

    Raises:
        BundleError: a bundle is broken; names it.
    """
    return [read_info(name, extra_dir) for name in sorted(_names(extra_dir))]


def _has_separator(text: str) -> bool:
    return any(separator in text for separator in (os.sep, os.altsep) if separator)


def _names(extra_dir: Path | None) -> set[str]:
    folders = [folder for folder in (ZOO_DIR, extra_dir) if folder is not None and folder.is_dir()]
    return {
        path.parent.name
        for folder in folders
        for path in folder.glob(f"*/{MODEL_FILE}")
        if NAME.fullmatch(path.parent.name)
    }
