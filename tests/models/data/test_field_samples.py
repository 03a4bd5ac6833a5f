"""Fields are decoded when used, and what is held stays within its limit."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.data import field_samples
from models.data.coco import Field
from models.data.field_samples import FieldSamples, list_labels
from models.data.resample import Sample, resample_field
from models.errors import DatasetError

SIDE = 40


def make_fields(folder: Path, num: int) -> list[Field]:
    fields = []
    for index in range(num):
        path = folder / f"{index}.png"
        cv2.imwrite(str(path), np.full((SIDE, SIDE, 3), index, np.uint8))
        bbox = np.array([[5, 5, 15, 15]], np.float32)
        label = np.array([index], np.int16)
        fields.append(Field(path, SIDE, SIDE, 0.25, None, bbox, label, bbox[:, :2]))
    return fields


def test_samples_are_the_resampled_fields_whatever_is_held(tmp_path: Path) -> None:
    fields = make_fields(tmp_path, 12)
    samples = FieldSamples(fields, 0.5, max_held_bytes=3 * (SIDE // 2) ** 2 * 3)
    order = np.random.default_rng(0).integers(12, size=200).tolist()
    with ThreadPoolExecutor(4) as pool:
        for index, sample in zip(order, pool.map(samples.__getitem__, order), strict=True):
            expected = resample_field(fields[index], 0.5)
            assert np.array_equal(sample.pixels, expected.pixels)
            assert np.array_equal(sample.bbox_xyxy, expected.bbox_xyxy)
    assert 0 < samples.held_bytes <= 3 * (SIDE // 2) ** 2 * 3


def test_labels_are_listed_without_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(field: Field, mpp: float) -> Sample:
        raise AssertionError("decoded")

    monkeypatch.setattr(field_samples, "resample_field", refuse)
    samples = FieldSamples(make_fields(tmp_path, 3), 0.5)
    assert [label.tolist() for label in list_labels(samples)] == [[0], [1], [2]]


def test_held_fields_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def note(field: Field, mpp: float) -> Sample:
        decoded.append(field.path.name)
        return resample_field(field, mpp)

    monkeypatch.setattr(field_samples, "resample_field", note)
    samples = FieldSamples(make_fields(tmp_path, 3), 0.25)
    for index in (0, 1, 0, 1, 2, 0, -1):
        samples[index]
    assert decoded == ["0.png", "1.png", "2.png"]


def test_check_names_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    fields = make_fields(tmp_path, 3)
    fields[1].path.write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"1\.png cannot be decoded"):
        FieldSamples(fields, 0.25).check()
