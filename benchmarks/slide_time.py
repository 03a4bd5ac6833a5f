"""Time of a whole analysis, compared with reading its tiles alone and with the network alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.timing import best_seconds
from models.bundle.load import load_detector
from service.pipeline import analyse_slide
from service.pipeline.batches import read_batches
from service.pipeline.slide import open_slide
from service.pipeline.tiles import plan_tiles
from service.pipeline.tissue import find_tissue
from service.pipeline.types import Options


def measure(slide_path: Path, name: str) -> dict[str, Any]:
    """Seconds of each part, tiles/s, and the analysis time over that of the slower part.

    Args:
        slide_path: to analyse.
        name: of the detector.
    """
    options = Options()
    detector = load_detector(name)
    with open_slide(slide_path) as slide:
        plan = plan_tiles(slide.info, find_tissue(slide), detector.info.input)

        def read() -> list[Any]:
            reads = read_batches(slide, plan, plan.tiles, options.batch_size, options.num_readers)
            return [batch_read.batch for batch_read in reads]

        batches = read()
        alternatives: dict[str, Callable[[], object]] = {
            "decode only": read,
            "network only": lambda: [detector.detect(batch) for batch in batches],
            "whole analysis": lambda: analyse_slide(slide_path, detector, options),
        }
        seconds = best_seconds(alternatives)
    limit = max(seconds["decode only"], seconds["network only"])
    return {
        "tiles": len(plan.tiles),
        "seconds": seconds,
        "tiles_per_s": len(plan.tiles) / seconds["whole analysis"],
        "seconds_per_2000_tiles": 2000 * seconds["whole analysis"] / len(plan.tiles),
        "whole_over_slower_limit": seconds["whole analysis"] / limit,
    }
