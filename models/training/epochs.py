"""Batches of any epoch of a run, each epoch reproducible by itself."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
from torch import Tensor
from torch.utils.data import DataLoader

from models.config import TrainConfig
from models.data.augment import Augmentation
from models.data.crops import EpochCrops, collate_crops
from models.data.resample import Sample

#: pixels (B, 3, S, S) uint8; B tensors (N_i, 4) of boxes; B tensors (N_i,) of labels
Batch = tuple[Tensor, list[Tensor], list[Tensor]]


@dataclass(frozen=True)
class Epochs:
    """All crops of a run.

    Attributes:
        config: complete.
        samples: labelled fields at the detector's µm/px.
        phantoms: drawn fields that are mixed in.
        num_classes: C.
        seed: of the run.
        num_workers: processes that prepare crops; their number changes no crop.
    """

    config: TrainConfig
    samples: Sequence[Sample]
    phantoms: Sequence[Sample]
    num_classes: int
    seed: int
    num_workers: int

    def crops(self, epoch: int) -> EpochCrops:
        """The crops of one epoch, in order."""
        return EpochCrops(
            self.samples,
            self.phantoms,
            num_classes=self.num_classes,
            crop_px=self.config.train.crop_px,
            phantom_fraction=self.config.train.phantom_fraction,
            repeat_threshold=self.config.train.repeat_threshold,
            augmentation=Augmentation(**self.config.augment.model_dump()),
            seed=self.seed,
            epoch=epoch,
        )

    def batches(self, epoch: int) -> Iterable[Batch]:
        """Batches of one epoch; a last one of a single crop is left out.

        Batch norm cannot learn from one crop of one position.
        """
        crops = self.crops(epoch)
        size = self.config.train.batch_size
        return DataLoader(
            crops,
            batch_size=size,
            num_workers=self.num_workers,
            collate_fn=collate_crops,
            drop_last=_leaves_one(len(crops), size),
            worker_init_fn=_use_one_thread,
        )

    def count_iterations(self) -> int:
        """Iterations of the whole run."""
        size = self.config.train.batch_size
        lengths = [len(self.crops(epoch)) for epoch in range(self.config.train.epochs)]
        return sum(
            length // size if _leaves_one(length, size) else math.ceil(length / size)
            for length in lengths
        )


def _leaves_one(length: int, size: int) -> bool:
    return length > size and length % size == 1


def _use_one_thread(worker: int) -> None:
    cv2.setNumThreads(1)
