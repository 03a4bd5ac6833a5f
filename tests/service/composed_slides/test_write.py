"""A written slide shows its pieces where its truth says, and the pipeline counts the same cells."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.classes import BETHESDA
from models.data.coco import FieldSet
from models.phantom import read_truth
from service.composed_slides.check import check_written_slides
from service.composed_slides.compose import SlideSpec, draw_pieces
from service.composed_slides.detected_fields import detect_fields
from service.composed_slides.pieces import cut_pieces
from service.composed_slides.write import GLASS, MPP, ground_of, turn_boxes, write_slide
from service.errors import DatasetError
from service.pipeline.slide import open_slide
from tests.service.composed_slides.conftest import GREY, SpotDetector


def test_truth_lies_on_the_cells_and_counts_agree(fields: FieldSet, tmp_path: Path) -> None:
    detector = SpotDetector()
    detected = detect_fields(detector, fields, num_augmentations=1)
    pieces = cut_pieces(detected, BETHESDA)
    both = check_written_slides(tmp_path, detected, pieces, detector, (SlideSpec(60, 0.2),))
    assert [slide.on_glass for slide in both] == [False, True]
    checked = both[0]
    bbox, label = read_truth(checked.path.with_suffix(".truth.geojson"))
    assert np.bincount(label, minlength=6).tolist() == checked.true.tolist()
    with open_slide(checked.path) as slide:
        assert slide.info.vendor == "aperio"
        assert slide.info.mpp == MPP
        corner = slide.read_region(10, 10, 0, 1, 1)[0, 0].astype(int)
        assert np.abs(corner - ground_of(detected)).max() <= 3
        on_spot = []
        # Boxes are clipped to their pieces, so only whole ones have their cell in the middle.
        for (x1, y1, x2, y2), each in zip(bbox, label, strict=True):
            if min(x2 - x1, y2 - y1) > 79:
                pixels = slide.read_region(int((x1 + x2) / 2), int((y1 + y2) / 2), 0, 1, 1)
                on_spot.append(abs(int(pixels[0, 0, 0]) - GREY[each]) < 12)
    assert len(on_spot) > 10
    assert np.mean(on_spot) == 1.0
    # Cells cut by the edge of a piece may be counted or not.
    off = abs(int(checked.analysed.sum()) - int(checked.added.sum()))
    assert off <= max(3, 0.25 * checked.added.sum())


@given(x=st.integers(0, 6), y=st.integers(0, 4), turns=st.integers(0, 3), mirrored=st.booleans())
def test_boxes_turn_as_pictures_do(x: int, y: int, turns: int, mirrored: bool) -> None:
    picture = np.zeros((5, 7), bool)
    picture[y, x] = True
    turned = np.rot90(picture[:, ::-1] if mirrored else picture, turns)
    row, column = (int(each[0]) for each in np.nonzero(turned))
    box = turn_boxes(np.array([[x, y, x + 1, y + 1]], float), 7, 5, turns, mirrored)
    assert box[0].tolist() == [column, row, column + 1, row + 1]


def test_a_folder_that_cannot_be_written_is_named(fields: FieldSet, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    few = FieldSet(fields.fields[:6], fields.classes)
    detected = detect_fields(SpotDetector(), few, num_augmentations=1)
    pieces = cut_pieces(detected, BETHESDA)
    times = draw_pieces(pieces, BETHESDA, SlideSpec(30, 0.1), np.random.default_rng(0))
    with pytest.raises(DatasetError, match="cannot be written"):
        write_slide(blocked / "slide.svs", detected, pieces, times, BETHESDA, GLASS, seed=0)
