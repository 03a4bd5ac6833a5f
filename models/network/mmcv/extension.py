"""Replaces mmcv's compiled extension `mmcv._ext`, which a plain install does not have.

Building it takes a compiler and a quarter of an hour, and the detectors use few of its operations.
mmcv's Python wrappers stay in use; the operations that they call are replaced here.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from models.errors import UnsupportedOpError
from models.network.mmcv import deform_conv, focal_loss, nms, roi_align

EXTENSION = "mmcv._ext"

SUPPLIED: dict[str, Callable[..., Any]] = {
    "nms": nms.nms,
    "sigmoid_focal_loss_forward": focal_loss.sigmoid_focal_loss_forward,
    "sigmoid_focal_loss_backward": focal_loss.sigmoid_focal_loss_backward,
    "deform_conv_forward": deform_conv.deform_conv_forward,
    "deform_conv_backward_input": deform_conv.deform_conv_backward_input,
    "deform_conv_backward_parameters": deform_conv.deform_conv_backward_parameters,
    "roi_align_forward": roi_align.roi_align_forward,
    "roi_align_backward": roi_align.roi_align_backward,
}


class ExtensionStandIn(ModuleType):
    """A module with every operation's name; operations outside SUPPLIED raise an error."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*args: object, **kwargs: object) -> Any:
            raise UnsupportedOpError(
                f"mmcv operation {name!r} needs mmcv's compiled extension: build onedl-mmcv with "
                f"MMCV_WITH_OPS=1, or use a detector that needs only {', '.join(sorted(SUPPLIED))}"
            )

        return refuse


def supply_missing_extension() -> bool:
    """Makes `import mmcv.ops` work; True if the compiled extension is missing and was replaced.

    Call it before mmdet or mmcv.ops is imported for the first time.
    """
    loaded = sys.modules.get(EXTENSION)
    if loaded is not None:
        return isinstance(loaded, ExtensionStandIn)
    if importlib.util.find_spec(EXTENSION) is not None:
        return False
    module = ExtensionStandIn(EXTENSION, __doc__)
    for name, operation in SUPPLIED.items():
        setattr(module, name, operation)
    sys.modules[EXTENSION] = module
    return True


def shorten_deform_conv() -> None:
    """Makes mmcv's `DeformConv2d` layers call `differentiable_deform_conv2d`.

    Does nothing where the compiled extension is installed. Call it after `mmcv.ops` is imported.
    """
    if isinstance(sys.modules.get(EXTENSION), ExtensionStandIn):
        layers = importlib.import_module("mmcv.ops.deform_conv")
        layers.deform_conv2d = deform_conv.differentiable_deform_conv2d  # type: ignore[attr-defined]
