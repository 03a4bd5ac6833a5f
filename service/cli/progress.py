"""Progress bars of the command line, on stderr so that stdout stays for results."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from models.study.schedule import RunReport
from models.training.progress import TrainProgress


class TrainProgressBar:
    """Epoch, loss and time left of a training run."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.fields[stage]} {task.fields[epoch]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("train", total=None, stage="epoch", epoch="-", loss="-")

    def __enter__(self) -> "TrainProgressBar":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, progress: TrainProgress) -> None:
        """Shows how far the run is."""
        self._bar.update(
            self._task,
            completed=progress.iteration,
            total=progress.num_iterations,
            stage="epoch" if progress.stage == "labels" else progress.stage,
            epoch=f"{progress.epoch + 1}/{progress.num_epochs}",
            loss=f"{progress.loss:.3f}",
        )

    def fit(self, seen: int, total: int) -> None:
        """Shows how far the fit of the slide score is, after the last epoch."""
        self._bar.update(
            self._task, completed=seen, total=total, epoch="done, slide score", loss="-"
        )

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        self._bar.console.print(line)


class StudyProgressBar:
    """How many runs of a study are finished, and how far each run in progress is."""

    def __init__(self, num_runs: int, num_finished: int) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._all = self._bar.add_task("study", total=num_runs, completed=num_finished)
        self._by_run: dict[str, TaskID] = {}

    def __enter__(self) -> "StudyProgressBar":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, report: RunReport) -> None:
        """Shows a run's progress, or prints a line when it has ended."""
        if report.run_id not in self._by_run:
            self._by_run[report.run_id] = self._bar.add_task(report.run_id, total=1.0)
        self._bar.update(self._by_run[report.run_id], completed=report.progress)
        if report.done:
            self._bar.remove_task(self._by_run.pop(report.run_id))
            self._bar.advance(self._all)
            self._bar.console.print(f"{report.run_id}: {report.error or 'finished'}")
