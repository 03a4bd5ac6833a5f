"""Progress bars of the command line, on stderr so that stdout stays for results."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from models.training.progress import TrainProgress


class TrainProgressBar:
    """Epoch, loss and time left of a training run."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("train", total=None, epoch="-", loss="-")

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
            epoch=f"{progress.epoch + 1}/{progress.num_epochs}",
            loss=f"{progress.loss:.3f}",
        )

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        self._bar.console.print(line)
