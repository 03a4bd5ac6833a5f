"""Fields with one class for the whole field: are more cells called abnormal where it is abnormal?

For preparations that nobody drew boxes on, such as the liquid-based fields of Hussain et al., Data
in Brief 30 (2020). Nothing is learned from them.

    python -m benchmarks.whole_fields FOLDER --mpp 0.17 --detector default --detector fast
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from models.bundle.load import load_detector
from models.data.coco import Field
from models.data.resample import resample_field
from models.detector import Detector
from models.errors import DatasetError
from models.measure.evaluate import make_tile

NEGATIVE = "NILM"


@dataclass(frozen=True)
class FieldCount:
    """What a detector reports on one field.

    Attributes:
        file_name: of the image.
        field_class: of the whole field.
        num_cells: reported, of any class.
        num_abnormal: of these.
        expected_abnormal: sum of the probabilities of the abnormal ones.
    """

    file_name: str
    field_class: str
    num_cells: int
    num_abnormal: int
    expected_abnormal: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints one JSON object by detector: the AUC, and the counts behind it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with images and fields.json")
    parser.add_argument("--mpp", type=float, required=True, help="µm/px of the images")
    parser.add_argument("--detector", action="append", required=True, help="a name or a folder")
    parser.add_argument("--fields", action="store_true", help="print the count of every field too")
    given = parser.parse_args(arguments)
    for name in given.detector:
        counts = count_fields(load_detector(name), given.folder, given.mpp)
        shown = {"detector": name} | summarise(counts)
        if given.fields:
            shown["fields"] = [asdict(count) for count in counts]
        print(json.dumps(shown))


def count_fields(detector: Detector, folder: Path, mpp: float) -> list[FieldCount]:
    """What the detector reports on every field of the folder, each read whole.

    Args:
        detector: at its own thresholds.
        folder: with `fields.json`, a list of objects with `file_name` and `class`.
        mpp: µm/px of the images.

    Raises:
        DatasetError: an image cannot be read.
    """
    info = detector.info
    is_abnormal = np.array([cell_class.is_abnormal for cell_class in info.classes])
    counts = []
    for entry in json.loads((folder / "fields.json").read_text(encoding="utf-8")):
        sample = resample_field(_read_field(folder / entry["file_name"], mpp), info.input.mpp)
        cells = detector.detect(make_tile(sample.pixels))
        scores = cells.score[is_abnormal[cells.label]]
        counts.append(
            FieldCount(
                file_name=entry["file_name"],
                field_class=entry["class"],
                num_cells=len(cells.label),
                num_abnormal=len(scores),
                expected_abnormal=round(float(scores.sum()), 3),
            )
        )
    return counts


def summarise(counts: Sequence[FieldCount]) -> dict[str, object]:
    """AUC of negative fields against all others, by expected and by counted abnormal cells.

    Raises:
        DatasetError: there are no negative fields, or no others.
    """
    is_positive = np.array([count.field_class != NEGATIVE for count in counts], bool)
    expected = np.array([count.expected_abnormal for count in counts])
    counted = np.array([count.num_abnormal for count in counts])
    classes = sorted({count.field_class for count in counts})
    medians = {
        name: float(np.median([c.num_abnormal for c in counts if c.field_class == name]))
        for name in classes
    }
    return {
        "auc_expected_abnormal": _auc(expected, is_positive),
        "auc_num_abnormal": _auc(counted, is_positive),
        "num_fields": len(counts),
        "median_num_abnormal": medians,
        "median_num_cells": float(np.median([count.num_cells for count in counts])),
    }


def _auc(value: NDArray[Any], is_positive: NDArray[np.bool_]) -> float:
    """The chance that a positive field has the higher value; ties count half."""
    num_positive, num_negative = int(is_positive.sum()), int((~is_positive).sum())
    if num_positive == 0 or num_negative == 0:
        raise DatasetError(
            f"{num_negative} fields are {NEGATIVE} and {num_positive} are not: an AUC needs both"
        )
    u_statistic = mannwhitneyu(value[is_positive], value[~is_positive]).statistic
    return round(float(u_statistic) / (num_positive * num_negative), 4)


def _read_field(path: Path, mpp: float) -> Field:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise DatasetError(f"{path} cannot be read as an image: is the file whole?")
    height, width = pixels.shape[:2]
    none = np.zeros((0, 4), np.float32)
    return Field(path, width, height, mpp, None, none, np.zeros(0, np.int16), none[:, :2])


if __name__ == "__main__":
    main()
