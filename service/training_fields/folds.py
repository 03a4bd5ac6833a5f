"""Splits fields in folds, so that no fold is evaluated by a network trained on its slides."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.training_fields.types import PlannedField


@dataclass(frozen=True)
class Folds:
    """A fold for every field.

    Attributes:
        fold: (F,) from 0.
        rule: how fields were split, as a sentence.
    """

    fold: tuple[int, ...]
    rule: str


def split_folds(
    fields: Sequence[PlannedField], num_folds: int, splits_within_slides: bool = False
) -> Folds:
    """Folds with about equal numbers of cells; all fields of a slide are in the same fold.

    Args:
        fields: of all slides.
        num_folds: at most the number of slides is used, unless `splits_within_slides`.
        splits_within_slides: if there are fewer slides than folds, each slide is cut in `num_folds`
            stripes across its longer side, and each stripe goes to a different fold.
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
        slide_fields = [index for index, field in enumerate(fields) if field.slide == slide]
        for index, fold in zip(*_cut_stripes(fields, slide_fields, num_folds), strict=True):
            folds[index] = fold
    rule = (
        f"by stripe of each slide, as slides ({len(slides)}) are fewer than folds ({num_folds}): "
        "figures on a held-out fold are optimistically biased, since it shares slides with others"
    )
    return Folds(tuple(folds), rule)


def _weight(field: PlannedField) -> int:
    """Weight of a field: mainly its number of cells; fields without cells have a small weight."""
    return 10 * len(field.cells) + 1


def _share_slides(
    fields: Sequence[PlannedField], slides: Sequence[int], num_folds: int
) -> dict[int, int]:
    """The fold of each slide: by descending weight, each slide goes to the lightest fold."""
    weight = dict.fromkeys(slides, 0)
    for field in fields:
        weight[field.slide] += _weight(field)
    load, fold_of = [0] * num_folds, {}
    for slide in sorted(slides, key=lambda slide: -weight[slide]):
        fold_of[slide] = load.index(min(load))
        load[fold_of[slide]] += weight[slide]
    return fold_of


def _cut_stripes(
    fields: Sequence[PlannedField], slide_fields: Sequence[int], num_folds: int
) -> tuple[list[int], list[int]]:
    """Indices of a slide's fields, sorted along its longer side, and the fold of each.

    No fold is empty if there are at least as many fields as folds.
    """
    x, y = ({index: getattr(fields[index], axis) for index in slide_fields} for axis in ("x", "y"))
    spread_x, spread_y = (max(axis.values()) - min(axis.values()) for axis in (x, y))
    first, second = (x, y) if spread_x >= spread_y else (y, x)
    along = sorted(slide_fields, key=lambda index: (first[index], second[index]))
    total_weight = sum(_weight(fields[index]) for index in slide_fields)
    weight_before, fold, folds = 0.0, 0, []
    for position, index in enumerate(along):
        due_fold = int((weight_before + _weight(fields[index]) / 2) * num_folds / total_weight)
        fields_left, folds_left = len(along) - position, num_folds - 1 - fold
        # At most one fold further, and early enough to leave a field for each of the last folds.
        fold += position > 0 and (due_fold > fold or fields_left <= folds_left)
        folds.append(fold)
        weight_before += _weight(fields[index])
    return along, folds
