"""Writes a trained network as a bundle, with a card that describes its training and accuracy."""

import importlib.metadata
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from models.bundle.write import write_bundle
from models.calibrate.slide_score import FittedSlideScore
from models.classes import BETHESDA, CellClass
from models.measure.evaluate import Evaluation
from models.network.build import describe_for_classes
from models.training.config import TrainConfig

#: For class lists whose weights the configuration does not give: the share of the worst severity.
DEFAULT_WEIGHT = 1.0


@dataclass(frozen=True)
class Trained:
    """A trained network, and the content of its bundle.

    Attributes:
        network: on the CPU.
        config: it was trained with.
        classes: of the data, in label order.
        name: of the detector.
        facts: of the run: data, fold, seed, versions.
        measured: figures on held-out fields and the thresholds chosen there; None without them.
    """

    network: nn.Module
    config: TrainConfig
    classes: tuple[CellClass, ...]
    name: str
    facts: dict[str, Any]
    measured: tuple[Evaluation, tuple[float, ...]] | None

    def describe(self) -> dict[str, Any]:
        """model.json without its weights' digest."""
        model = describe_bundle(self.config, self.classes, self.name, self.facts)
        return model | ({"score_thresholds": self.measured[1]} if self.measured else {})


def describe_bundle(
    config: TrainConfig, classes: tuple[CellClass, ...], name: str, training: dict[str, Any]
) -> dict[str, Any]:
    """model.json of a network of this configuration, without its weights' digest."""
    score = config.slide_score.model_dump()
    # The configuration's values are for the Bethesda list, which phantoms and CRIC have.
    is_other = [cell_class.name for cell_class in classes] != [
        cell_class.name for cell_class in BETHESDA
    ]
    if is_other or len(score["class_weights"]) != len(classes):
        worst = max((cell_class.severity for cell_class in classes), default=0) or 1
        score["class_weights"] = [
            DEFAULT_WEIGHT * cell_class.severity / worst for cell_class in classes
        ]
        score["category_min_fractions"] = [_strictest_fraction(config)] * len(classes)
        score.pop("severe", None)
    thresholds = config.postprocess.score_thresholds
    if len(thresholds) != len(classes):
        thresholds = (min(thresholds),) * len(classes)
    return {
        "name": name,
        "classes": [asdict(cell_class) for cell_class in classes],
        "input": config.input.model_dump(),
        "score_thresholds": thresholds,
        "merge_iou": config.postprocess.merge_iou,
        "rival_power": config.postprocess.rival_power,
        "side_support": config.postprocess.side_support,
        "slide_score": score,
        "network": describe_for_classes(config.network, len(classes)),
        "training": training,
    }


def _strictest_fraction(config: TrainConfig) -> float:
    """Largest `category_min_fractions` of the abnormal classes; the negative class has none."""
    score = config.slide_score
    pairs = zip(score.class_weights, score.category_min_fractions, strict=True)
    return max((fraction for weight, fraction in pairs if weight > 0), default=0.0)


def export_bundle(
    trained: Trained, folder: Path, slide_score: FittedSlideScore | None = None
) -> None:
    """Writes the bundle, replacing the one that is there.

    Args:
        trained: the network and its facts.
        folder: of the bundle.
        slide_score: fitted to it; None keeps the configuration's coefficients.

    Raises:
        BundleError: the folder cannot be written.
    """
    facts = trained.facts | {"code_version": importlib.metadata.version("cytolibra")}
    model = trained.describe() | {"training": facts}
    figures = trained.measured[0] if trained.measured else None
    card = write_card(trained.name, facts, figures, model["score_thresholds"])
    if slide_score is not None:
        model["slide_score"] = asdict(slide_score.model)
        model["training"] = facts | {"slides": slide_score.figures}
        card = "\n".join([card, *describe_slide_score(slide_score.figures), ""])
    write_bundle(folder, model, trained.network.state_dict(), card)


def describe_slide_score(figures: dict[str, Any]) -> list[str]:
    """Lines of a card: accuracy of the slide score.

    Args:
        figures: plain values; tables by share or size have text for keys.
    """
    tables = {name: value for name, value in figures.items() if isinstance(value, dict)}
    plain = {name: value for name, value in figures.items() if name not in tables}
    lines = [
        "## Slide score",
        "",
        "On slides composed of held-out fields that the coefficients were not fitted on. Forms and",
        "margins of its terms were chosen on these same slides, so the figures are optimistically",
        "biased (docs/score.md).",
        "",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in plain.items()),
    ]
    for keys in dict.fromkeys(tuple(table) for table in tables.values()):
        lines += ["", f"| | {' | '.join(keys)} |", "|---" * (len(keys) + 1) + "|"]
        for name, table in tables.items():
            if tuple(table) == keys:
                cells = " | ".join(f"{value:.3f}" for value in table.values())
                lines.append(f"| {name.replace('_', ' ')} | {cells} |")
    return lines


def write_card(
    name: str,
    facts: dict[str, Any],
    figures: Evaluation | None,
    thresholds: tuple[float, ...],
) -> str:
    """The card of a detector, Markdown."""
    lines = [
        f"# {name}",
        "",
        "Research software, for review by a cytologist; not a diagnosis.",
        "",
        "## How it was trained",
        "",
        *(f"- {key.replace('_', ' ')}: {value}" for key, value in facts.items()),
        f"- score thresholds: {', '.join(f'{value:g}' for value in thresholds)}",
        "",
        "## How good it is",
        "",
    ]
    if figures is None:
        return "\n".join([*lines, "Not measured: no fold was held out.", ""])
    centre = figures.centre
    lines += [
        f"On {figures.num_images} held-out fields with {figures.num_cells} cells. The thresholds "
        "were chosen on the same fields, so the rates below are optimistically biased.",
        "",
        "| AP | IoU 0.5 | centre within 10 µm |",
        "|---|---|---|",
        *(
            f"| {key} | {value:.3f} | {centre['ap50'].get(key, float('nan')):.3f} |"
            for key, value in figures.ap50.items()
        ),
        f"| mean of classes | {figures.map50:.3f} | {centre['map50'] or 0:.3f} |",
        f"| any cell | {figures.any_cell_ap50 or 0:.3f} | {centre['any_cell_ap50'] or 0:.3f} |",
        f"| abnormal cell | {figures.abnormal_ap50 or 0:.3f} "
        f"| {centre['abnormal_ap50'] or 0:.3f} |",
        "",
        "| at the thresholds | precision | recall | F1 |",
        "|---|---|---|---|",
    ]
    for title, rate in (
        ("any cell", figures.any_cell),
        ("normal vs abnormal", figures.normal_vs_abnormal),
    ):
        lines.append(f"| {title} | {rate.precision:.3f} | {rate.recall:.3f} | {rate.f1:.3f} |")
    return "\n".join([*lines, ""])
