"""mmdet imports and runs without mmcv's compiled extension."""

import importlib.metadata
import subprocess
import sys

import pytest

from models.errors import UnsupportedOpError


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_mmcv_ops_imports_only_with_the_stand_in() -> None:
    code = (
        "from models.network.mmcv.extension import supply_missing_extension as s; "
        "s(); s(); import mmcv.ops"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_an_operation_that_is_not_supplied_says_so_by_name() -> None:
    import torch
    from mmcv.ops import soft_nms

    with pytest.raises(UnsupportedOpError, match="'softnms' needs mmcv's compiled extension"):
        soft_nms(torch.zeros(1, 4), torch.zeros(1))


def test_opencv_is_the_headless_build_and_loads_no_libgl() -> None:
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("opencv-python")
    done = run("import cv2; print(open('/proc/self/maps').read())")
    assert done.returncode == 0, done.stderr
    assert "libGL.so" not in done.stdout
