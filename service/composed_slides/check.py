"""Holds counts added up from pieces against those of the pipeline on the same slide, written.

Written on two grounds: a network with normalisation over a whole tile judges a cell also by what
else the tile shows, and bare glass around it is what smears never taught it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.composed_slides.compose import SlideSpec, draw_pieces
from service.composed_slides.detected_fields import DetectedField
from service.composed_slides.pieces import Pieces
from service.composed_slides.write import GLASS, ground_of, write_slide
from service.pipeline import analyse_slide
from service.pipeline.report.score import list_powers, score_slides
from service.pipeline.types import Detector

#: Slides that are written.
WRITTEN = (
    SlideSpec(100, 0.0),
    SlideSpec(400, 0.0),
    SlideSpec(400, 0.02),
    SlideSpec(400, 0.1),
    SlideSpec(400, 0.4),
)


@dataclass(frozen=True)
class Checked:
    """One written slide.

    Attributes:
        path: of the slide.
        spec: what it was composed as.
        on_glass: whether its ground is bare glass, not that of the fields.
        true, added, analysed: (C,) labelled cells, detections added up, the pipeline's counts.
        score_added, score_analysed: slide scores of the latter two; None without cells.
    """

    path: Path
    spec: SlideSpec
    on_glass: bool
    true: NDArray[np.int64]
    added: NDArray[np.int64]
    analysed: NDArray[np.int64]
    score_added: float | None
    score_analysed: float | None


def check_written_slides(
    folder: Path,
    detected: Sequence[DetectedField],
    pieces: Pieces,
    detector: Detector,
    specs: Sequence[SlideSpec] = WRITTEN,
    on_slide: Callable[[], None] = lambda: None,
) -> list[Checked]:
    """Writes each slide twice, on the fields' own ground and on glass, and analyses it.

    Args:
        folder: of the slides.
        detected: the fields that the pieces were cut from.
        pieces: all of them.
        detector: that the cells were detected with.
        specs: the slides.
        on_slide: called after each of twice as many.

    Raises:
        DatasetError: an image cannot be read or a slide cannot be written.
    """
    checked = []
    for on_glass in (False, True):
        ground = GLASS if on_glass else ground_of(detected)
        for index, spec in enumerate(specs):
            times = draw_pieces(pieces, detector.info.classes, spec, np.random.default_rng(index))
            name = f"{'glass' if on_glass else 'smear'}{index}.svs"
            write_slide(
                folder / name, detected, pieces, times, detector.info.classes, ground, seed=index
            )
            checked.append(_compare(folder / name, spec, on_glass, pieces, times, detector))
            on_slide()
    return checked


def _compare(
    path: Path,
    spec: SlideSpec,
    on_glass: bool,
    pieces: Pieces,
    times: NDArray[np.int64],
    detector: Detector,
) -> Checked:
    info = detector.info
    report = analyse_slide(path, detector).report
    added = times @ pieces.detected[0]
    powers = list_powers(info.slide_score)
    mass = [times @ pieces.mass[pieces.powers.index(power), 0] for power in powers]
    score = float(score_slides(added.sum(), mass, info.slide_score))
    return Checked(
        path=path,
        spec=spec,
        on_glass=on_glass,
        true=times @ pieces.true,
        added=added,
        analysed=np.array([report.counts[each.name] for each in info.classes]),
        score_added=score if added.any() else None,
        score_analysed=report.abnormality_score,
    )
