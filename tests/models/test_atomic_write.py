"""A file is written whole or stays as it was, and nothing is left beside it."""

import os
from pathlib import Path

import pytest

from models.atomic_write import move_into_place, write_atomically, write_text_atomically


def test_file_is_replaced_by_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with write_atomically(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def write_half(path: Path) -> None:
    with write_atomically(path) as part:
        part.write_text("ne")
        raise RuntimeError("half-way")


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half-way"):
        write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_synced_before_it_is_moved_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, replace = os.fsync, os.replace

    def note_sync(handle: int) -> None:
        order.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    def note_replace(source: Path, target: Path) -> None:
        order.append("moved")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_text_atomically(tmp_path / "a.txt", "content")
    assert order[0].endswith(".part")
    assert order[1:] == ["moved", str(tmp_path)]


def test_folder_is_moved_with_all_that_is_in_it(tmp_path: Path) -> None:
    part = tmp_path / "part"
    (part / "images").mkdir(parents=True)
    (part / "images" / "a.png").write_bytes(b"a")
    move_into_place(part, tmp_path / "folder")
    assert (tmp_path / "folder" / "images" / "a.png").read_bytes() == b"a"
    assert not part.exists()
