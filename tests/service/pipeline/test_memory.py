"""Mask and plan of the largest slide that is accepted stay within their memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.errors import DimensionsImplausibleError
from service.pipeline.dimensions import MAX_LONG_SIDE_MM, MAX_SHORT_SIDE_MM
from service.pipeline.slide import open_slide
from service.pipeline.tiles import plan_tiles
from service.pipeline.tissue import MASK_MPP, MAX_MASK_PX, TissueMask, find_tissue
from service.pipeline.types import InputSpec, SlideInfo
from tests.service.pipeline.pyramids import Pixels, write_repeated

MAX_MEMORY_MB = 300
#: 30 x 85 mm at 0.25 µm/px, the most that is accepted as a slide.
WHOLE_GLASS = 120_000, 340_000

#: Above what the open slide takes already; the peak includes that of opening it.
MEASURE = """
import re, sys
from pathlib import Path
import psutil
from service.pipeline.dimensions import MAX_LONG_SIDE_MM, MAX_SHORT_SIDE_MM
from service.pipeline.slide import open_slide
from service.pipeline.tiles import plan_tiles
from service.pipeline.tissue import find_tissue
from service.pipeline.types import InputSpec

def peak_mb():
    # getrusage's peak begins with that of the process that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

with open_slide(Path(sys.argv[1])) as slide:
    before = psutil.Process().memory_info().rss / 2**20
    mask = find_tissue(slide)
    plan = plan_tiles(slide.info, mask, InputSpec(0.25, 512, 128))
    print(peak_mb() - before, len(plan.tiles), mask.pixels.mean(), *slide.info.level_downsamples)
"""


def half_stained() -> Pixels:
    tile = np.full((256, 256, 3), 245, np.uint8)
    tile[:, 128:] = (150, 90, 160)
    return tile


def test_mask_and_plan_of_a_whole_glass_slide_take_little_memory(tmp_path: Path) -> None:
    path = write_repeated(tmp_path / "a.tif", WHOLE_GLASS, half_stained(), 32, 0.25)
    run = [sys.executable, "-W", "error", "-c", MEASURE, str(path)]
    result = subprocess.run(run, capture_output=True, text=True, check=True)
    memory_mb, num_tiles, share, *levels = map(float, result.stdout.split())
    assert levels == [1.0, 32.0]
    assert share == 1.0
    assert num_tiles > 200_000
    assert memory_mb < MAX_MEMORY_MB


def test_a_mask_of_more_pixels_than_memory_is_for_is_refused_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.pipeline.tissue.MAX_MASK_PX", 120_000)
    path = write_repeated(tmp_path / "a.tif", (12_000, 10_000), half_stained(), 32, 0.25)
    with open_slide(path) as slide:
        find_tissue(slide)
    with open_slide(path, 1.0) as slide, pytest.raises(DimensionsImplausibleError, match=r"mpp="):
        find_tissue(slide)


def test_what_is_accepted_as_a_slide_has_room_in_the_mask() -> None:
    assert MAX_LONG_SIDE_MM * MAX_SHORT_SIDE_MM * 1e6 <= MAX_MASK_PX * MASK_MPP**2


def test_more_tiles_than_a_plan_may_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.pipeline.tiles.MAX_NUM_TILES", 2_000)
    info = SlideInfo("x", 20_000, 20_000, (1.0,), 0.1, "slide", None, (255, 255, 255))
    mask = TissueMask(np.ones((1, 1), np.bool_), 1e6)
    with pytest.raises(DimensionsImplausibleError, match=r"2,000 tiles .* mpp="):
        plan_tiles(info, mask, InputSpec(0.1, 256, 64))
