"""Detectors by name: those shipped and those in the configured folder.

Owns the look-up, by bare names, so that no request can name a path; reading bundles is left
to `models.bundle`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import structlog

from models.bundle import list_detectors, load_detector, read_info
from service.errors import BundleError, DetectorChangedError, UnknownDetectorError
from service.pipeline.types import Detector, DetectorInfo

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.jobs")


class Catalogue(Protocol):
    """Knows the detectors."""

    def infos(self) -> list[DetectorInfo]:
        """All of them, by name."""
        ...

    def find(self, name: str) -> DetectorInfo:
        """What the detector of that name says of itself.

        Raises:
            UnknownDetectorError: there is none; lists those there are.
            BundleError: it is broken.
        """
        ...

    def load(self, name: str) -> Detector:
        """One that is ready to detect; raises as `find` does."""
        ...


class BundleCatalogue:
    """Detectors in bundles.

    Args:
        folder: holds bundles beside those shipped, or None.
        engine, device: how they are to run.
    """

    def __init__(
        self,
        folder: Path | None,
        engine: Literal["auto", "torch", "openvino"] = "auto",
        device: str = "auto",
    ) -> None:
        self._folder = folder
        self._engine: Literal["auto", "torch", "openvino"] = engine
        self._device = device

    def infos(self) -> list[DetectorInfo]:
        """All of them, by name; a broken one in the folder is left out, and logged."""
        found = {info.name: info for info in list_detectors()}
        for folder in sorted(self._folder.iterdir()) if self._folder is not None else ():
            try:
                found.setdefault(folder.name, self._read(folder.name))
            except UnknownDetectorError:
                continue  # a file or folder of another kind
            except BundleError as error:
                log.warning("detector left out", detector=folder.name, reason=str(error))
        return [found[name] for name in sorted(found)]

    def find(self, name: str) -> DetectorInfo:
        """What the detector of that name says of itself."""
        # Names come from requests, and `read_info` would take the path of any folder.
        if Path(name).name != name or Path(name).exists():
            raise self._unknown(name)
        try:
            return self._read(name)
        except UnknownDetectorError as error:
            raise self._unknown(name) from error

    def load(self, name: str) -> Detector:
        """One that is ready to detect."""
        self.find(name)
        return load_detector(name, engine=self._engine, device=self._device, extra_dir=self._folder)

    def _read(self, name: str) -> DetectorInfo:
        # The folder's name is the one that requests use, whatever model.json calls it.
        return replace(read_info(name, self._folder), name=name)

    def _unknown(self, name: str) -> UnknownDetectorError:
        known = ", ".join(info.name for info in self.infos()) or "none"
        return UnknownDetectorError(f"no detector is called {name!r}; there are: {known}")


class LoadedDetectors:
    """Keeps the detector last used, for loading one takes seconds; holds one at a time."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._loaded: tuple[str, Detector] | None = None

    def get(self, name: str, digest: str) -> Detector:
        """The detector of that name and digest.

        Raises:
            UnknownDetectorError: there is none of that name.
            DetectorChangedError: its weights are others by now.
        """
        current = self._catalogue.find(name).digest
        if current != digest:
            raise DetectorChangedError(
                f"detector {name!r} is {current} by now, the slide was accepted for {digest}; "
                f"upload the slide again"
            )
        if self._loaded is None or self._loaded[0] != digest:
            self._loaded = None
            self._loaded = (digest, self._catalogue.load(name))
        return self._loaded[1]
