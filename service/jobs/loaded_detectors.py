"""The detector in use, which stays in memory between slides."""

from service.catalogue import Catalogue
from service.errors import DetectorChangedError
from service.pipeline.types import Detector


class LoadedDetectors:
    """Caches the last used detector, since loading takes seconds; at most one is in memory."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._loaded: tuple[str, Detector] | None = None

    def get(self, name: str, digest: str) -> Detector:
        """The detector of that name and digest.

        Raises:
            UnknownDetectorError: no detector has this name.
            DetectorChangedError: the detector of this name now has another digest.
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
