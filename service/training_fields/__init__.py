"""Training fields cut out of whole slides that were labelled in QuPath: see `cut_fields`.

In the order of the work: `features` reads a file of objects, `annotations` places them on their
slide, `classes` chooses the classes, `plan` chooses the fields, `folds` splits the fields in folds,
`write` writes images and annotations.
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

#: Suffixes of annotation files beside `slide.svs`, in order of preference.
SUFFIXES = (".geojson", ".geojson.gz")

#: Called with a step's name, the number of its finished items, and the number of its items.
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CutReport:
    """Summary of the written fields.

    Attributes:
        classes: in label order.
        fold_rule: how fields were split in folds, as a sentence.
        warnings: objects and fields that were left out, with the reason.
    """

    classes: tuple[CellClass, ...]
    fold_rule: str
    warnings: tuple[str, ...]


def find_annotations(slide: Path) -> Path:
    """The annotation file beside a slide; if none exists, the path where it is expected."""
    candidates = [slide.with_suffix(suffix) for suffix in SUFFIXES]
    candidates += [slide.with_name(slide.name + suffix) for suffix in SUFFIXES]
    return next((path for path in candidates if path.exists()), candidates[0])


def cut_fields(
    sources: Sequence[Source],
    output: Path,
    options: CutOptions,
    on_progress: OnProgress = lambda step, num_done, num_total: None,
) -> CutReport:
    """Summary of the training fields that are written to `output`, for `cytolibra train`.

    Args:
        sources: slides with their annotations.
        output: folder for images/ and annotations.json; must be empty or missing.
        options: of cutting.
        on_progress: called after every slide and field.

    Raises:
        DatasetError: annotations or classes are wrong, or the folder is not empty.
        NotASlideError, SlideUnreadableError, MppMissingError: as `service/pipeline/slide.py`.
        NoSpaceError: the disk is full; partly written files are removed.
    """
    check_empty(output)
    slides: list[LabelledSlide] = []
    on_progress("Reading", 0, len(sources))
    for source, name in zip(sources, _name_slides(sources), strict=True):
        slides.append(read_slide(source, name, options))
        on_progress("Reading", len(slides), len(sources))
    classes = choose_classes(slides, options)
    fields: list[PlannedField] = []
    on_progress("Planning", 0, len(slides))
    for index, slide in enumerate(slides):
        fields += plan_fields(slide, index, options)
        on_progress("Planning", index + 1, len(slides))
    if not fields:
        raise DatasetError("no field is left to cut: label cells, or completely labelled regions")
    folds = split_folds(fields, options.num_folds, options.splits_within_slides)
    damaged = write_fields(
        output,
        FieldsToWrite(slides, fields, folds, classes),
        options,
        lambda num_done, num_total: on_progress("Cutting", num_done, num_total),
    )
    return CutReport(classes, folds.rule, tuple(_warn(slides, fields, damaged, options)))


def read_slide(source: Source, name: str, options: CutOptions) -> LabelledSlide:
    """A slide with its annotations placed on it; errors as `cut_fields`."""
    info = _describe_slide(source.slide, options.slide_mpp)
    annotations = place_annotations(read_features(source.annotations), info, options)
    return LabelledSlide(source, name, info, drop_ignored_cells(annotations))


def plan_fields(slide: LabelledSlide, index: int, options: CutOptions) -> list[PlannedField]:
    """The fields to cut out of a slide; errors as `cut_fields`."""
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
    """A unique name for each slide: its file's stem, with a number in front if stems are equal.

    Raises:
        DatasetError: a slide is listed twice.
    """
    paths = Counter(source.slide.resolve() for source in sources)
    repeated = [path for path, count in paths.items() if count > 1]
    if repeated:
        path = repeated[0]
        raise DatasetError(f"{path} is given {paths[path]} times: give each slide once")
    stems = Counter(source.slide.stem for source in sources)
    return [
        source.slide.stem if stems[source.slide.stem] == 1 else f"{index:03d}-{source.slide.stem}"
        for index, source in enumerate(sources)
    ]


def _warn(
    slides: Sequence[LabelledSlide],
    fields: Sequence[PlannedField],
    damaged: Sequence[PlannedField],
    options: CutOptions,
) -> list[str]:
    lines = []
    for index, slide in enumerate(slides):
        slide_fields = [field for field in fields if field.slide == index]
        lines += [f"{slide.name}: {line}" for line in slide.annotations.warnings]
        num_missing = len(slide.annotations.class_name) - sum(
            len(field.cells) for field in slide_fields
        )
        num_empty = sum(not len(field.cells) for field in slide_fields)
        if num_missing:
            lines.append(f"{slide.name}: {num_missing} cells outside of all regions are left out")
        if not slide_fields:
            lines.append(f"{slide.name}: no cell is labelled, so nothing is cut")
        if options.roi_class is None and slide_fields and num_empty < options.num_negatives:
            lines.append(
                f"{slide.name}: only {num_empty} fields of tissue without a cell are found"
            )
    if damaged:
        num_lost = sum(len(field.cells) for field in damaged)
        lines.append(f"{len(damaged)} fields with {num_lost} cells are damaged and left out")
    return lines
