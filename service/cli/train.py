"""`cytolibra train`: labelled fields in, a detector bundle out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.calibrate.slide_score import FittedSlideScore
    from models.data.coco import FieldSet
    from service.pipeline.types import Detector


def train(
    config: Annotated[
        str, typer.Argument(help="A shipped configuration (fcos_lite0) or a .toml file.")
    ],
    data: Annotated[Path, typer.Argument(help="Folder with images/ and annotations.json (COCO).")],
    run_dir: Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")],
    fold: Annotated[
        int | None,
        typer.Option(
            help="Hold this fold out; on it measure, choose thresholds, fit the slide score."
        ),
    ] = None,
    unused_fold: Annotated[
        list[int] | None, typer.Option(help="Neither learn from this fold nor measure on it.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the configuration's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the configuration's.")] = None,
    name: Annotated[str, typer.Option(help="The detector's name.")] = "trained",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Threads that prepare crops.")] = 1,
    validate_every: Annotated[
        int, typer.Option(min=1, help="Epochs between measurements on the held-out fold.")
    ] = 10,
) -> None:
    """Train a detector, or go on with an interrupted run of the same folder."""
    from models.training.config import find_config, read_config
    from models.training.run import TrainOptions, run_training
    from service.cli.progress import TrainProgressBar
    from service.composed_slides.coefficients import find_coefficients

    chosen = read_config(find_config(config)).with_training(seed=seed, epochs=epochs)
    options = TrainOptions(
        name=name,
        fold=fold,
        device=device,
        num_workers=workers,
        validate_every_epochs=validate_every,
        unused_folds=tuple(unused_fold or ()),
    )
    with TrainProgressBar() as bar:

        def fit(detector: "Detector", held_out: "FieldSet") -> "FittedSlideScore":
            return find_coefficients(
                detector, held_out, lambda line: bar.say(f"warning: {line}"), bar.fit
            )

        bundle = run_training(chosen, data, run_dir, options, bar.update, bar.say, fit)
    typer.echo(f"detector: {bundle}")
    typer.echo(f"use it:   cytolibra analyse SLIDE -o OUT --detector {bundle}")
