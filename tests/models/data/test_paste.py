"""Pasted cells lie where no cell was, under a box of their own, without a seam."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.paste import CutOut, cut_rare_cells, paste_cells
from models.data.resample import Sample


def field(num_cells: int = 2, label: int = 1) -> Sample:
    """A grey field with dark discs of radius 8 in boxes of 20 px, along a row."""
    pixels = np.full((200, 200, 3), 180, np.uint8)
    y, x = np.mgrid[:200, :200]
    centres = [(40 + 50 * index, 60) for index in range(num_cells)]
    for cx, cy in centres:
        pixels[(x - cx) ** 2 + (y - cy) ** 2 <= 64] = 60
    boxes = np.array([[cx - 10, cy - 10, cx + 10, cy + 10] for cx, cy in centres], np.float32)
    return Sample(pixels, boxes.reshape(-1, 4), np.full(num_cells, label, np.int16))


def test_only_cells_of_rare_classes_that_lie_inside_are_cut_out() -> None:
    common = field(2, label=0)
    many = Sample(common.pixels, np.repeat(common.bbox_xyxy, 200, 0), np.repeat(common.label, 200))
    at_edge = Sample(common.pixels, np.array([[0, 0, 20, 20]], np.float32), np.ones(1, np.int16))
    cuts = cut_rare_cells([many, at_edge, field(3)], 2)
    assert [cut.label for cut in cuts] == [1, 1, 1]
    assert all(cut.pixels.shape == (36, 36, 3) and cut.pixels[18, 18, 0] == 60 for cut in cuts)
    assert cut_rare_cells([], 2) == []


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_a_pasted_cell_is_in_its_box_and_touches_no_other(seed: int) -> None:
    sample, cuts = field(), cut_rare_cells([field()], 2)
    pasted = paste_cells(sample, cuts, np.random.default_rng(seed))
    assert np.array_equal(pasted.bbox_xyxy[:2], sample.bbox_xyxy)
    assert pasted.label.tolist() == [1] * len(pasted.bbox_xyxy)
    for index, (x1, y1, x2, y2) in enumerate(pasted.bbox_xyxy):
        inside = pasted.pixels[int(y1) : int(y2), int(x1) : int(x2), 0]
        assert inside[10, 10] < 100, "the nucleus is in the middle of its box"
        for x3, y3, x4, y4 in np.delete(pasted.bbox_xyxy, index, axis=0):
            assert x2 <= x3 or x4 <= x1 or y2 <= y3 or y4 <= y1
    outside = pasted.pixels[:, :, 0] != sample.pixels[:, :, 0]
    for x1, y1, x2, y2 in pasted.bbox_xyxy:
        outside[int(y1) - 8 : int(y2) + 8, int(x1) - 8 : int(x2) + 8] = False
    assert not outside.any(), "pixels away from cells stay as they are"


def test_on_another_background_nothing_is_pasted() -> None:
    dark = field()
    dark.pixels[:] = dark.pixels // 2
    pasted = paste_cells(dark, cut_rare_cells([field()], 2), np.random.default_rng(0))
    assert len(pasted.label) == 2


def test_no_seam_shows_where_backgrounds_differ_a_little() -> None:
    cut = cut_rare_cells([field()], 2)
    sample = field(0)
    sample.pixels[:] += 12
    pasted = paste_cells(sample, cut, np.random.default_rng(1))
    assert len(pasted.label) >= 1
    values = pasted.pixels[:, :, 0].astype(int)
    nucleus = values < 150
    assert nucleus.any()
    background = values[~nucleus]
    assert background.min() >= 180, "the pasted background takes the field's level"


def test_a_cut_out_larger_than_the_crop_is_left_out() -> None:
    huge = CutOut(np.zeros((300, 300, 3), np.uint8), (200.0, 200.0), 1)
    assert len(paste_cells(field(), [huge], np.random.default_rng(0)).label) == 2
    sample = field()
    assert paste_cells(sample, [], np.random.default_rng(0)) is sample


def test_a_cell_with_a_labelled_neighbour_is_not_cut_out() -> None:
    alone = field(1)
    near = alone.bbox_xyxy + np.array([12, 0, 12, 0], np.float32)
    both = Sample(alone.pixels, np.vstack([alone.bbox_xyxy, near]), np.array([1, 0], np.int16))
    assert len(cut_rare_cells([alone], 2)) == 1
    assert cut_rare_cells([both], 2) == []


def test_a_box_that_is_not_square_turns_with_its_pixels() -> None:
    pixels = np.full((36, 36, 3), 180, np.uint8)
    pixels[14:22, 8:28] = 60  # a bar, 20 px wide and 8 px high
    bar = CutOut(pixels, (20.0, 8.0), 1)
    shapes = set()
    for seed in range(12):
        pasted = paste_cells(field(0), [bar], np.random.default_rng(seed))
        for x1, y1, x2, y2 in pasted.bbox_xyxy:
            dark = pasted.pixels[int(y1) + 1 : int(y2) - 1, int(x1) + 1 : int(x2) - 1, 0] < 100
            assert dark.mean() > 0.8, "the box is full of its bar"
            shapes.add((x2 - x1) > (y2 - y1))
    assert shapes == {True, False}
