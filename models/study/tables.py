"""Summary of a study: mean and spread of every cell, and paired tests against its baseline.

Pure functions of the runs' results; `plots.py` draws them.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from scipy.stats import permutation_test

from models.study.result import RunResult
from models.study.spec import MAX_REPEATS, StudySpec

#: Figures that are compared, with the heading of their column.
FIGURES = {
    "map50": "mAP50",
    "any_cell_ap50": "any cell",
    "abnormal_ap50": "abnormal",
    "frequent": "frequent",
    "common": "common",
    "rare": "rare",
    "f1": "F1 normal/abnormal",
}


def summarise_study(study: StudySpec, results: Sequence[RunResult]) -> dict[str, Any]:
    """The whole summary, as it is written to summary.json.

    Returns:
        `cells`: per cell its options, number of runs, mean and standard deviation (over folds and
        seeds, n - 1) of every figure and of every class's AP50. `tests`: per cell with a baseline,
        mean difference, the runs it rests on and the p value of a sign-flip permutation test.
    """
    axes = [axis.name for axis in study.axes]
    by_cell: dict[tuple[str, ...], list[RunResult]] = {}
    for result in results:
        by_cell.setdefault(tuple(result.options[axis] for axis in axes), []).append(result)
    by_cell = {cell: by_cell[cell] for cell in _in_order(study, by_cell)}
    return {
        "title": study.title,
        "axes": axes,
        "runs_planned_per_cell": len(study.repeats),
        "cells": [_summarise_cell(axes, cell, runs) for cell, runs in by_cell.items()],
        "tests": _test_cells(study, by_cell),
    }


def read_figures(result: RunResult) -> dict[str, float]:
    """The compared figures of one run; those that its fold cannot give are left out."""
    figures = result.figures
    by_name: dict[str, float | None] = {
        "map50": figures.map50,
        "any_cell_ap50": figures.any_cell_ap50,
        "abnormal_ap50": figures.abnormal_ap50,
        "f1": figures.normal_vs_abnormal.f1,
    }
    for group in ("frequent", "common", "rare"):
        values = [ap for name, ap in figures.ap50.items() if result.frequency_groups[name] == group]
        by_name[group] = float(np.mean(values)) if values else None
    return {key: float(value) for key, value in by_name.items() if value is not None}


def sign_flip_test(differences: Sequence[float]) -> float:
    """Two-sided p value of paired differences under random signs; exact.

    With n pairs it cannot fall below 2 / 2^n. No pair at all gives 1.

    Raises:
        ValueError: more pairs than can be tried exactly.

    Source: Fisher's randomisation test; Good, *Permutation tests*, 2nd ed. 2000, chapter 3.
    """
    if len(differences) > MAX_REPEATS:
        raise ValueError(f"{len(differences)} pairs are more than {MAX_REPEATS}")
    if len(differences) < 2:  # either sign is as likely, and the library takes no fewer
        return 1.0
    test = permutation_test(
        (np.asarray(differences, np.float64),),
        np.mean,
        permutation_type="samples",
        n_resamples=2**MAX_REPEATS,
    )
    return float(test.pvalue)


def write_markdown(study: StudySpec, summary: dict[str, Any]) -> str:
    """The summary as Markdown tables, figures times 100."""
    axes, columns = summary["axes"], list(FIGURES)
    lines = [f"# {study.title}", ""]
    paper = ["paper's mAP"] if study.published else []
    lines += _head([*axes, "runs", *FIGURES.values(), *paper])
    for cell in summary["cells"]:
        shown = [_spread(cell["figures"].get(key)) for key in columns]
        shown += [_published(study, cell["options"])] if paper else []
        lines.append(_row([*cell["options"].values(), str(cell["num_runs"]), *shown]))
    names = list(dict.fromkeys(name for cell in summary["cells"] for name in cell["ap50"]))
    lines += ["", "AP50 by class:", "", *_head([*axes, *names])]
    for cell in summary["cells"]:
        shown = [_spread(cell["ap50"].get(name)) for name in names]
        lines.append(_row([*cell["options"].values(), *shown]))
    if summary["tests"]:
        lines += ["", f"Paired differences to {study.baseline} (same fold and seed):", ""]
        lines += _head([*axes, "pairs", *FIGURES.values()])
        for test in summary["tests"]:
            shown = [_difference(test["figures"].get(key)) for key in columns]
            lines.append(_row([*test["options"].values(), str(test["num_pairs"]), *shown]))
    lines += [
        "",
        "Percent; mean ± standard deviation over folds and seeds. p: sign-flip test, which",
    ]
    lines += [
        "takes runs as independent though seeds of one fold share its cells; not corrected for"
    ]
    lines += [
        "the number of comparisons. F1 is at thresholds chosen on the fold it is measured on."
    ]
    if len({cell["num_runs"] for cell in summary["cells"]}) > 1:
        lines += [
            "",
            "Cells differ in how many runs are finished: their means are over other folds,",
        ]
        lines += ["and folds differ more than losses do. Compare paired differences."]
    if study.published_note:
        lines += ["", f"The paper's mAP: {study.published_note}"]
    return "\n".join([*lines, ""])


def _in_order(study: StudySpec, cells: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Cells as the study lists their options, not as their runs were finished."""
    order = [[option.name for option in axis.options] for axis in study.axes]

    def place(cell: tuple[str, ...]) -> list[int]:
        return [names.index(name) for names, name in zip(order, cell, strict=True)]

    return sorted(cells, key=place)


