"""Detectors are looked up by bare names only."""

from pathlib import Path

import pytest

from service.catalogue import BundleCatalogue
from service.errors import BundleError, UnknownDetectorError


@pytest.mark.parametrize("name", ["unknown", "", ".", "..", "/etc", "a/b", "models"])
def test_only_names_are_looked_up(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownDetectorError, match="no detector is called"):
        BundleCatalogue(tmp_path).find(name)


def test_a_folder_in_the_working_directory_does_not_hide_a_detector_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected_info = BundleCatalogue(None).find("fast")
    (tmp_path / "fast").mkdir()
    monkeypatch.chdir(tmp_path)
    assert BundleCatalogue(None).find("fast") == expected_info


def test_broken_bundle_is_left_out_and_named_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.json").write_text("{")
    (tmp_path / "notes.txt").touch()
    catalogue = BundleCatalogue(tmp_path)
    assert "broken" not in [info.name for info in catalogue.infos()]
    with pytest.raises(BundleError, match=r"broken/model\.json"):
        catalogue.find("broken")
