"""`cytolibra calibrate`: what is chosen for a detector on fields it did not learn from."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from models.bundle.description import BundleModel
    from models.calibrate.run import Calibrated
    from models.calibrate.slide_score import FittedSlideScore
    from models.data.coco import FieldSet


def calibrate(
    bundle: Annotated[str, typer.Argument(help="Trained without the fold: a name or a folder.")],
    data: Annotated[Path, typer.Argument(help="Folder with images/ and annotations.json (COCO).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the new bundle.")],
    fold: Annotated[int, typer.Option(help="Which the detector did not learn from.")],
    apply_to: Annotated[
        str | None,
        typer.Option(help="Ship this bundle's weights: the same network, e.g. of all folds."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The new detector's name.")] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store kernels in 16 bits: half the size.")
    ] = False,
    tile_size: Annotated[
        int | None,
        typer.Option(
            help="Side of the tiles it is served on, px; else as BUNDLE. Changes no figure."
        ),
    ] = None,
    side_support: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="How far a cell's classes of one side add up; else as BUNDLE."
        ),
    ] = None,
    rival_power: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, help="How much a cell's other classes are discounted; likewise."
        ),
    ] = None,
) -> None:
    """Fit probabilities, choose thresholds, fit the slide score; write a new bundle with them."""
    from models.bundle.description import read_model
    from models.bundle.find import find_bundle
    from models.bundle.load import load_network
    from models.bundle.write import check_replaceable, write_bundle
    from models.calibrate.run import choose_serving
    from models.data.coco import read_coco
    from models.data.describe import warn_of_shared_slides

    check_replaceable(output)
    folder = find_bundle(bundle)
    shipped = find_bundle(apply_to) if apply_to else folder
    source = read_model(shipped)
    _check_same_network(read_model(folder), source, shipped)
    fields = read_coco(data)
    _check_unseen(read_model(folder), fields, fold)
    if (warning := warn_of_shared_slides(fields)) is not None:
        typer.echo(warning, err=True)
    held_out = fields.only_fold(fold)
    chosen = choose_serving(read_model(folder), tile_size, side_support, rival_power)
    calibrated, slide_score = _fit(folder, chosen, held_out)
    content = calibrated.model.model_dump(mode="json", exclude={"weights_sha256"})
    facts = {
        "calibrated_on_fold": fold,
        "measured_with_engine": calibrated.detector.info.engine,
        "slides": slide_score.figures,
    }
    if apply_to:
        facts |= {"measured_weights": calibrated.model.weights_sha256}
    content |= {
        "name": name or source.name,
        "slide_score": asdict(slide_score.model),
        "training": source.training | facts,
    }
    pictures = {"reliability.png": _draw(calibrated, output)}
    card = _write_card(content, calibrated)
    weights = load_network(shipped, source).state_dict()
    write_bundle(output, content, weights, card, pictures, half)
    typer.echo(card)
    typer.echo(f"detector: {output}")


def _fit(
    folder: Path, model: "BundleModel", held_out: "FieldSet"
) -> "tuple[Calibrated, FittedSlideScore]":
    """Probabilities and thresholds, then the slide score at them; two bars on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    from models.calibrate.run import calibrate_scores
    from service.composed_slides.coefficients import find_coefficients

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Detecting", total=len(held_out.fields))
        calibrated = calibrate_scores(folder, model, held_out, lambda: bar.advance(task))
        task = bar.add_task("Slide score", total=None)
        slide_score = find_coefficients(
            calibrated.detector,
            held_out,
            _warn,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    return calibrated, slide_score


def _check_unseen(model: "BundleModel", fields: "FieldSet", fold: int) -> None:
    """Every network of the bundle must have been trained without the fold."""
    from models.bundle.provenance import belongs_to
    from models.errors import BundleError

    for facts in model.training.get("members", [model.training]):
        if fold not in (facts.get("fold_held_out"), *facts.get("unused_folds", ())):
            raise BundleError(
                f"{model.name!r} was not trained without fold {fold}: probabilities and thresholds "
                "chosen on fields that it knows are optimistically biased; choose its held-out fold"
            )
    own = belongs_to(model.training, fields)
    if not own:
        does = "was trained on other fields than these" if own is False else "names no fields"
        _warn(
            f"{model.name!r} {does}: that it did not see fold {fold} of them is taken from the "
            "number alone"
        )


def _check_same_network(judged: "BundleModel", shipped: "BundleModel", folder: Path) -> None:
    from models.errors import BundleError

    # On tiles of which size it is served is no part of a network.
    tiles = {"tile_size_px", "overlap_px"}
    for part in ("classes", "input", "network"):
        judged_part, shipped_part = (
            model.model_dump(exclude={"input": tiles})[part] for model in (judged, shipped)
        )
        if shipped_part != judged_part:
            raise BundleError(
                f"{folder} has another {part} than the bundle that is calibrated: what is chosen "
                "for one network does not hold for another"
            )


def _warn(line: str) -> None:
    typer.echo(f"warning: {line}", err=True)


def _draw(calibrated: "Calibrated", output: Path) -> bytes:
    from tempfile import TemporaryDirectory

    from models.calibrate.probability import Calibration
    from models.calibrate.run import FIT_FROM_SCORE
    from models.measure.evaluate import merge_cells
    from models.measure.reliability_plot import draw_reliability

    model = calibrated.model
    assert model.calibration is not None
    calibration = Calibration(model.calibration.slopes, model.calibration.offsets)
    least = (FIT_FROM_SCORE,) * len(model.classes)
    merged = [merge_cells(result, least, model.merge_iou) for result in calibrated.raw]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "reliability.png"
        draw_reliability(path, merged, calibrated.detector.info.classes, calibration)
        return path.read_bytes()


def _write_card(content: dict[str, Any], calibrated: "Calibrated") -> str:
    from models.training.export import describe_slide_score, write_card

    facts = {key: value for key, value in content["training"].items() if key != "slides"}
    if "measured_weights" in facts:
        facts["measured_weights"] += ": the figures below are of these, trained without the fold"
    thresholds = tuple(content["score_thresholds"])
    lines = [write_card(content["name"], facts, calibrated.figures, thresholds)]
    lines += ["## What a score is worth", "", "![reliability](reliability.png)", ""]
    lines += ["The network's scores (lines) and the map from them to the probabilities that are"]
    lines += ["reported (red), fitted on the same fields.", ""]
    return "\n".join([*lines, *describe_slide_score(content["training"]["slides"]), ""])
