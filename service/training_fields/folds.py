"""Splits fields in folds, so that what is measured on one was not learned from its neighbour."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.training_fields.types import PlannedField


@dataclass(frozen=True)
class Folds:
    """A fold for every field.

    Attributes:
        fold: (F,) from 0.
        rule: how they were split, for people.
    """

    fold: tuple[int, ...]
    rule: str


def split_folds(fields: Sequence[PlannedField], num_folds: int) -> Folds:
    """Folds of about as many cells each.

    No slide lies in two, where there are at least as many slides as folds. Otherwise every slide
    is cut in that many stripes across its longer side, and a stripe of each is a fold.
    """
    slides = sorted({one.slide for one in fields})
    if num_folds == 1:
        return Folds((0,) * len(fields), "one fold for all")
    if len(slides) >= num_folds:
        fold_of = _share_slides(fields, slides, num_folds)
        rule = "by slide: none lies in two folds"
        return Folds(tuple(fold_of[one.slide] for one in fields), rule)
    fold = [0] * len(fields)
    for slide in slides:
        own = [index for index, one in enumerate(fields) if one.slide == slide]
        for index, one in zip(*_cut_stripes(fields, own, num_folds), strict=True):
            fold[index] = one
    rule = (
        f"by stripe of each slide, as slides ({len(slides)}) are fewer than folds ({num_folds}): "
        "figures on a held-out fold flatter, since it shares slides with the others"
    )
    return Folds(tuple(fold), rule)


def _weight(one: PlannedField) -> int:
    """Fields without a cell count too, but little."""
    return 10 * len(one.cells) + 1


def _share_slides(
    fields: Sequence[PlannedField], slides: Sequence[int], num_folds: int
) -> dict[int, int]:
    """The heaviest slide first, each to the fold that is lightest so far."""
    weight = dict.fromkeys(slides, 0)
    for one in fields:
        weight[one.slide] += _weight(one)
    load, fold_of = [0] * num_folds, {}
    for slide in sorted(slides, key=lambda one: -weight[one]):
        fold_of[slide] = load.index(min(load))
        load[fold_of[slide]] += weight[slide]
    return fold_of


def _cut_stripes(
    fields: Sequence[PlannedField], own: Sequence[int], num_folds: int
) -> tuple[list[int], list[int]]:
    """Indices of a slide's fields along its longer side, and the fold of each.

    No fold is empty where there are enough fields.
    """
    spread_x = max(fields[one].x for one in own) - min(fields[one].x for one in own)
    spread_y = max(fields[one].y for one in own) - min(fields[one].y for one in own)
    along = sorted(
        own,
        key=lambda one: (
            (fields[one].x, fields[one].y)
            if spread_x >= spread_y
            else (fields[one].y, fields[one].x)
        ),
    )
    total, before, fold, folds = sum(_weight(fields[one]) for one in own), 0.0, 0, []
    for place, one in enumerate(along):
        wanted = int((before + _weight(fields[one]) / 2) * num_folds / total)
        left, empty = len(along) - place, num_folds - 1 - fold
        # One step at a time, and in time for the last folds to get a field each.
        fold += place > 0 and (wanted > fold or left <= empty)
        folds.append(fold)
        before += _weight(fields[one])
    return along, folds
