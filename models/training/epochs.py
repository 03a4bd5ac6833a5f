"""Batches of any epoch of a run, each epoch reproducible by itself."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from models.data.augment import Augmentation
from models.data.crops import Crop, EpochCrops, collate_crops
from models.data.paste import CutOut
from models.data.resample import Sample
from models.training.config import TrainConfig
from models.training.ranks import Ranks

#: pixels (B, 3, S, S) uint8; B tensors (N_i, 4) of boxes; B tensors (N_i,) of labels
Batch = tuple[Tensor, list[Tensor], list[Tensor]]

BATCHES_AHEAD = 3


@dataclass(frozen=True)
class Epochs:
    """All crops of a run.

    Attributes:
        config: complete.
        samples: labelled fields at the detector's µm/px.
        phantoms: drawn fields that are mixed in.
        num_classes: C.
        seed: of the run.
        num_workers: threads that prepare crops; their number changes no crop.
        cuts: rare cells that are pasted in.
        ranks: which share of the batches is this process's.
    """

    config: TrainConfig
    samples: Sequence[Sample]
    phantoms: Sequence[Sample]
    num_classes: int
    seed: int
    num_workers: int
    cuts: Sequence[CutOut] = ()
    ranks: Ranks = Ranks()  # noqa: RUF009

    @property
    def batch_shape(self) -> torch.Size:
        """(B, 3, S, S) of the pixels of all batches but the last of an epoch."""
        side = self.config.train.crop_px
        return torch.Size((self.config.train.batch_size, 3, side, side))

    def crops(self, epoch: int) -> EpochCrops:
        """The crops of one epoch, in order."""
        return EpochCrops(
            self.samples,
            self.phantoms,
            self.cuts,
            num_classes=self.num_classes,
            crop_px=self.config.train.crop_px,
            phantom_fraction=self.config.train.phantom_fraction,
            paste_fraction=self.config.train.paste_fraction,
            repeat_threshold=self.config.train.repeat_threshold,
            augmentation=Augmentation(**self.config.augment.model_dump()),
            seed=self.seed,
            epoch=epoch,
        )

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Batches of one epoch, prepared ahead of their use.

        A last one of a single crop is left out: batch norm cannot learn from it.
        """
        crops = self.crops(epoch)
        size = self.config.train.batch_size
        starts = range(0, len(crops) - int(_leaves_one(len(crops), size)), size)
        # As many batches for every process: the others would wait for one that has none.
        world = self.ranks.world
        starts = starts[self.ranks.rank : len(starts) // world * world : world]
        # Threads, not processes: OpenCV's and OpenMP's own threads do not survive a fork, and both
        # let go of the interpreter while they work.
        with ThreadPoolExecutor(self.num_workers) as pool:
            waiting: deque[list[Future[Crop]]] = deque()
            for start in starts:
                stop = min(start + size, len(crops))
                waiting.append([pool.submit(crops.__getitem__, i) for i in range(start, stop)])
                if len(waiting) > BATCHES_AHEAD:
                    yield _collect(waiting.popleft())
            while waiting:
                yield _collect(waiting.popleft())

    def count_iterations(self) -> int:
        """Iterations of the whole run, of each process."""
        size = self.config.train.batch_size
        lengths = [len(self.crops(epoch)) for epoch in range(self.config.train.epochs)]
        return sum(
            (length // size if _leaves_one(length, size) else math.ceil(length / size))
            // self.ranks.world
            for length in lengths
        )


def _leaves_one(length: int, size: int) -> bool:
    return length > size and length % size == 1


def _collect(crops: list[Future[Crop]]) -> Batch:
    return collate_crops([crop.result() for crop in crops])
