"""A server and a worker as in production, but with a detector that returns given cells.

Run as `python -m tests.service.fake_server server` (or `worker`, as the server does), with settings
in the environment, and beside them:

    FAKE_DELAY_S: duration of a batch of tiles.
    FAKE_DEATHS_FILE: the detector kills its process on every batch while this file exists.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from models.errors import CytolibraError, UnknownDetectorError
from service.logs import configure_logs
from service.pipeline.types import Detections, Detector, DetectorInfo, TileBatch
from service.settings import read_settings
from tests.fake_detector import FakeDetector

CELLS_XY = [(x, y) for x in range(200, 1900, 170) for y in range(200, 1900, 170)]


def known_cells() -> FakeDetector:
    """A detector that returns cells of 40 px on a lattice."""
    centre = np.array(CELLS_XY, np.float32)
    count = len(centre)
    return FakeDetector(
        np.hstack([centre - 20, centre + 20]),
        (np.arange(count) % 6).astype(np.int16),
        np.linspace(0.3, 0.9, count, dtype=np.float32),
    )


class SlowDetector:
    """Sleeps before each result, and kills its process while the file `deaths` exists."""

    def __init__(self, delay_s: float, deaths: Path) -> None:
        self._cells = known_cells()
        self._delay_s = delay_s
        self._deaths = deaths

    @property
    def info(self) -> DetectorInfo:
        return self._cells.info

    def detect(self, batch: TileBatch) -> Detections:
        if self._deaths.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self._delay_s)
        return self._cells.detect(batch)


class FakeCatalogue:
    """A catalogue whose only detector is `fake`."""

    def __init__(self, delay_s: float, deaths: Path) -> None:
        self._delay_s = delay_s
        self._deaths = deaths

    def infos(self) -> list[DetectorInfo]:
        return [known_cells().info]

    def find(self, name: str) -> DetectorInfo:
        if name != "fake":
            raise UnknownDetectorError(f"no detector is called {name!r}; there are: fake")
        return known_cells().info

    def load(self, name: str) -> Detector:
        return SlowDetector(self._delay_s, self._deaths)


def main() -> None:
    role = sys.argv[1]
    delay_s = float(os.environ.get("FAKE_DELAY_S", "0"))
    catalogue = FakeCatalogue(delay_s, Path(os.environ.get("FAKE_DEATHS_FILE", "/nowhere")))
    settings = read_settings()
    configure_logs(settings.log_level, role)
    if role == "worker":
        from service.jobs.worker import run_worker, tie_to_parent

        tie_to_parent()
        run_worker(settings, catalogue)
    from service.api.server import run_server

    run_server(settings, catalogue, (sys.executable, "-m", "tests.service.fake_server", "worker"))


if __name__ == "__main__":
    try:
        main()
    except CytolibraError as error:
        sys.exit(f"cytolibra: {error}")
