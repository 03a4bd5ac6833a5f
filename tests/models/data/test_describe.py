"""What is said of a data set before training: counts, sizes, and what is too little."""

from pathlib import Path

import numpy as np

from models.classes import BETHESDA
from models.data.coco import Field, FieldSet
from models.data.describe import describe_fields, describe_folds


def field(
    sides: list[float], labels: list[int], mpp: float | None = 0.25, fold: int | None = 0
) -> Field:
    bbox = np.array([[5, 5, 5 + side, 5 + side] for side in sides], np.float32).reshape(-1, 4)
    label = np.array(labels, np.int16)
    return Field(Path("a.png"), 200, 200, mpp, fold, bbox, label, bbox[:, :2])


def test_sizes_are_told_by_class_in_um_and_at_the_scale_of_the_detector() -> None:
    fields = FieldSet((field([40.0] * 20 + [80.0] * 30, [0] * 20 + [1] * 30),), BETHESDA[:2])
    assert list(describe_fields(fields, 0.5)) == [
        "1 fields, 50 cells: NILM 20, ASC-US 30",
        "box sides, median (5-95 %): 20.0 (10.0-20.0) µm, 40.0 (20.0-40.0) px of 0.5 µm",
        "  NILM: 10.0 (10.0-10.0) µm, 20.0 (20.0-20.0) px of 0.5 µm",
        "  ASC-US: 20.0 (20.0-20.0) µm, 40.0 (40.0-40.0) px of 0.5 µm",
    ]


def test_fields_without_a_scale_are_told_in_px() -> None:
    fields = FieldSet((field([40.0] * 20, [0] * 20, mpp=None),), BETHESDA[:1])
    assert list(describe_fields(fields))[1] == (
        "box sides, median (5-95 %): unknown µm, 40.0 (40.0-40.0) px"
    )


def test_classes_with_few_cells_are_warned_of() -> None:
    fields = FieldSet((field([40.0] * 20, [0] * 19 + [1]),), BETHESDA[:3])
    assert [line for line in describe_fields(fields) if line.startswith("warning")] == [
        "warning: 19 cells of NILM are too few to learn or to measure it",
        "warning: 1 cells of ASC-US are too few to learn or to measure it",
        "warning: 0 cells of LSIL are too few to learn or to measure it",
    ]


def test_no_cell_has_no_size() -> None:
    lines = list(describe_fields(FieldSet((field([], []),), BETHESDA[:1])))
    assert lines[0] == "1 fields, 0 cells: NILM 0"
    assert len(lines) == 2


def test_folds_are_counted() -> None:
    fields = (field([9.0], [0]), field([9.0, 9.0], [0, 0], fold=1), field([], [], fold=None))
    assert describe_folds(FieldSet(fields, BETHESDA[:1])) == (
        "fields/cells by fold: none: 1/0, 0: 1/1, 1: 1/2"
    )


def test_folds_that_share_a_slide_are_warned_of() -> None:
    none = np.zeros((0, 4), np.float32)
    apart, shared = (
        FieldSet(
            tuple(
                Field(Path("a.png"), 9, 9, 0.25, fold, none, none[:, 0].astype(int), none, slide)
                for fold, slide in enumerate(slides)
            ),
            (),
        )
        for slides in (("a.svs", "b.svs", None), ("a.svs", "a.svs", "b.svs"))
    )
    assert "warning" not in describe_folds(apart)
    assert "1 slides, a.svs for one, lie in several folds" in describe_folds(shared)
