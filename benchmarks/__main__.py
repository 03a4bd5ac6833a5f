"""Runs every benchmark and writes out/bench.json: `make bench`."""

import json
import os
import platform
import tempfile
from pathlib import Path

from benchmarks import engine_time, million_cells, slide_time
from models.phantom import PhantomSpec, draw_phantom

OUT = Path("out/bench.json")
NAMES = ("default", "fast", "grad-libra")


def main() -> None:
    """Prints and writes all figures."""
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "bench.svs"
        draw_phantom(slide, PhantomSpec(seed=11, width=8000, height=8000, num_cells=1500))
        figures = {
            "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
            "slide": {name: slide_time.measure(slide, name) for name in NAMES},
            "engines": engine_time.measure(),
            "million_cells": million_cells.measure(),
        }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
