"""Detectors are found by bare names, and kept while their weights are the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from service.errors import BundleError, DetectorChangedError, UnknownDetectorError
from service.jobs.detectors import BundleCatalogue, LoadedDetectors
from service.pipeline.types import Detector, DetectorInfo
from tests.service.fake_server import known_cells


class Counting:
    """A catalogue of one detector that counts how often it is loaded."""

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


@pytest.mark.parametrize("name", ["unknown", "", ".", "..", "/etc", "a/b", "models"])
def test_only_names_are_looked_up(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownDetectorError, match="no detector is called"):
        BundleCatalogue(tmp_path).find(name)


def test_broken_bundle_is_left_out_and_named_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.json").write_text("{")
    (tmp_path / "notes.txt").touch()
    catalogue = BundleCatalogue(tmp_path)
    assert "broken" not in [info.name for info in catalogue.infos()]
    with pytest.raises(BundleError, match=r"broken/model\.json"):
        catalogue.find("broken")


def test_detector_is_loaded_once() -> None:
    catalogue = Counting()
    loaded = LoadedDetectors(catalogue)
    first = loaded.get("fake", catalogue.info.digest)
    assert loaded.get("fake", catalogue.info.digest) is first
    assert catalogue.loads == 1


def test_detector_whose_weights_changed_is_refused() -> None:
    catalogue = Counting()
    loaded = LoadedDetectors(catalogue)
    loaded.get("fake", catalogue.info.digest)
    before, catalogue.info = catalogue.info, replace(catalogue.info, digest="sha256:" + "1" * 64)
    with pytest.raises(DetectorChangedError, match="upload the slide again"):
        loaded.get("fake", before.digest)
    loaded.get("fake", catalogue.info.digest)
    assert catalogue.loads == 2
