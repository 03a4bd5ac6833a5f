"""A whole small study in real processes: trained, interrupted, gone on with, summarised, drawn."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from models.errors import StudyError
from models.study.plots import draw_study
from models.study.result import load_result
from models.study.run import finish_run
from models.study.schedule import RunReport, StudyFolders, read_results, run_study
from models.study.spec import Run
from tests.models.small_training import make_config, write_fields
from tests.service.running_server import ROOT, wait_for


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fields(tmp_path_factory.mktemp("fields"))


def make_run(loss: str, fold: int = 1, lr: float = 1e-3, epochs: int = 2) -> Run:
    config = make_config(epochs=epochs, phantom_fraction=0.0, lr=lr)
    return Run(f"{loss}--fold{fold}--seed0", {"loss": loss}, fold, 0, (), config, "small")


def test_a_study_runs_in_processes_and_a_failed_run_stops_no_other(
    fields: Path, tmp_path: Path
) -> None:
    folders = StudyFolders(fields, tmp_path / "scratch", tmp_path / "runs")
    runs = [make_run("a"), make_run("broken", lr=1e30), make_run("b")]
    reports: list[RunReport] = []
    failed = run_study(runs, folders, 2, "cpu", None, reports.append)
    assert [report.run_id for report in failed] == ["broken--fold1--seed0"]
    assert "not finite" in str(failed[0].error)
    assert {report.run_id for report in reports if report.done} == {run.id for run in runs}
    results = read_results(runs, folders)
    assert [result.options["loss"] for result in results] == ["a", "b"]
    assert not (folders.scratch_dir / runs[0].id).exists()
    for path in draw_study(results, tmp_path / "plots"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_result_holds_what_the_tables_and_plots_show(fields: Path, tmp_path: Path) -> None:
    run = make_run("a")
    result = finish_run(run, fields, tmp_path / "scratch", tmp_path / "a.json", "cpu")
    assert result == load_result(tmp_path / "a.json")
    assert set(result.figures.ap50) == {"NILM", "HSIL"}
    assert result.frequency_groups == {"NILM": "rare", "HSIL": "rare"}
    assert [len(curve) for curve in result.precision_at_recall.values()] == [101] * 3
    assert [len(ratios) for ratios in result.gradient_ratio_by_epoch.values()] == [2, 2]
    assert all(norm > 0 for norm in result.classifier_weight_norm.values())


def test_a_finished_run_is_not_run_again(fields: Path, tmp_path: Path) -> None:
    run, path = make_run("a"), tmp_path / "a.json"
    first = finish_run(run, fields, tmp_path / "scratch", path, "cpu")
    written = path.stat().st_mtime_ns
    assert finish_run(run, fields, tmp_path / "scratch", path, "cpu") == first
    assert path.stat().st_mtime_ns == written


def test_a_result_on_other_fields_is_neither_kept_nor_adopted(fields: Path, tmp_path: Path) -> None:
    run, first = (
        make_run("a"),
        StudyFolders(fields, tmp_path / "scratch", tmp_path / "one" / "runs"),
    )
    finish_run(run, fields, tmp_path / "scratch", first.result_path(run), "cpu")
    other_fields = write_fields(tmp_path / "other", num_fields=8)
    with pytest.raises(StudyError, match="is a result on other fields"):
        run_study([run], replace(first, data=other_fields), 1, "cpu", 0.0)
    second = StudyFolders(other_fields, tmp_path / "scratch", tmp_path / "two" / "runs", tmp_path)
    assert run_study([run], second, 1, "cpu", 0.0) == []
    assert not second.results_dir.exists()


def test_a_run_ends_with_its_study_even_if_that_is_killed(fields: Path, tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from models.study.schedule import StudyFolders, run_study\n"
        "from tests.models.study.test_schedule import make_run\n"
        "if __name__ == '__main__':\n"
        f"    folders = StudyFolders(Path({str(fields)!r}), Path('scratch'), Path('runs'))\n"
        "    run_study([make_run('long', epochs=10_000)], folders, 1, 'cpu', None)\n"
    )
    (tmp_path / "program.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    study = subprocess.Popen([sys.executable, "program.py"], cwd=tmp_path, env=environment)
    spawned: list[psutil.Process] = []
    try:
        wait_for((tmp_path / "scratch" / "long--fold1--seed0" / "checkpoint.pt").exists, 60)
        spawned = psutil.Process(study.pid).children(recursive=True)
        assert any("spawn_main" in " ".join(process.cmdline()) for process in spawned)
        study.kill()
        study.wait()
        _, alive = psutil.wait_procs(spawned, timeout=30)
        assert alive == []
    finally:
        study.kill()
        for process in spawned:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def test_no_run_is_started_after_the_time_given(fields: Path, tmp_path: Path) -> None:
    folders = StudyFolders(fields, tmp_path / "scratch", tmp_path / "runs")
    assert run_study([make_run("a")], folders, 1, "cpu", 0.0) == []
    with pytest.raises(StudyError, match="no run of this study is finished"):
        read_results([make_run("a")], folders)


def test_a_result_of_another_configuration_is_refused(fields: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    finish_run(make_run("a"), fields, tmp_path / "scratch", path, "cpu")
    with pytest.raises(StudyError, match="another configuration of 'a--fold1--seed0'"):
        finish_run(make_run("a", lr=2e-3), fields, tmp_path / "scratch", path, "cpu")
    content = json.loads(path.read_text())
    del content["figures"]["ap50"]
    path.write_text(json.dumps(content))
    with pytest.raises(StudyError, match=r"is no result of a run \(figures\.ap50: Field required"):
        finish_run(make_run("a"), fields, tmp_path / "scratch", path, "cpu")


def test_what_a_study_beside_has_done_is_adopted_not_trained_again(
    fields: Path, tmp_path: Path
) -> None:
    first = StudyFolders(fields, tmp_path / "scratch", tmp_path / "one" / "runs")
    finish_run(make_run("a"), fields, tmp_path / "scratch", first.result_path(make_run("a")), "cpu")
    second = StudyFolders(fields, tmp_path / "scratch", tmp_path / "two" / "runs", tmp_path)
    same = replace(make_run("a"), id="b--fold1--seed0", options={"change": "b"})
    assert run_study([same, make_run("c", lr=2e-3)], second, 1, "cpu", 0.0) == []
    adopted = read_results([same], second)[0]
    assert adopted.adopted_from == "one/a--fold1--seed0"
    assert adopted.options == {"change": "b"}
    assert len(list(second.results_dir.iterdir())) == 1
    third = StudyFolders(fields, tmp_path / "scratch", tmp_path / "three" / "runs")
    assert run_study([same], third, 1, "cpu", 0.0) == []
    assert not third.results_dir.exists()
