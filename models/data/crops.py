"""Training crops of an epoch, reproducible from (seed, epoch, position) alone.

So a resumed run has the same crops as an uninterrupted run, with any number of workers.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.data.augment import Augmentation, change_look, crop_sample
from models.data.field_samples import list_labels
from models.data.paste import CutOut, paste_cells
from models.data.resample import Sample
from models.data.sampling import draw_epoch, repeat_factors

#: pixels (3, S, S) uint8, boxes (N, 4) float32 xyxy in crop px, labels (N,) int64
Crop = tuple[Tensor, Tensor, Tensor]


class EpochCrops(Dataset[Crop]):
    """The crops of one epoch, in order.

    Args:
        fields: labelled samples at the detector's µm/px.
        phantoms: drawn samples that are mixed in; may be empty.
        num_classes: C.
        crop_px: side S of a crop.
        cuts: rare cells to paste; may be empty.
        phantom_fraction: of the crops; 0 where there are no phantoms.
        paste_fraction: of the crops, with rare cells pasted in.
        repeat_threshold: see `models/data/sampling.py`.
        augmentation: how far crops are changed.
        seed, epoch: fix every random choice.
    """

    def __init__(
        self,
        fields: Sequence[Sample],
        phantoms: Sequence[Sample],
        cuts: Sequence[CutOut] = (),
        *,
        num_classes: int,
        crop_px: int,
        phantom_fraction: float,
        paste_fraction: float = 0.0,
        repeat_threshold: float,
        augmentation: Augmentation,
        seed: int,
        epoch: int,
    ) -> None:
        rng = np.random.default_rng([seed, epoch])
        factors = repeat_factors(list_labels(fields), num_classes, repeat_threshold)
        chosen = [(fields, int(index)) for index in draw_epoch(factors, rng)]
        if phantoms and phantom_fraction > 0:
            num_phantoms = round(len(chosen) * phantom_fraction / (1 - phantom_fraction))
            drawn = rng.integers(len(phantoms), size=num_phantoms)
            chosen += [(phantoms, int(index)) for index in drawn]
        self._samples = [chosen[index] for index in rng.permutation(len(chosen))]
        self._cuts = cuts
        self._paste_fraction = paste_fraction
        self._crop_px = crop_px
        self._augmentation = augmentation
        self._seed = (seed, epoch)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Crop:
        rng = np.random.default_rng([*self._seed, index])
        samples, place = self._samples[index]
        crop = crop_sample(samples[place], self._crop_px, self._augmentation, rng)
        if self._cuts and rng.random() < self._paste_fraction:
            crop = paste_cells(crop, self._cuts, rng)
        pixels = change_look(crop.pixels, self._augmentation, rng)
        return (
            torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))),
            torch.from_numpy(crop.bbox_xyxy),
            torch.from_numpy(crop.label.astype(np.int64)),
        )


def collate_crops(crops: list[Crop]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """A batch: pixels (B, 3, S, S) uint8, then boxes and labels as lists of B tensors."""
    pixels, boxes, labels = zip(*crops, strict=True)
    return torch.stack(list(pixels)), list(boxes), list(labels)
