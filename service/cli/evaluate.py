"""`cytolibra evaluate`: a detector measured on labelled fields."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.data.coco import FieldSet
    from models.measure.evaluate import Evaluation

KNOWN = (
    "learned from these fields: the figures are optimistically biased. Judge it on fields it never "
    "saw, or a network of the same recipe on a fold held out of it"
)
UNKNOWN = (
    "does not say what it learned from: if these fields are among it, the figures are "
    "optimistically biased"
)


def evaluate(
    data: Annotated[Path, typer.Argument(help="Folder with images/ and annotations.json (COCO).")],
    detector: Annotated[
        str, typer.Option(help="Name of a shipped detector, or a bundle's folder.")
    ] = "default",
    fold: Annotated[int | None, typer.Option(help="Measure on this fold alone.")] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures to this file.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="auto, the one that serves; torch; or openvino.")
    ] = "auto",
    slides: Annotated[
        bool, typer.Option("--slides", help="Judge the slide score on composed slides instead.")
    ] = False,
    fit_slide_score: Annotated[
        Path | None, typer.Option(help="With --slides: fit the score anew, write it here.")
    ] = None,
    slides_dir: Annotated[
        Path | None, typer.Option(help="With --slides: write and analyse a few of them here.")
    ] = None,
) -> None:
    """Measure a detector: AP50, recall and precision, normal against abnormal."""
    if not slides and (fit_slide_score or slides_dir):
        raise typer.BadParameter("needs --slides", param_hint="--fit-slide-score, --slides-dir")
    import orjson
    from rich.console import Console
    from rich.progress import Progress

    from models.bundle.find import read_info
    from models.bundle.load import load_detector
    from models.data.coco import read_coco, require_mpp
    from models.data.describe import warn_of_shared_slides
    from models.measure.evaluate import MIN_SCORE, detect_fields
    from models.measure.evaluate import evaluate as measure
    from service.cli.engine_option import check_engine
    from service.cli.evaluate_slides import SlideOutputs, evaluate_slides
    from service.errors import DatasetError

    info = read_info(detector)
    fields = read_coco(data)
    labelled, known = (
        [cell_class.name for cell_class in classes] for classes in (fields.classes, info.classes)
    )
    if labelled != known:
        raise DatasetError(
            f"{data} has the classes {labelled}, but detector {info.name!r} knows {known}: they "
            "must agree"
        )
    chosen = fields if fold is None else fields.only_fold(fold)
    require_mpp(chosen)
    _warn_if_known(detector, fields, fold)
    if fold is not None and (warning := warn_of_shared_slides(fields)) is not None:
        typer.echo(warning, err=True)
    if slides:
        outputs = SlideOutputs(json_path, fit_slide_score, slides_dir)
        evaluate_slides(detector, chosen, check_engine(engine), fold, outputs)
        return
    model = load_detector(detector, engine=check_engine(engine), min_score=MIN_SCORE)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Detecting", total=len(chosen.fields))
        results = detect_fields(model, chosen, lambda: bar.advance(task))
    figures = measure(results, info.classes, info.score_thresholds, info.merge_iou)
    served_by = model.info.engine
    _print(figures, served_by)
    if json_path is not None:
        facts = {"name": info.name, "digest": info.digest, "engine": served_by}
        content = {"detector": facts} | figures.to_json()
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _warn_if_known(detector: str, fields: "FieldSet", fold: int | None) -> None:
    from models.bundle.description import read_model
    from models.bundle.find import find_bundle
    from models.bundle.provenance import learned_from

    model = read_model(find_bundle(detector))
    known = learned_from(model.training, fields, fold)
    if known is not False:
        typer.echo(f"warning: {model.name} {KNOWN if known else UNKNOWN}", err=True)


def _print(figures: "Evaluation", engine: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("AP", "IoU 0.5", "centre within 10 µm", title="Average precision")
    centre = figures.centre
    for name, value in figures.ap50.items():
        table.add_row(name, _show(value), _show(centre["ap50"].get(name)))
    table.add_section()
    table.add_row("mean of classes", _show(figures.map50), _show(centre["map50"]))
    table.add_row("any cell", _show(figures.any_cell_ap50), _show(centre["any_cell_ap50"]))
    table.add_row("abnormal cell", _show(figures.abnormal_ap50), _show(centre["abnormal_ap50"]))
    rates = Table("at shipped thresholds", "precision", "recall", "F1")
    for name, rate in (
        ("any cell", figures.any_cell),
        ("normal vs abnormal", figures.normal_vs_abnormal),
    ):
        rates.add_row(name, _show(rate.precision), _show(rate.recall), _show(rate.f1))
    names = [*figures.class_names, "none"]
    matrix = Table("true \\ detected", *names, title="Confusion of cells")
    for name, row in zip(names, figures.confusion.tolist(), strict=True):
        matrix.add_row(name, *[str(count) for count in row])
    console = Console()
    for part in (table, rates, matrix):
        console.print(part)
    console.print(
        f"{figures.num_cells} cells on {figures.num_images} fields, detected by engine {engine}"
    )


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
