"""A bundle's network with its weights, checked, and the detector that runs it."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from models.bundle.description import BundleModel, read_model
from models.bundle.files import MODEL_FILE, WEIGHTS_FILE, hash_file
from models.bundle.find import find_bundle
from models.detector import Detector
from models.errors import BundleError

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_WEIGHTS_BYTES = 2 << 30
#: Interchangeable dtypes: kernels may be stored in fewer bits than the network uses.
FLOATS = ("torch.float16", "torch.bfloat16", "torch.float32", "torch.float64")

Engine = Literal["auto", "torch", "openvino"]


def load_detector(
    name_or_path: str,
    *,
    engine: Engine = "auto",
    device: str = "auto",
    min_score: float | None = None,
    extra_dir: Path | None = None,
) -> Detector:
    """A detector ready to run.

    Args:
        name_or_path: a shipped name, a name in `extra_dir`, or a bundle's folder.
        engine: "openvino" is faster on a CPU, "torch" is the reference and runs on GPUs; "auto"
            picks by device.
        device: "auto", "cpu" or "cuda".
        min_score: replaces the shipped thresholds, for measuring.
        extra_dir: where a site keeps its own bundles.

    Raises:
        UnknownDetectorError: there is none of this name.
        BundleError: the bundle is broken, not allowed, or its weights do not fit.
    """
    from models.inference.engines.choice import make_detector

    folder = find_bundle(name_or_path, extra_dir)
    model = read_model(folder)
    network = load_network(folder, model)
    return make_detector(model, network, engine, device, min_score)


def load_network(folder: Path, model: BundleModel) -> "nn.Module":
    """A bundle's network with its weights, on the CPU, in evaluation mode.

    Raises:
        BundleError: the weights are missing, damaged, of another network or not finite.
    """
    from models.network.build import build_network, outline_network

    path = folder / WEIGHTS_FILE
    weights = OrderedDict(_read_weights(path, model.weights_sha256))
    # An untrusted description may ask for more weights than fit in memory: an outline has none.
    _check_fit(path, weights, outline_network(model.network))
    _check_finite(path, weights)
    network = build_network(model.network)
    # safetensors stores no module versions. Without them, mmdet's anchor-free heads treat weights
    # as of an old version and rename `loss_cls.*` to `conv_cls.*`.
    weights._metadata = network.state_dict()._metadata  # type: ignore[attr-defined]
    network.load_state_dict(weights)
    return network.eval()


def _read_weights(path: Path, sha256: str) -> dict[str, "Tensor"]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise BundleError(f"{path} is larger than {MAX_WEIGHTS_BYTES} bytes")
        if hash_file(path) != sha256:
            raise BundleError(
                f"{path} is not the file that {MODEL_FILE} names (sha256 differs): "
                "copy the bundle again"
            )
        weights: dict[str, Tensor] = load_file(path)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    except SafetensorError as error:
        raise BundleError(f"{path} is not a safetensors file: {error}") from error
    return weights


def _check_fit(path: Path, weights: Mapping[str, "Tensor"], outline: "nn.Module") -> None:
    expected, stored = _describe(outline.state_dict()), _describe(weights)
    for name in sorted(expected.keys() | stored.keys()):
        if expected.get(name) != stored.get(name):
            raise BundleError(
                f"{path} does not fit the network of {MODEL_FILE}: {name} is "
                f"{stored.get(name, 'missing')}, the network's is {expected.get(name, 'missing')}"
            )


def _describe(weights: Mapping[str, "Tensor"]) -> dict[str, str]:
    """Shape and kind of number of each tensor, by name."""
    return {
        name: f"{'float' if str(tensor.dtype) in FLOATS else tensor.dtype} {list(tensor.shape)}"
        for name, tensor in weights.items()
    }


def _check_finite(path: Path, weights: Mapping[str, "Tensor"]) -> None:
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(tensor.float().isfinite().all()):
            raise BundleError(f"{path}: {name} holds values that are not finite")
