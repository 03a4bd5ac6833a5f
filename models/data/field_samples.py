"""Labelled fields as training samples, decoded when they are used and held within a limit."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from models.data.coco import Field
from models.data.resample import Sample, resample_field

#: Decoded pixels that are held: about 700 fields of 1024 px; more are decoded again in every epoch.
MAX_HELD_BYTES = 2 << 30


class FieldSamples(Sequence[Sample]):
    """Fields at a detector's µm/px; those used last are held. Safe to use from several threads.

    Args:
        fields: labelled.
        mpp: µm/px of the samples.
        max_held_bytes: of pixels held; the sample in use may be larger.
    """

    def __init__(
        self, fields: Sequence[Field], mpp: float, max_held_bytes: int = MAX_HELD_BYTES
    ) -> None:
        self._fields = fields
        self._mpp = mpp
        self._max_held_bytes = max_held_bytes
        self._held: OrderedDict[int, Sample] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._fields)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        """The sample of a field.

        Raises:
            DatasetError: the image cannot be read.
        """
        if isinstance(index, slice):
            return FieldSamples(self._fields[index], self._mpp, self._max_held_bytes)
        index = range(len(self))[index]
        with self._lock:
            if index in self._held:
                self._held.move_to_end(index)
                return self._held[index]
        sample = resample_field(self._fields[index], self._mpp)
        with self._lock:
            self._hold(index, sample)
        return sample

    @property
    def held_bytes(self) -> int:
        """Of the pixels that are held now."""
        return self._held_bytes

    @property
    def labels(self) -> list[NDArray[np.int16]]:
        """One (N_i,) per field; nothing is decoded for them."""
        return [field.label for field in self._fields]

    def check(self) -> None:
        """Decodes every field once, so that one that cannot be read stops no training half-way.

        Raises:
            DatasetError: names the image.
        """
        for index in range(len(self)):
            self[index]

    def _hold(self, index: int, sample: Sample) -> None:
        if index in self._held or sample.pixels.nbytes > self._max_held_bytes:
            return
        self._held[index] = sample
        self._held_bytes += sample.pixels.nbytes
        while self._held_bytes > self._max_held_bytes:
            _, dropped = self._held.popitem(last=False)
            self._held_bytes -= dropped.pixels.nbytes


def list_labels(samples: Sequence[Sample]) -> list[NDArray[np.int16]]:
    """One (N_i,) int16 array per sample, without decoding what is not held."""
    if isinstance(samples, FieldSamples):
        return samples.labels
    return [sample.label for sample in samples]
