"""Writes detector bundles atomically; refuses to replace anything but a bundle."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from models.atomic_write import move_into_place
from models.bundle.description import BundleModel
from models.bundle.files import CARD_FILE, MODEL_FILE, WEIGHTS_FILE, hash_file
from models.errors import BundleError

if TYPE_CHECKING:
    from torch import Tensor


def write_bundle(
    folder: Path,
    model: dict[str, Any],
    weights: dict[str, "Tensor"],
    card: str,
    pictures: Mapping[str, bytes] | None = None,
    half: bool = False,
) -> BundleModel:
    """Writes a bundle atomically, replacing a bundle in the same folder.

    Args:
        folder: of the bundle.
        model: fields of `BundleModel` without `weights_sha256`.
        weights: by parameter name.
        card: Markdown: data and its citation, split, seed, command, metrics, limits.
        pictures: files that the card shows, by name.
        half: store kernels in float16, which halves the file; they are float32 again when loaded.

    Raises:
        BundleError: a value is wrong, the folder cannot be written, or it holds other things.
    """
    from safetensors import SafetensorError

    check_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    except OSError as error:
        raise BundleError(f"bundle {folder} cannot be written: {error}") from error
    try:
        _save_weights(part / WEIGHTS_FILE, weights, half)
        checked = BundleModel(**model, weights_sha256=hash_file(part / WEIGHTS_FILE))
        (part / MODEL_FILE).write_text(checked.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (part / CARD_FILE).write_text(card, encoding="utf-8")
        for name, content in (pictures or {}).items():
            (part / name).write_bytes(content)
        _make_readable(part)
        _put_in_place(part, folder)
    except ValidationError as error:
        raise BundleError(f"bundle {folder} would not be valid: {error}") from error
    except (OSError, SafetensorError) as error:
        raise BundleError(f"bundle {folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return checked


def check_replaceable(folder: Path) -> None:
    """Refuses a folder that holds something else than a bundle, since its content would be lost.

    Raises:
        BundleError: the path is a file, or a folder that holds more than a bundle's files.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BundleError(f"{folder} is a file: name a folder for the bundle")
    names = sorted(path.name for path in folder.iterdir())
    known = {MODEL_FILE, WEIGHTS_FILE, CARD_FILE}
    foreign = [name for name in names if name not in known and not name.endswith(".png")]
    if foreign or (names and MODEL_FILE not in names):
        raise BundleError(
            f"{folder} is no bundle, it holds {', '.join((foreign or names)[:3])}: name another "
            "folder, for a bundle replaces all that is there"
        )


def _save_weights(path: Path, weights: Mapping[str, "Tensor"], half: bool) -> None:
    from safetensors.torch import save_file
    from torch import contiguous_format

    # Copies, since safetensors refuses a tensor under several names, as heads that share weights
    # between levels have.
    tensors = {
        name: _halve(tensor.detach().cpu(), half).clone(memory_format=contiguous_format)
        for name, tensor in weights.items()
    }
    save_file(tensors, path)


def _make_readable(folder: Path) -> None:
    """Lets everybody read the bundle: mkdtemp and safetensors make private files."""
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def _halve(tensor: "Tensor", half: bool) -> "Tensor":
    """A kernel in float16 if `half`; norms, biases and values out of range stay unchanged."""
    if not half or tensor.ndim < 2 or not tensor.is_floating_point():
        return tensor
    short = tensor.half()
    return short if bool(short.isfinite().all()) else tensor


def _put_in_place(part: Path, folder: Path) -> None:
    """Moves `part` to `folder`; the old content is deleted only after the new one is in place."""
    old = part.with_name(part.name + ".old")
    if folder.exists():
        os.replace(folder, old)
    try:
        move_into_place(part, folder)
    except OSError:
        if old.exists():
            os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
