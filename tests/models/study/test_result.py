"""A run's result is read as it was written, and what is none is refused by its file's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.errors import StudyError
from models.study.result import load_result, write_result
from tests.models.study.test_tables import RESULTS


def test_a_result_is_read_as_it_was_written_over_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "a.json"
    for result in (RESULTS[0], RESULTS[1].model_copy(update={"adopted_from": "other/a"})):
        write_result(result, path)
        assert load_result(path) == result
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]
    assert "adopted_from" in json.loads(path.read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fold": "three"}, r"a\.json is no result of a run \(fold = 'three': "),
        ({"ap50": {}}, r"\(ap50: there is no such key\): delete it"),
        ({"hardware": {"device": "cpu"}}, r"hardware\.threads: Field required"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_result(RESULTS[0], path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StudyError, match=message):
        load_result(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"a\.json cannot be read: No such file"):
        load_result(tmp_path / "a.json")
