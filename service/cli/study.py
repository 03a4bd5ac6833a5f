"""`cytolibra study`: many training runs compared, from a committed study file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.study.schedule import StudyFolders
    from models.study.spec import Run, StudySpec


def study(
    name: Annotated[str, typer.Argument(help="A committed study (losses) or a .toml file.")],
    data: Annotated[Path, typer.Argument(help="Folder with images/ and annotations.json (COCO).")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the study.")],
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    scratch: Annotated[
        Path | None, typer.Option(help="Checkpoints of unfinished runs; default OUTPUT/scratch.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="After that no further run is started.")
    ] = None,
    only_summary: Annotated[
        bool, typer.Option("--only-summary", help="Train nothing: tables of what is finished.")
    ] = False,
    adopt: Annotated[
        Path | None,
        typer.Option(help="Take over results of the same configurations from studies in here."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only runs whose id contains this text; repeatable, in this order."),
    ] = None,
) -> None:
    """Train and measure every cell of a study, or go on with an interrupted one.

    Writes OUTPUT/runs/*.json as they come, then OUTPUT/summary.json, summary.md and PNG plots.
    """
    from models.study.schedule import StudyFolders
    from models.study.spec import find_study, list_runs, read_study

    spec = read_study(find_study(name))
    runs = list_runs(spec)
    chosen = _choose(runs, only) if only else runs
    folders = StudyFolders(data, scratch or output / "scratch", output / "runs", adopt)
    failed = 0 if only_summary else _run(chosen, folders, jobs, device, max_minutes)
    _summarise(spec, runs, folders, output)
    if failed:
        raise typer.Exit(1)


def _choose(runs: "list[Run]", texts: list[str]) -> "list[Run]":
    """The runs whose id is or contains one of the texts, those of the first text first.

    Raises:
        typer.BadParameter: no run's id contains one of them.
    """
    chosen: dict[str, Run] = {}
    for text in texts:
        # "focal--fold0--seed0" is a run, and part of the id of "equalized-focal--fold0--seed0".
        exact = [run for run in runs if run.id == text]
        matching = {run.id: run for run in exact or runs if text in run.id}
        if not matching:
            raise typer.BadParameter(
                f"no run's id contains {text!r}; the first is {runs[0].id!r}", param_hint="--only"
            )
        chosen = chosen | {key: run for key, run in matching.items() if key not in chosen}
    return list(chosen.values())


def _run(
    runs: "list[Run]", folders: "StudyFolders", jobs: int, device: str, max_minutes: float | None
) -> int:
    from models.study.schedule import run_study
    from service.cli.progress import StudyProgressBar

    finished = sum(folders.result_path(run).exists() for run in runs)
    with StudyProgressBar(len(runs), finished) as bar:
        failed = run_study(runs, folders, jobs, device, max_minutes, bar.update)
    for report in failed:
        typer.echo(f"{report.run_id} failed: {report.error}", err=True)
    return len(failed)


def _summarise(spec: "StudySpec", runs: "list[Run]", folders: "StudyFolders", output: Path) -> None:
    import json

    from models.study.plots import draw_study
    from models.study.schedule import read_results
    from models.study.tables import summarise_study, write_markdown

    results = read_results(runs, folders)
    summary = summarise_study(spec, results)
    (output / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    markdown = write_markdown(spec, summary)
    (output / "summary.md").write_text(markdown, encoding="utf-8")
    draw_study(results, output)
    typer.echo(markdown)
    typer.echo(f"{len(results)} of {len(runs)} runs are finished: {output}")
