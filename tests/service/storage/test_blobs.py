"""Blobs are written whole, read in parts, and deleted by folder."""

from pathlib import Path

import pytest

from service.storage.blobs import group_key, groups_prefix, open_local_blobs, slide_prefix


def test_blob_is_read_as_last_written(tmp_path: Path) -> None:
    blobs = open_local_blobs(tmp_path)
    blobs.put("a/b", b"first")
    blobs.put("a/b", b"second")
    assert blobs.get("a/b") == b"second"
    with blobs.open("a/b") as reader:
        reader.seek(3)
        assert bytes(reader.read(2)) == b"on"


def test_missing_blob_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_local_blobs(tmp_path).get("a")


def test_groups_of_a_run_are_deleted_alone(tmp_path: Path) -> None:
    blobs = open_local_blobs(tmp_path)
    for key in (group_key("s", 1, 0), group_key("s", 10, 0), "slides/s/detections.parquet"):
        blobs.put(key, b"x")
    blobs.delete_all(groups_prefix("s", 1))
    with pytest.raises(FileNotFoundError):
        blobs.get(group_key("s", 1, 0))
    assert blobs.get(group_key("s", 10, 0)) == b"x"
    blobs.delete_all(slide_prefix("s"))
    blobs.delete_all(slide_prefix("s"))
    assert list(tmp_path.rglob("*.*")) == []
