"""Pictures of a study: gradient ratios, classifier norms, precision against recall, PNG each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.classes import BETHESDA
from models.study.result import RunResult

DPI = 110


def draw_study(results: Sequence[RunResult], folder: Path) -> list[Path]:
    """Writes gradient_ratio.png, classifier_norm.png and precision_recall.png.

    A panel per cell of the study, a colour per class; every curve is the mean over folds and seeds.

    Returns:
        The files.
    """
    by_cell: dict[str, list[RunResult]] = {}
    for result in results:
        by_cell.setdefault("\n".join(result.options.values()), []).append(result)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "gradient_ratio.png": _draw_ratio,
        "classifier_norm.png": _draw_norms,
        "precision_recall.png": _draw_precision,
    }
    for name, draw in pictures.items():
        figure, panels = _make_panels(len(by_cell))
        for panel, (title, runs) in zip(panels, by_cell.items(), strict=False):
            draw(panel, runs)
            panel.set_title(title, fontsize=8)
        panels[0].legend(fontsize=6)
        figure.savefig(folder / name, dpi=DPI)
    return [folder / name for name in pictures]


def _make_panels(num_panels: int) -> tuple[Figure, list[Axes]]:
    columns = min(num_panels, 4)
    rows = -(-num_panels // columns)
    figure = Figure(figsize=(3.2 * columns, 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    panels = list(grid.flat)
    for panel in panels[num_panels:]:
        panel.axis("off")
    return figure, panels


def _draw_ratio(panel: Axes, runs: Sequence[RunResult]) -> None:
    """Fig. 3a of the paper: Σ|∇⁺| / Σ|∇⁻| since the beginning of training."""
    for name in runs[0].gradient_ratio_by_epoch:
        shortest = min(len(run.gradient_ratio_by_epoch[name]) for run in runs)
        curves = [run.gradient_ratio_by_epoch[name][:shortest] for run in runs]
        epochs = np.arange(1, shortest + 1)
        panel.plot(epochs, np.mean(curves, axis=0), label=name, color=_color(name), lw=1)
    panel.set(xlabel="epoch", ylabel="gradient ratio +/-", yscale="log")


def _draw_norms(panel: Axes, runs: Sequence[RunResult]) -> None:
    """Fig. 3b of the paper: length of each class's classifier."""
    names = list(runs[0].classifier_weight_norm)
    for place, name in enumerate(names):
        values = [run.classifier_weight_norm[name] for run in runs]
        spread = float(np.std(values))
        panel.bar(place, np.mean(values), yerr=spread, label=name, color=_color(name))
    panel.set_xticks(range(len(names)), names, rotation=60, fontsize=6)
    panel.set_ylabel("norm of the classifier")


def _draw_precision(panel: Axes, runs: Sequence[RunResult]) -> None:
    recall = np.linspace(0, 1, 101)
    for name in runs[0].precision_at_recall:
        curves = [run.precision_at_recall.get(name) for run in runs]
        known = [curve for curve in curves if curve is not None]
        panel.plot(recall, np.mean(known, axis=0), label=name, color=_color(name), lw=1)
    panel.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))


def _color(name: str) -> str:
    colors = {cell_class.name: cell_class.color for cell_class in BETHESDA}
    return "#{:02x}{:02x}{:02x}".format(*colors.get(name, (70, 70, 70)))
