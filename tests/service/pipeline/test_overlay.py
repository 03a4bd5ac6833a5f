"""The overlay shows every cell in its class's colour, and draws a damaged slide too."""

import numpy as np

from models.classes import BETHESDA
from service.pipeline.overlay import draw_overlay
from service.pipeline.overview import DAMAGED_GREY
from service.pipeline.slide import open_slide
from service.pipeline.types import Detections, no_detections
from tests.service.pipeline.conftest import MakeSlide, damage_tiles


def cells(boxes: list[list[float]], labels: list[int]) -> Detections:
    count = len(labels)
    return Detections(
        np.array(boxes, np.float32),
        np.full(count, 0.5, np.float32),
        np.array(labels, np.int16),
        np.zeros(count, np.int32),
        np.zeros((count, len(BETHESDA)), np.float32),
    )


def test_a_cell_is_framed_in_the_colour_of_its_class(make_slide: MakeSlide) -> None:
    glass = np.full((800, 1000, 3), 245, np.uint8)
    with open_slide(make_slide(glass)) as slide:
        picture = draw_overlay(
            slide, cells([[200, 200, 280, 280], [600, 400, 680, 480]], [4, 0]), BETHESDA, 500
        )
    assert picture.dtype == np.uint8
    assert picture.shape[1] == 500
    assert tuple(picture[120, 100]) == BETHESDA[4].color
    assert tuple(picture[220, 300]) == BETHESDA[0].color
    assert (picture[115:125, 110:130] > 230).all()


def test_an_abnormal_cell_is_not_hidden_by_a_normal_one(make_slide: MakeSlide) -> None:
    box = [200.0, 200.0, 280.0, 280.0]
    with open_slide(make_slide()) as slide:
        picture = draw_overlay(slide, cells([box, box], [4, 0]), BETHESDA, 500)
    assert tuple(picture[120, 100]) == BETHESDA[4].color


def test_a_slide_without_cells_has_a_legend_all_the_same(make_slide: MakeSlide) -> None:
    with open_slide(make_slide()) as slide:
        picture = draw_overlay(slide, no_detections(len(BETHESDA)), BETHESDA, 500)
    assert picture.shape[0] > 400


def test_damage_is_grey_and_the_rest_is_drawn(make_slide: MakeSlide) -> None:
    path = make_slide(np.full((1024, 1024, 3), 245, np.uint8), levels=())
    damage_tiles(path, 0, 2)
    with open_slide(path) as slide:
        picture = draw_overlay(slide, no_detections(len(BETHESDA)), BETHESDA, 256)
    assert (picture[:32, :64] == DAMAGED_GREY).all()
    assert (picture[64:256] > 230).all()