def _summarise_cell(
    axes: list[str], cell: tuple[str, ...], runs: list[RunResult]
) -> dict[str, Any]:
    figures = [read_figures(run) for run in runs]
    by_class = [run.figures.ap50 for run in runs]
    return {
        "options": dict(zip(axes, cell, strict=True)),
        "num_runs": len(runs),
        "train_s": round(float(np.mean([run.hardware.train_s for run in runs])), 1),
        "figures": {
            key: _mean_sd(figures, key)
            for key in FIGURES
            if any(key in run_figures for run_figures in figures)
        },
        "ap50": {
            name: _mean_sd(by_class, name) for name in dict.fromkeys(chain.from_iterable(by_class))
        },
    }


def _mean_sd(rows: Sequence[dict[str, float]], key: str) -> dict[str, float | None]:
    values = [row[key] for row in rows if key in row]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "sd": spread}


def _test_cells(
    study: StudySpec, by_cell: dict[tuple[str, ...], list[RunResult]]
) -> list[dict[str, Any]]:
    if study.baseline is None:
        return []
    axes = [axis.name for axis in study.axes]
    tests = []
    for cell, runs in by_cell.items():
        reference = by_cell.get((*cell[:-1], study.baseline))
        if cell[-1] == study.baseline or reference is None:
            continue
        by_repeat = {(run.fold, run.seed): read_figures(run) for run in reference}
        pairs = [
            (read_figures(run), by_repeat[run.fold, run.seed])
            for run in runs
            if (run.fold, run.seed) in by_repeat
        ]
        figures = {key: _compare(pairs, key) for key in FIGURES}
        tests.append(
            {
                "options": dict(zip(axes, cell, strict=True)),
                "num_pairs": len(pairs),
                "figures": {key: value for key, value in figures.items() if value is not None},
            }
        )
    return tests


def _compare(
    pairs: Sequence[tuple[dict[str, float], dict[str, float]]], key: str
) -> dict[str, float] | None:
    differences = [
        figures[key] - reference[key]
        for figures, reference in pairs
        if key in figures and key in reference
    ]
    if not differences:
        return None
    return {"mean": float(np.mean(differences)), "p": sign_flip_test(differences)}


def _head(titles: Sequence[str]) -> list[str]:
    return [_row(titles), _row(["---"] * len(titles))]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _published(study: StudySpec, options: dict[str, str]) -> str:
    fitting = [entry for entry in study.published if entry.when.items() <= options.items()]
    return f"{100 * fitting[0].map50:.1f}" if fitting else "-"


def _spread(value: dict[str, float | None] | None) -> str:
    if value is None or value["mean"] is None or math.isnan(value["mean"]):
        return "-"
    spread = "" if value["sd"] is None else f" ± {100 * value['sd']:.1f}"
    return f"{100 * value['mean']:.1f}{spread}"


def _difference(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{100 * value['mean']:+.1f} (p {value['p']:.2f})"
