"""The category of a slide: the most severe class with enough evidence, or that none has it.

That no abnormal category is supported is no finding of a negative slide: only a person says NILM.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.pipeline.report.model import CategoryCode
from service.pipeline.types import CellClass, SlideScoreModel

NONE_SUPPORTED = "no abnormal category supported"
NO_CELLS = "no cells seen"


@dataclass(frozen=True)
class Category:
    """What a slide is named.

    Attributes:
        code: whether a class is named, and if not, why.
        text: the class's name, or why there is none.
        severity: of the class, 0 without one.
    """

    code: CategoryCode
    text: str
    severity: int


def name_category(
    counts: NDArray[np.int64], classes: Sequence[CellClass], model: SlideScoreModel
) -> Category:
    """The most severe abnormal class with enough cells of it or worse, else that there is none.

    Enough is the larger of `category_min_count` and the class's own `category_min_fractions` of all
    cells.

    Args:
        counts: (C,) cells by class.
        classes: in label order.
        model: says how many cells are enough.
    """
    total = int(counts.sum())
    if total == 0:
        return Category("no-cells", NO_CELLS, 0)
    severity = np.array([each.severity for each in classes])
    for label in np.argsort(-severity, kind="stable"):
        enough = max(model.category_min_count, model.category_min_fractions[label] * total)
        num_as_severe = int(counts[severity >= severity[label]].sum())
        if classes[label].is_abnormal and counts[label] > 0 and num_as_severe >= enough:
            return Category("abnormal", classes[label].name, classes[label].severity)
    return Category("none-supported", NONE_SUPPORTED, 0)
