"""A device or engine that cannot be used is refused by name, before anything is loaded."""

import subprocess
import sys

import pytest
import torch

from models.errors import BundleError
from models.inference.devices import EngineName, check_device, choose_device

NO_GPU = not torch.cuda.is_available()


@pytest.mark.parametrize("device", ["", "gpu", "CPU", "tpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0"])
def test_a_name_that_is_none_is_refused_with_those_there_are(device: str) -> None:
    with pytest.raises(BundleError, match=f"no device '{device}': use auto, cpu, cuda, or cuda:0"):
        check_device("auto", device)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:3"])
def test_openvino_runs_on_the_cpu_alone(device: str) -> None:
    with pytest.raises(BundleError, match=f"'openvino' runs on the CPU, not on '{device}'"):
        check_device("openvino", device)


@pytest.mark.skipif(not NO_GPU, reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_gpu_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(BundleError, match=f"'{device}' is asked for, but torch sees no GPU"):
        choose_device("torch", device)


@pytest.mark.skipif(NO_GPU, reason="no GPU")
def test_a_gpu_beyond_the_last_is_refused() -> None:
    with pytest.raises(BundleError, match="the last of"):
        check_device("torch", "cuda:99")


@pytest.mark.parametrize("engine", ["auto", "torch", "openvino"])
def test_the_cpu_is_there_always(engine: EngineName) -> None:
    assert choose_device(engine, "cpu") == "cpu"
    assert choose_device("openvino", "auto") == "cpu"
    assert choose_device(engine, "auto") in ("cpu", "cuda")


def test_names_are_checked_without_torch() -> None:
    program = (
        "import sys; from models.inference.devices import check_device\n"
        "check_device('auto', 'cpu'); check_device('auto', 'auto')\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
