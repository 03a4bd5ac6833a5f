"""A loaded detector stays in memory while its digest is the same."""

from dataclasses import replace

import pytest

from service.errors import DetectorChangedError
from service.jobs.loaded_detectors import LoadedDetectors
from service.pipeline.types import Detector, DetectorInfo
from tests.service.fake_server import known_cells


class CountingCatalogue:
    """A catalogue with a single detector; counts loads."""

    def __init__(self) -> None:
        self.info = known_cells().info
        self.loads = 0

    def infos(self) -> list[DetectorInfo]:
        return [self.info]

    def find(self, name: str) -> DetectorInfo:
        return self.info

    def load(self, name: str) -> Detector:
        self.loads += 1
        return known_cells()


def test_detector_is_loaded_once() -> None:
    catalogue = CountingCatalogue()
    loaded = LoadedDetectors(catalogue)
    first = loaded.get("fake", catalogue.info.digest)
    assert loaded.get("fake", catalogue.info.digest) is first
    assert catalogue.loads == 1


def test_detector_whose_weights_changed_is_refused() -> None:
    catalogue = CountingCatalogue()
    loaded = LoadedDetectors(catalogue)
    loaded.get("fake", catalogue.info.digest)
    before, catalogue.info = catalogue.info, replace(catalogue.info, digest="sha256:" + "1" * 64)
    with pytest.raises(DetectorChangedError, match="upload the slide again"):
        loaded.get("fake", before.digest)
    loaded.get("fake", catalogue.info.digest)
    assert catalogue.loads == 2
