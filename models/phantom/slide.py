"""A phantom drawn as an Aperio slide, strip by strip, with its truth beside it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.atomic_write import write_atomically, write_text_atomically
from models.errors import PhantomError
from models.phantom.aperio import STRIP_PX, AperioFacts, write_aperio
from models.phantom.layout import lay_out
from models.phantom.render import Scene, make_scene, render_region
from models.phantom.spec import PhantomSpec
from models.phantom.truth import truth_path, truth_to_geojson

BLOCK_PX = 2048
SCANNER = "CytoLibra phantom"

OnStrip = Callable[[int, int], None]


def draw_phantom(
    path: Path, spec: PhantomSpec, on_strip: OnStrip = lambda done, total: None
) -> Path:
    """Draws a slide and, beside it, its truth.

    Args:
        path: of the slide, *.svs; replaced at once or not at all.
        spec: what to draw.
        on_strip: called with (strips done, strips in all).

    Returns:
        Path of the truth.

    Raises:
        PhantomError: the file cannot be written.
    """
    objects = lay_out(
        spec.seed, spec.width * spec.mpp, spec.height * spec.mpp, spec.num_cells, spec.mix
    )
    scene = make_scene(spec.seed, objects, spec.mpp)
    facts = AperioFacts(spec.width, spec.height, spec.mpp, SCANNER)
    truth = truth_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as part:
            write_aperio(part, facts, _draw_strips(spec, scene, on_strip))
            write_text_atomically(truth, truth_to_geojson(objects, spec.mpp, spec.seed))
    except OSError as error:
        raise PhantomError(f"{path} cannot be written: {error.strerror or error}") from error
    return truth


def _draw_strips(spec: PhantomSpec, scene: Scene, on_strip: OnStrip) -> Iterator[NDArray[np.uint8]]:
    starts = range(0, spec.height, STRIP_PX)
    for index, y in enumerate(starts):
        rows = min(STRIP_PX, spec.height - y)
        blocks = [
            render_region(scene, x, y, min(BLOCK_PX, spec.width - x), rows)
            for x in range(0, spec.width, BLOCK_PX)
        ]
        yield np.concatenate(blocks, axis=1)
        on_strip(index + 1, len(starts))
