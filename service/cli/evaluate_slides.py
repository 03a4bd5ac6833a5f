"""`cytolibra evaluate --slides`: the slide score, judged and fitted on composed slides."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from models.data.coco import FieldSet
    from service.cli.engine_option import Engine
    from service.composed_slides.check import Checked
    from service.composed_slides.detected_fields import DetectedField
    from service.composed_slides.judge import SlideFigures
    from service.pipeline.types import CellClass, Detector


@dataclass(frozen=True)
class SlideOutputs:
    """Files to write, each only if given.

    Attributes:
        json_path: all figures.
        fit_path: newly fitted coefficients, in the form of model.json's `slide_score`.
        slides_dir: folder of a few composed slides with their truth.
    """

    json_path: Path | None
    fit_path: Path | None
    slides_dir: Path | None


def evaluate_slides(
    detector: str, fields: "FieldSet", engine: "Engine", fold: int | None, outputs: SlideOutputs
) -> None:
    """Prints how well the slide score of a detector does on slides composed from these fields."""
    from rich.console import Console

    from models.bundle.load import load_detector
    from service.composed_slides.cross_fit import judge_shipped

    console = Console()
    model = load_detector(detector, engine=engine)
    info = model.info
    if fold is None:
        console.print(
            "No --fold is given: these figures are optimistically biased on fields that the "
            "detector learned from."
        )
    detected = _detect(model, fields)
    shipped = judge_shipped(detected, info.classes, info.slide_score)
    console.print(_table_figures({"shipped": shipped}))
    content: dict[str, Any] = {
        "detector": {"name": info.name, "digest": info.digest, "engine": info.engine},
        "num_images": len(fields.fields),
        "shipped": {"slide_score": asdict(info.slide_score), "figures": shipped.to_json()},
    }
    if outputs.fit_path is not None:
        content["fitted"] = _fit(detected, model, outputs.fit_path)
    if outputs.slides_dir is not None:
        content["written_slides"] = _write(outputs.slides_dir, detected, model)
    if outputs.json_path is not None:
        _write_json(outputs.json_path, content)


def _detect(model: "Detector", fields: "FieldSet") -> "list[DetectedField]":
    from rich.console import Console
    from rich.progress import Progress

    from service.composed_slides.detected_fields import detect_fields

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Detecting", total=len(fields.fields))
        return detect_fields(model, fields, on_field=lambda: bar.advance(task))


def _fit(detected: "list[DetectedField]", model: "Detector", fit_path: Path) -> dict[str, Any]:
    from rich.console import Console

    from service.composed_slides.cross_fit import cross_fit

    info = model.info
    console = Console(stderr=True)
    with console.status("Fitting"):
        fitted = cross_fit(detected, info.classes, info.slide_score.class_weights)
    _write_json(fit_path, asdict(fitted.model))
    by_terms = {"counts alone": fitted.counts_alone, "fitted": fitted.figures}
    out = Console()
    out.print(_table_figures(by_terms, "Fitted anew, judged on fields not fitted on"))
    out.print(f"{fit_path}: coefficients fitted on all these fields")
    return {
        "slide_score": asdict(fitted.model),
        "margins": fitted.margins.values,
        "figures_on_other_fields": {
            "counts_alone": fitted.counts_alone.to_json(),
            "fitted": fitted.figures.to_json(),
        },
    }


def _write(
    folder: Path, detected: "list[DetectedField]", model: "Detector"
) -> list[dict[str, Any]]:
    from rich.console import Console
    from rich.progress import Progress

    from service.composed_slides.check import WRITTEN, check_written_slides
    from service.composed_slides.pieces import cut_pieces
    from service.pipeline.report.score import list_powers

    pieces = cut_pieces(detected, model.info.classes, list_powers(model.info.slide_score))
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Writing and analysing slides", total=2 * len(WRITTEN))
        checked = check_written_slides(
            folder, detected, pieces, model, on_slide=lambda: bar.advance(task)
        )
    Console().print(_table_checked(checked, model.info.classes))
    return [
        {
            "slide": slide.path.name,
            "num_cells": slide.spec.num_cells,
            "abnormal_share": slide.spec.abnormal_share,
            "labelled": slide.true.tolist(),
            "added_up": slide.added.tolist(),
            "analysed": slide.analysed.tolist(),
            "score_added_up": slide.score_added,
            "score_analysed": slide.score_analysed,
        }
        for slide in checked
    ]


def _table_figures(
    columns: "dict[str, SlideFigures]", title: str = "Slide score on composed slides"
) -> "Table":
    from rich.table import Table

    table = Table("", *columns, title=title)

    def add(name: str, values: list[float]) -> None:
        table.add_row(name, *[f"{value:.3f}" for value in values])

    figures = list(columns.values())
    add("AUC, 2 % abnormal cells or more against none", [each.auc for each in figures])
    for share in figures[0].auc_by_share:
        add(f"AUC at {share:.1%}", [each.auc_by_share[share] for each in figures])
    table.add_section()
    for share in figures[0].found_by_share:
        add(f"score ≥ 0.1 at {share:.1%}", [each.found_by_share[share] for each in figures])
    table.add_section()
    for size in figures[0].negative_low_by_size:
        values = [each.negative_low_by_size[size] for each in figures]
        add(f"none abnormal, {size:,} cells: score < 0.1", values)
    table.add_section()
    add("category as labelled", [each.category_agrees for each in figures])
    add("or one grade beside it", [each.category_near for each in figures])
    return table


def _table_checked(checked: "list[Checked]", classes: "tuple[CellClass, ...]") -> "Table":
    from rich.table import Table

    names = [each.name for each in classes]
    table = Table(
        "slide",
        "",
        *names,
        "score",
        title="Written slides: added up from fields, and analysed as slides",
    )
    for slide in checked:
        rows = (
            (slide.path.name, "labelled", slide.true, ""),
            ("", "added up", slide.added, _format(slide.score_added)),
            ("", "analysed", slide.analysed, _format(slide.score_analysed)),
        )
        for name, kind, counts, score in rows:
            table.add_row(name, kind, *[str(count) for count in counts], score)
    return table


def _format(score: float | None) -> str:
    return "none" if score is None else f"{score:.3f}"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    import orjson

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
