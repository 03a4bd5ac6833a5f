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


def split_folds(
    fields: Sequence[PlannedField], num_folds: int, splits_within_slides: bool = False
) -> Folds:
    """Folds of about as many cells each, no slide in two of them.

    Args:
        fields: of all slides.
        num_folds: as asked; there are no more folds than slides, unless `splits_within_slides`.
        splits_within_slides: where there are fewer slides than folds, every slide is cut in that
            many stripes across its longer side, and a stripe of each is a fold.
    """
    slides = sorted({field.slide for field in fields})
    if len(slides) < num_folds and splits_within_slides:
        return _split_in_stripes(fields, slides, num_folds)
    rule = "by slide: none lies in two folds"
    if len(slides) < num_folds:
        rule += (
            f"; {len(slides)} slides give {len(slides)} folds, not {num_folds} (label more slides, "
            "or say --split-within-slides)"
        )
        num_folds = len(slides)
    if num_folds == 1:
        return Folds((0,) * len(fields), rule if "give" in rule else "one fold for all")
    fold_of = _share_slides(fields, slides, num_folds)
    return Folds(tuple(fold_of[field.slide] for field in fields), rule)


def _split_in_stripes(
    fields: Sequence[PlannedField], slides: Sequence[int], num_folds: int
) -> Folds:
    folds = [0] * len(fields)
    for slide in slides:
        own = [index for index, field in enumerate(fields) if field.slide == slide]
        for index, fold in zip(*_cut_stripes(fields, own, num_folds), strict=True):
            folds[index] = fold
    rule = (
        f"by stripe of each slide, as slides ({len(slides)}) are fewer than folds ({num_folds}): "
        "figures on a held-out fold are optimistically biased, since it shares slides with others"
    )
    return Folds(tuple(folds), rule)


def _weight(field: PlannedField) -> int:
    """Fields without a cell count too, but little."""
    return 10 * len(field.cells) + 1


def _share_slides(
    fields: Sequence[PlannedField], slides: Sequence[int], num_folds: int
) -> dict[int, int]:
    """The heaviest slide first, each to the fold that is lightest so far."""
    weight = dict.fromkeys(slides, 0)
    for field in fields:
        weight[field.slide] += _weight(field)
    load, fold_of = [0] * num_folds, {}
    for slide in sorted(slides, key=lambda slide: -weight[slide]):
        fold_of[slide] = load.index(min(load))
        load[fold_of[slide]] += weight[slide]
    return fold_of


def _cut_stripes(
    fields: Sequence[PlannedField], own: Sequence[int], num_folds: int
) -> tuple[list[int], list[int]]:
    """Indices of a slide's fields along its longer side, and the fold of each.

    No fold is empty where there are enough fields.
    """
    x, y = ({index: getattr(fields[index], axis) for index in own} for axis in ("x", "y"))
    spread_x, spread_y = (max(axis.values()) - min(axis.values()) for axis in (x, y))
    first, second = (x, y) if spread_x >= spread_y else (y, x)
    along = sorted(own, key=lambda index: (first[index], second[index]))
    total, before, fold, folds = sum(_weight(fields[index]) for index in own), 0.0, 0, []
    for place, index in enumerate(along):
        due = int((before + _weight(fields[index]) / 2) * num_folds / total)
        left, empty = len(along) - place, num_folds - 1 - fold
        # One step at a time, and in time for the last folds to get a field each.
        fold += place > 0 and (due > fold or left <= empty)
        folds.append(fold)
        before += _weight(fields[index])
    return along, folds
