"""Training fields cut out of whole slides that were labelled in QuPath: see `cut_fields`.

In the order of the work: `features` reads a file of objects, `annotations` places them on their
slide, `classes` names them, `plan` decides what is cut, `folds` splits it, `write` writes it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.classes import CellClass
from service.errors import CytolibraError, DatasetError, MppMissingError
from service.pipeline.slide import check_slide, open_slide
from service.pipeline.tissue import find_tissue
from service.pipeline.types import SlideInfo
from service.training_fields.annotations import drop_ignored_cells, place_annotations
from service.training_fields.classes import choose_classes
from service.training_fields.features import read_features
from service.training_fields.folds import split_folds
from service.training_fields.plan import (
    blank_ignored,
    plan_around_cells,
    plan_negatives,
    plan_regions,
)
from service.training_fields.types import CutOptions, LabelledSlide, PlannedField, Source
from service.training_fields.write import FieldsToWrite, check_empty, write_fields

__all__ = ["CutOptions", "CutReport", "Source", "cut_fields", "find_annotations"]

#: Where annotations are looked for beside `slide.svs`, in this order.
SUFFIXES = (".geojson", ".geojson.gz")

#: Told what is done, how much of it, of how much.
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CutReport:
    """What came of it, besides the folder.

    Attributes:
        classes: in label order.
        fold_rule: how fields were split in folds.
        warnings: what was left out, and why.
    """

    classes: tuple[CellClass, ...]
    fold_rule: str
    warnings: tuple[str, ...]


def find_annotations(slide: Path) -> Path:
    """The file of annotations beside a slide; where there is none, the one that should be."""
    beside = [slide.with_suffix(suffix) for suffix in SUFFIXES]
    beside += [slide.with_name(slide.name + suffix) for suffix in SUFFIXES]
    return next((one for one in beside if one.exists()), beside[0])


def cut_fields(
    sources: Sequence[Source],
    output: Path,
    options: CutOptions,
    tell: Tell = lambda what, done, total: None,
) -> CutReport:
    """Cuts the labelled parts of slides into a folder that `cytolibra train` takes.

    Args:
        sources: slides with their annotations.
        output: gets images/ and annotations.json; must be empty or not there.
        options: how.
        tell: called after every slide and field.

    Raises:
        DatasetError: annotations or classes are wrong, or the folder is not empty.
        NotASlideError, SlideUnreadableError, MppMissingError: as `service/pipeline/slide.py`.
        NoSpaceError: the disk is full; nothing half-written is left.
    """
    check_empty(output)
    slides: list[LabelledSlide] = []
    tell("Reading", 0, len(sources))
    for source, name in zip(sources, _name_slides(sources), strict=True):
        slides.append(read_slide(source, name, options))
        tell("Reading", len(slides), len(sources))
    classes = choose_classes(slides, options)
    fields: list[PlannedField] = []
    tell("Planning", 0, len(slides))
    for index, slide in enumerate(slides):
        fields += plan_fields(slide, index, options)
        tell("Planning", index + 1, len(slides))
    if not fields:
        raise DatasetError("no field is left to cut: label cells, or completely labelled regions")
    folds = split_folds(fields, options.num_folds, options.splits_within_slides)
    damaged = write_fields(
        output,
        FieldsToWrite(slides, fields, folds, classes),
        options,
        lambda done, total: tell("Cutting", done, total),
    )
    return CutReport(classes, folds.rule, tuple(_warn(slides, fields, damaged, options)))


def read_slide(source: Source, name: str, options: CutOptions) -> LabelledSlide:
    """A slide with its annotations placed on it; errors as `cut_fields`."""
    info = _describe_slide(source.slide, options.slide_mpp)
    annotations = place_annotations(read_features(source.annotations), info, options)
    return LabelledSlide(source, name, info, drop_ignored_cells(annotations))


def plan_fields(slide: LabelledSlide, index: int, options: CutOptions) -> list[PlannedField]:
    """What is cut out of one slide; errors as `cut_fields`."""
    if options.roi_class is not None:
        fields = plan_regions(slide, index, options)
    else:
        fields = plan_around_cells(slide, index, options)
    if options.num_negatives:
        with open_slide(slide.source.slide, options.slide_mpp) as opened:
            fields += plan_negatives(slide, index, options, find_tissue(opened))
    return blank_ignored(fields, slide.annotations.ignored)


def _describe_slide(path: Path, mpp: float | None) -> SlideInfo:
    try:
        return check_slide(path, mpp)
    except MppMissingError as error:
        if mpp is not None:
            raise
        raise MppMissingError(
            f"{path} does not state its µm per px: give it with --slide-mpp, e.g. 0.25 for a 40x "
            "scan"
        ) from error
    except CytolibraError as error:
        remedy = str(error).replace("mpp=", "--slide-mpp=")
        raise type(error)(f"{path}: {remedy}") from error


def _name_slides(sources: Sequence[Source]) -> list[str]:
    """A name for each, its file's where no two share it.

    Raises:
        DatasetError: a slide is given twice.
    """
    paths = Counter(one.slide.resolve() for one in sources)
    double = [path for path, times in paths.items() if times > 1]
    if double:
        raise DatasetError(f"{double[0]} is given {paths[double[0]]} times: give each slide once")
    stems = Counter(one.slide.stem for one in sources)
    return [
        one.slide.stem if stems[one.slide.stem] == 1 else f"{number:03d}-{one.slide.stem}"
        for number, one in enumerate(sources)
    ]


def _warn(
    slides: Sequence[LabelledSlide],
    fields: Sequence[PlannedField],
    damaged: Sequence[PlannedField],
    options: CutOptions,
) -> list[str]:
    lines = []
    for index, slide in enumerate(slides):
        own = [field for field in fields if field.slide == index]
        lines += [f"{slide.name}: {line}" for line in slide.annotations.warnings]
        missing = len(slide.annotations.class_name) - sum(len(field.cells) for field in own)
        empty = sum(not len(field.cells) for field in own)
        if missing:
            lines.append(f"{slide.name}: {missing} cells outside of all regions are left out")
        if not own:
            lines.append(f"{slide.name}: no cell is labelled, so nothing is cut")
        if options.roi_class is None and own and empty < options.num_negatives:
            lines.append(f"{slide.name}: only {empty} fields of tissue without a cell are found")
    if damaged:
        lost = sum(len(field.cells) for field in damaged)
        lines.append(f"{len(damaged)} fields with {lost} cells are damaged and left out")
    return lines
