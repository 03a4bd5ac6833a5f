"""A data directory has at most one server and one worker."""

from pathlib import Path

import pytest

from service.errors import ConfigError, DataDirectoryBusyError
from service.storage.data_dir import DataDir


def test_second_server_is_refused(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    data_dir.create()
    lock = data_dir.lock("server")
    with pytest.raises(DataDirectoryBusyError, match="server is already running"):
        data_dir.lock("server")
    data_dir.lock("worker").release()
    lock.release()
    data_dir.lock("server").release()


def test_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="data directory"):
        DataDir(tmp_path / "file" / "data").create()
