"""Two processes learn together: each from its own crops, and both end with one network."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.bundle.find import read_info
from models.data.coco import read_coco
from models.data.resample import resample_field
from models.training.epochs import Epochs
from models.training.ranks import Ranks
from tests.models.small_training import make_config, write_fields

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys, torch
from pathlib import Path
from models.training.run import TrainOptions, learn
from models.data.coco import read_coco
from models.training.validation import detect_held_out
from tests.models.small_training import make_config

torch.set_num_threads(1)
options = TrainOptions("small", 1, "cpu", 1, 1)
data, run_dir, mode = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
if mode == "train":
    from models.training.run import run_training
    run_training(make_config(denoise_epochs=1), data, run_dir, options)
else:
    learned = learn(make_config(denoise_epochs=1), read_coco(data), run_dir, options)
    rank = "first" if learned.is_first else "second"
    torch.save(learned.network.state_dict(), run_dir / f"{rank}.pt")
"""


def torchrun(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*start, str(script), *arguments]
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )


def test_every_process_has_as_many_batches_and_no_crop_twice(tmp_path: Path) -> None:
    fields = read_coco(write_fields(tmp_path / "fields", num_fields=10))
    samples = [resample_field(field, 0.5) for field in fields.fields]
    config = make_config(phantom_fraction=0.0, repeat_threshold=0.0, epochs=1)

    def batches(ranks: Ranks) -> list[bytes]:
        epochs = Epochs(config, samples, [], 2, 0, 1, ranks=ranks)
        batches = [pixels.numpy().tobytes() for pixels, _, _ in epochs.batches(0)]
        assert len(batches) == epochs.count_iterations()
        return batches

    alone = batches(Ranks())
    first, second = batches(Ranks(0, 2)), batches(Ranks(1, 2))
    assert len(alone) == 5
    assert [batch for pair in zip(first, second, strict=True) for batch in pair] == alone[:4]


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights_and_the_first_writes(tmp_path: Path) -> None:
    import torch

    fields = write_fields(tmp_path / "fields", num_fields=12)
    run_dir = tmp_path / "run"
    done = torchrun(str(fields), str(run_dir), "learn", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (
        torch.load(run_dir / f"{name}.pt", weights_only=True) for name in ("first", "second")
    )
    parameters = [name for name in first if "running" not in name]
    assert all(torch.equal(first[name], second[name]) for name in parameters)
    done = torchrun(str(fields), str(run_dir), "train", folder=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert [cell_class.name for cell_class in read_info(str(run_dir / "bundle")).classes] == [
        "NILM",
        "HSIL",
    ]
