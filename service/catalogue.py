"""Detectors by name: those shipped and those in the configured folder.

Owns the look-up by bare names, so that no request can name a path; reading bundles is left to
`models.bundle.load`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import structlog

from models.bundle.description import NAME
from models.bundle.find import list_detectors, read_info
from models.bundle.load import load_detector
from service.errors import BundleError, UnknownDetectorError
from service.pipeline.types import Detector, DetectorInfo

log: structlog.stdlib.BoundLogger = structlog.get_logger("service.catalogue")


class Catalogue(Protocol):
    """The detectors that this installation has."""

    def infos(self) -> list[DetectorInfo]:
        """All detectors, sorted by name."""
        ...

    def find(self, name: str) -> DetectorInfo:
        """The info of the detector of that name.

        Raises:
            UnknownDetectorError: no detector has this name; lists the existing names.
            BundleError: the bundle is broken.
        """
        ...

    def load(self, name: str) -> Detector:
        """The detector of that name, ready to detect; raises as `find` does."""
        ...


class BundleCatalogue:
    """Detectors in bundles.

    Args:
        folder: of further bundles beside those shipped, or None.
        engine, device: on which detectors run.
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
        """All detectors, sorted by name; broken bundles in the folder are skipped and logged."""
        infos = {info.name: info for info in list_detectors()}
        for folder in sorted(self._folder.iterdir()) if self._folder is not None else ():
            try:
                infos.setdefault(folder.name, self._read(folder.name))
            except UnknownDetectorError:
                continue  # a file or folder of another kind
            except BundleError as error:
                log.warning("detector left out", detector=folder.name, reason=str(error))
        return [infos[name] for name in sorted(infos)]

    def find(self, name: str) -> DetectorInfo:
        """The info of the detector of that name."""
        # Names come from requests, and `read_info` would accept the path of any folder.
        if not NAME.fullmatch(name):
            raise self._unknown(name)
        try:
            return self._read(name)
        except UnknownDetectorError as error:
            raise self._unknown(name) from error

    def load(self, name: str) -> Detector:
        """The detector of that name, ready to detect."""
        self.find(name)
        return load_detector(name, engine=self._engine, device=self._device, extra_dir=self._folder)

    def _read(self, name: str) -> DetectorInfo:
        # Requests use the name of the folder, which may differ from the name in model.json.
        return replace(read_info(name, self._folder), name=name)

    def _unknown(self, name: str) -> UnknownDetectorError:
        known = ", ".join(info.name for info in self.infos()) or "none"
        return UnknownDetectorError(f"no detector is called {name!r}; there are: {known}")
