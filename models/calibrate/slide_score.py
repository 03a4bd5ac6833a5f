"""What a fit of the slide score to a new detector gives, and who does it.

It takes slides, which are none of this package's business: `service/composed_slides` fits, and
whoever starts a training hands that in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.data.coco import FieldSet
from models.detector import Detector, SlideScoreModel


@dataclass(frozen=True)
class FittedSlideScore:
    """Coefficients for one detector.

    Attributes:
        model: the coefficients; formula in `docs/score.md`.
        figures: how well they do on composed slides, plain values by name.
    """

    model: SlideScoreModel
    figures: dict[str, Any]


#: From a detector at its thresholds and fields that it did not learn from. Raises DatasetError
#: where these fields do not suffice.
FitSlideScore = Callable[[Detector, FieldSet], FittedSlideScore]
