"""Combines bundles of trained networks into the bundle of an ensemble."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.bundle.description import BundleModel, read_model
from models.bundle.find import find_bundle
from models.bundle.load import load_network
from models.bundle.write import check_replaceable, write_bundle
from models.errors import BundleError

if TYPE_CHECKING:
    from torch import nn


def combine_bundles(
    sources: Sequence[str], folder: Path, name: str, extra_dir: Path | None = None
) -> BundleModel:
    """Writes the bundle of an ensemble.

    Thresholds, slide score coefficients, `side_support` and `rival_power` are copied from the first
    member; choose them for the ensemble with `cytolibra calibrate`.

    Args:
        sources: names or folders of at least two bundles.
        folder: of the new bundle.
        name: of the new detector.
        extra_dir: where a site keeps its own bundles.

    Raises:
        UnknownDetectorError: a source is not a bundle.
        BundleError: the sources differ in classes, input, head, test_cfg or size of outputs, or
            cannot be read; or the folder holds something else than a bundle.
    """
    check_replaceable(folder)
    folders = [find_bundle(source, extra_dir) for source in sources]
    models = [read_model(source_folder) for source_folder in folders]
    if len(models) < 2:
        raise BundleError(f"an ensemble needs at least two bundles, not {len(models)}")
    _check_alike(models, folders)
    first = models[0]
    networks = [
        load_network(source_folder, model)
        for source_folder, model in zip(folders, models, strict=True)
    ]
    _check_outputs(networks, folders, first.input.tile_size_px)
    network = {
        "type": "Ensemble",
        "members": [model.network for model in models],
        "test_cfg": first.network.get("test_cfg"),
    }
    weights = {
        f"members.{index}.{key}": tensor
        for index in range(len(folders))
        for key, tensor in networks[index].state_dict().items()
    }
    training = {"members": [model.training for model in models]}
    content: dict[str, Any] = first.model_dump(mode="json", exclude={"weights_sha256"})
    content |= {"name": name, "network": network, "training": training}
    card = f"# {name}\n\nResearch software, for review by a cytologist; not a diagnosis.\n"
    return write_bundle(folder, content, weights, card)


def _check_alike(models: Sequence[BundleModel], folders: Sequence[Path]) -> None:
    first = models[0]
    for model, folder in zip(models[1:], folders[1:], strict=True):
        for part in ("classes", "input"):
            if getattr(model, part) != getattr(first, part):
                raise BundleError(f"{folder} has other {part} than {folders[0]}: {model.name!r}")
        if model.network.get("test_cfg") != first.network.get("test_cfg"):
            raise BundleError(f"{folder} has another network.test_cfg than {folders[0]}")
        if _head(model) != _head(first):
            raise BundleError(f"{folder} has another network.bbox_head than {folders[0]}")


def _head(model: BundleModel) -> dict[str, Any]:
    """The settings that decide how outputs are decoded: all but losses, norms and first weights."""
    head = model.network.get("bbox_head")
    if not isinstance(head, dict):
        raise BundleError(
            f"{model.name!r} has no dense bbox_head of its own: "
            "an ensemble is made of single networks"
        )
    only_learning = ("norm_cfg", "init_cfg")
    return {
        key: value
        for key, value in head.items()
        if not key.startswith("loss") and key not in only_learning
    }


def _check_outputs(networks: "Sequence[nn.Module]", folders: Sequence[Path], side_px: int) -> None:
    """Refuses networks whose head outputs differ in shape; backbones and necks may differ."""
    shapes = [
        _output_shapes(network, folder, side_px)
        for network, folder in zip(networks, folders, strict=True)
    ]
    for folder, shape in zip(folders[1:], shapes[1:], strict=True):
        if shape != shapes[0]:
            raise BundleError(f"{folder} gives outputs of other sizes than {folders[0]}")


def _output_shapes(network: "nn.Module", folder: Path, side_px: int) -> list[tuple[int, ...]]:
    import torch

    detector: Any = network
    try:
        with torch.inference_mode():
            blank = torch.zeros(1, 3, side_px, side_px)
            outputs = detector.bbox_head(detector.extract_feat(blank))
    except (RuntimeError, TypeError, ValueError) as error:
        raise BundleError(f"{folder} has a network that cannot run on a tile: {error}") from error
    return [tuple(level.shape) for output in outputs for level in output]
