"""The detector in use, kept between slides."""

from service.catalogue import Catalogue
from service.errors import DetectorChangedError
from service.pipeline.types import Detector


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
