"""All runs of a study, several at a time, each in a process of its own.

A study that is interrupted goes on where it stopped: finished runs have their JSON, the others
their checkpoint. Its tables are left to `tables.py`.
"""

import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from models.data.coco import FieldSet, read_coco
from models.errors import CytolibraError, StudyError
from models.study.result import RunResult, load_result
from models.study.run import adopt_result, finish_run, read_result
from models.study.spec import Run
from models.training.progress import TrainProgress

#: Interval between two reports of a run.
REPORT_EVERY_S = 1.0


@dataclass(frozen=True)
class StudyFolders:
    """Folders that a study reads and writes.

    Attributes:
        data: folder with `images/` and COCO `annotations.json`.
        scratch_dir: checkpoints of runs that are not finished.
        results_dir: a JSON file for each finished run.
        adopt_dir: of studies whose results of identical configurations are taken over.
    """

    data: Path
    scratch_dir: Path
    results_dir: Path
    adopt_dir: Path | None = None

    def result_path(self, run: Run) -> Path:
        """The JSON file of a run."""
        return self.results_dir / f"{run.id}.json"

    def read_other_studies(self) -> dict[str, RunResult]:
        """Results of studies in `adopt_dir`, by configuration digest.

        Raises:
            StudyError: a result is damaged.
        """
        results = {}
        for path in sorted(self.adopt_dir.glob("*/runs/*.json")) if self.adopt_dir else []:
            result = load_result(path)
            origin = result.adopted_from or f"{path.parent.parent.name}/{result.run}"
            results[result.config_digest] = result.model_copy(update={"adopted_from": origin})
        return results


@dataclass(frozen=True)
class RunReport:
    """Progress of a run, 0-1; at its end also whether it failed."""

    run_id: str
    progress: float
    done: bool = False
    error: str | None = None


OnReport = Callable[[RunReport], None]


def run_study(
    runs: Sequence[Run],
    folders: StudyFolders,
    jobs: int,
    device: str,
    max_minutes: float | None,
    on_report: OnReport = lambda report: None,
) -> list[RunReport]:
    """Finishes every run that has no result yet, in order.

    Args:
        runs: of a study.
        folders: of the study.
        jobs: runs at a time; they share the CPU's cores, or the GPU.
        device: "auto", "cpu" or "cuda".
        max_minutes: after that no further run is started; None sets no limit.
        on_report: called now and then for every run in progress, and once at its end.

    Returns:
        The last report of every failed run; a failure does not stop the others.

    Raises:
        StudyError: a result is of another configuration or of other fields, or damaged.
    """
    fields = read_coco(folders.data)
    waiting = [run for run in runs if read_result(run, folders.result_path(run), fields) is None]
    if folders.adopt_dir is not None:
        waiting = _leave_adopted(waiting, folders, fields, on_report)
    stop_at = None if max_minutes is None else time.monotonic() + 60 * max_minutes
    context = multiprocessing.get_context("spawn")
    reports: Any = context.Queue()
    threads = max(1, torch.get_num_threads() // jobs)
    active: dict[str, BaseProcess] = {}
    failed: list[RunReport] = []
    try:
        while waiting or active:
            if stop_at is not None and time.monotonic() >= stop_at:
                waiting.clear()
            while waiting and len(active) < jobs:
                run = waiting.pop(0)
                arguments = (run, folders, device, threads, reports)
                active[run.id] = context.Process(target=_run_in_process, args=arguments)
                active[run.id].start()
            for report in _collect(reports, active):
                on_report(report)
                if report.error is not None:
                    failed.append(report)
    finally:
        _terminate(active)
    return failed


def _terminate(active: dict[str, BaseProcess]) -> None:
    for process in active.values():
        process.terminate()
        process.join()


def _leave_adopted(
    runs: list[Run], folders: StudyFolders, fields: FieldSet, on_report: OnReport
) -> list[Run]:
    """Runs without a result in `adopt_dir`; results found there are taken over."""
    finished = folders.read_other_studies()
    remaining = []
    for run in runs:
        if adopt_result(run, folders.result_path(run), finished, fields):
            on_report(RunReport(run.id, 1.0, done=True))
        else:
            remaining.append(run)
    return remaining


def _collect(reports: Any, active: dict[str, BaseProcess]) -> list[RunReport]:
    """Reports received so far; runs that have ended are removed from `active`."""
    received: list[RunReport] = []
    try:
        received.append(reports.get(timeout=0.5))
        while True:
            received.append(reports.get_nowait())
    except queue.Empty:
        pass
    gone = [run_id for run_id, process in active.items() if not process.is_alive()]
    while gone and not reports.empty():
        received.append(reports.get())
    ended = {report.run_id for report in received if report.done}
    for run_id, process in list(active.items()):
        if run_id in ended:
            process.join()
            del active[run_id]
        elif run_id in gone:
            received.append(RunReport(run_id, 0.0, True, f"its process ended: {process.exitcode}"))
            del active[run_id]
    return received


def _end_with_study() -> None:
    """Ends this process with the study's, so that two starts never write the same files."""
    study = multiprocessing.parent_process()
    if study is not None:
        study.join()
        os._exit(1)


def _run_in_process(
    run: Run, folders: StudyFolders, device: str, threads: int, reports: Any
) -> None:
    threading.Thread(target=_end_with_study, daemon=True).start()
    torch.set_num_threads(threads)
    reported_s = 0.0

    def on_progress(progress: TrainProgress) -> None:
        nonlocal reported_s
        if time.monotonic() - reported_s >= REPORT_EVERY_S:
            reported_s = time.monotonic()
            reports.put(RunReport(run.id, progress.iteration / progress.num_iterations))

    try:
        scratch = folders.scratch_dir / run.id
        finish_run(run, folders.data, scratch, folders.result_path(run), device, on_progress)
        reports.put(RunReport(run.id, 1.0, done=True))
    except KeyboardInterrupt:
        reports.put(RunReport(run.id, 0.0, done=True, error="interrupted"))
    except (CytolibraError, OSError) as error:
        reports.put(RunReport(run.id, 0.0, done=True, error=str(error)))


def read_results(runs: Sequence[Run], folders: StudyFolders) -> list[RunResult]:
    """Results of the runs that are finished.

    Raises:
        StudyError: no run is finished, or a result is of another configuration.
    """
    by_run = [read_result(run, folders.result_path(run)) for run in runs]
    results = [result for result in by_run if result is not None]
    if not results:
        raise StudyError(f"no run of this study is finished in {folders.results_dir}")
    return results
