"""Settings are read, checked, and passed on to another process."""

from pathlib import Path

import pytest

from service.errors import ConfigError
from service.settings import OWN_SEGMENTS, read_settings


def test_argument_wins_over_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CYTOLIBRA_PORT", "9000")
    assert read_settings(data_dir=tmp_path).port == 9000
    assert read_settings(data_dir=tmp_path, port=9001).port == 9001


def test_wrong_value_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"port = 70000.*CYTOLIBRA_PORT"):
        read_settings(data_dir=tmp_path, port=70000)


@pytest.mark.parametrize(
    "setting",
    [
        {"root_path": "lab"},
        {"root_path": "/lab/"},
        {"root_path": "//lab"},
        {"root_path": "/.."},
        {"trusted_proxies": "proxy"},
        {"trusted_proxies": "10.0.0.0/99"},
    ],
)
def test_wrong_proxy_setting_is_refused(tmp_path: Path, setting: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        read_settings(data_dir=tmp_path, **setting)


@pytest.mark.parametrize("segment", OWN_SEGMENTS)
def test_prefix_like_a_path_of_the_app_is_refused(tmp_path: Path, segment: str) -> None:
    for prefix in (f"/{segment}", f"/{segment}/lab"):
        with pytest.raises(ConfigError, match=rf"root_path = '{prefix}'.*another prefix"):
            read_settings(data_dir=tmp_path, root_path=prefix)
    for prefix in (f"/{segment}x", f"/lab/{segment}"):
        assert read_settings(data_dir=tmp_path, root_path=prefix).root_path == prefix


def test_missing_data_directory_is_refused() -> None:
    with pytest.raises(ConfigError, match="data_dir"):
        read_settings()


def test_missing_detectors_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        read_settings(data_dir=tmp_path, detectors_dir=tmp_path / "none")


def test_another_process_reads_the_same_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = read_settings(data_dir=tmp_path, port=9001, max_unreadable_fraction=0.5)
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings(data_dir=tmp_path).port = 1


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "CPU"])
def test_unknown_device_is_refused_at_the_start(tmp_path: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=f"device = '{device}'.*use auto, cpu, cuda, or cuda:0"):
        read_settings(data_dir=tmp_path, device=device)


def test_an_engine_that_does_not_run_on_the_device_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'openvino' runs on the CPU.*CYTOLIBRA_DEVICE"):
        read_settings(data_dir=tmp_path, engine="openvino", device="cuda")
