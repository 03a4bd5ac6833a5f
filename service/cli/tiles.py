"""`cytolibra tiles`: labelled training fields cut out of whole slides."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output_folder import check_output

if TYPE_CHECKING:
    from service.training_fields import CutReport, OnProgress
    from service.training_fields.types import Origin, Units


def tiles(
    slides: Annotated[list[Path], typer.Argument(help="Slides that OpenSlide reads.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the fields; must be empty.")
    ],
    annotations: Annotated[
        Path | None,
        typer.Option(help="GeoJSON of the one slide; otherwise X.geojson(.gz) beside X.svs."),
    ] = None,
    mpp: Annotated[
        float | None,
        typer.Option(
            min=0.05, max=20, help="µm per px of the fields; 0.25, or the slide's if coarser."
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=64, max=8192, help="Side of a field, px.")] = 1024,
    origin: Annotated[
        str | None,
        typer.Option(
            help="Of the coordinates: slide, or bounds as QuPath counts on slides that state "
            "their scanned area. Asked for where the file does not say it."
        ),
    ] = None,
    roi: Annotated[
        str | None,
        typer.Option(
            help="Class of the annotations inside which every cell is labelled: only there is cut."
        ),
    ] = None,
    negatives: Annotated[
        int,
        typer.Option(
            min=0,
            help="Fields of tissue without a labelled cell, a slide. None by default: cells in "
            "them that nobody labelled would be taught as background.",
        ),
    ] = 0,
    folds: Annotated[
        int, typer.Option(min=1, help="For cross-validation; by slide, no more than slides.")
    ] = 4,
    classes: Annotated[
        str | None,
        typer.Option(
            help="The only classes there may be, in label order, as NILM,LSIL. By default all, "
            "those of Bethesda first. Unless of Bethesda, the first counts as negative."
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option("--map", help="OLD=NEW renames a class, OLD= leaves it out; repeatable."),
    ] = None,
    point_size_um: Annotated[
        float, typer.Option(min=1, max=1000, help="Side of the box around a point.")
    ] = 20.4,
    slide_mpp: Annotated[
        float | None, typer.Option(help="µm per level-0 px, where the slides do not say it.")
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(help="Of the coordinates: px, or um. Asked for where px look like µm."),
    ] = None,
    leave_out_unclassified: Annotated[
        bool, typer.Option(help="Pass over objects without a class instead of refusing them.")
    ] = False,
    split_within_slides: Annotated[
        bool,
        typer.Option(
            help="Cut slides in stripes where they are fewer than folds. Figures on a held-out "
            "fold are optimistically biased then."
        ),
    ] = False,
) -> None:
    """Cut labelled training fields out of slides, for `cytolibra train`.

    Takes QuPath's File > Export objects as GeoJSON. Without --roi, squares with at least one
    labelled cell are cut: other cells in them should be labelled too, since they are taught as
    background otherwise.
    """
    if annotations is not None and len(slides) != 1:
        raise typer.BadParameter("is for one slide alone", param_hint="--annotations")
    if roi is not None and negatives:
        raise typer.BadParameter("regions hold their own negatives", param_hint="--negatives")

    from service.training_fields import CutOptions, Source, cut_fields, find_annotations

    sources = [Source(slide, annotations or find_annotations(slide)) for slide in slides]
    options = CutOptions(
        mpp=mpp,
        size_px=size,
        origin=_read_origin(origin),
        roi_class=roi,
        num_negatives=negatives,
        num_folds=folds,
        class_names=_read_classes(classes),
        renames=dict(map(_read_rename, rename or ())),
        point_size_um=point_size_um,
        slide_mpp=slide_mpp,
        units=_read_units(units),
        leaves_out_unclassified=leave_out_unclassified,
        splits_within_slides=split_within_slides,
    )
    check_output(output)
    with _show_progress() as tell:
        report = cut_fields(sources, output, options, tell)
    _print(output, report)


def _read_origin(text: str | None) -> "Origin | None":
    if text is None:
        return None
    if text not in ("slide", "bounds"):
        raise typer.BadParameter(f"{text!r} is neither slide nor bounds", param_hint="--origin")
    return "slide" if text == "slide" else "bounds"


def _read_units(text: str | None) -> "Units | None":
    if text is None:
        return None
    if text not in ("px", "um"):
        raise typer.BadParameter(f"{text!r} is neither px nor um", param_hint="--units")
    return "px" if text == "px" else "um"


def _read_classes(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) != len(names):
        raise typer.BadParameter(
            f"{text!r} is no list of different names, as NILM,LSIL", param_hint="--classes"
        )
    return names


def _read_rename(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not old.strip() or not equals:
        raise typer.BadParameter(f"{text!r} is not of the form OLD=NEW", param_hint="--map")
    return old.strip(), new.strip()


@contextlib.contextmanager
def _show_progress() -> "Iterator[OnProgress]":
    """A bar a step, on stderr."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    shown = sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=not shown) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            task = tasks[what] if what in tasks else bar.add_task(what)
            tasks[what] = task
            bar.update(task, completed=done, total=total)

        yield tell


def _print(output: Path, report: "CutReport") -> None:
    """What was written, read back as training will read it."""
    from models.data.coco import read_coco
    from models.data.describe import describe_fields, describe_folds
    from models.data.field_pixels import check_images

    fields = read_coco(output)
    check_images(fields)
    for line in describe_fields(fields):
        typer.echo(line)
    typer.echo(describe_folds(fields))
    typer.echo(f"split {report.fold_rule}")
    grades = ", ".join(f"{grade.name} {grade.severity}" for grade in report.classes)
    typer.echo(f"severity (0 is negative; change it in annotations.json): {grades}")
    for line in report.warnings:
        typer.echo(f"warning: {line}")
    typer.echo(f"fields:   {output}")
    held_out = " --fold 0" if len({field.fold for field in fields.fields}) > 1 else ""
    typer.echo(f"train on: cytolibra train fcos_lite0 {output} -o RUN_DIR{held_out}")
