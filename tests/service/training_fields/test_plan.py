"""Every cell belongs to a single field, and its box converts back to its place on the slide."""

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.errors import DatasetError
from service.pipeline.tissue import TissueMask
from service.training_fields.plan import (
    blank_ignored,
    find_downsample,
    plan_around_cells,
    plan_negatives,
    plan_regions,
)
from service.training_fields.types import CutOptions, LabelledSlide, PlannedField
from tests.service.training_fields.objects import make_info, make_slide

WIDTH, HEIGHT = 3000, 2000

boxes = st.lists(
    st.builds(
        lambda x, y, w, h: (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
        st.floats(0, WIDTH - 0.01),
        st.floats(0, HEIGHT - 0.01),
        st.floats(1, 300),
        st.floats(1, 300),
    ),
    max_size=30,
)
options = st.builds(
    CutOptions,
    mpp=st.sampled_from([None, 0.2, 0.25, 0.4, 0.5, 1.37]),
    size_px=st.integers(64, 1500),
    roi_class=st.just("Done"),
)


def cells_of(fields: list[PlannedField]) -> list[int]:
    return sorted(index for field in fields for index in field.cells.tolist())


def check_boxes(slide: LabelledSlide, fields: list[PlannedField]) -> None:
    """Boxes of the fields, back in level-0 px, are the drawn boxes clipped to the field."""
    for field in fields:
        drawn = slide.annotations.bbox_xyxy[field.cells]
        corner = np.array([field.x, field.y] * 2)
        bbox_field = field.bbox_xyxy_field(drawn)
        assert (bbox_field >= 0).all()
        assert (bbox_field <= [*field.size_px] * 2).all()
        assert (bbox_field[:, 2:] > bbox_field[:, :2]).all()
        back = bbox_field / np.tile(field.scale_xy, 2) + corner
        within = np.clip(drawn, corner, corner + [field.width, field.height] * 2)
        assert np.abs(back - within).max(initial=0) < 1


@given(boxes, options)
def test_every_cell_of_a_slide_belongs_to_a_single_square(
    drawn: Any, cut_options: CutOptions
) -> None:
    slide = make_slide(drawn, make_info(WIDTH, HEIGHT))
    fields = plan_around_cells(slide, 0, cut_options)
    assert cells_of(fields) == list(range(len(drawn)))
    assert all(len(field.cells) and field.size_px == (cut_options.size_px,) * 2 for field in fields)
    check_boxes(slide, fields)
    area = shapely.union_all([to_box(field) for field in fields]).area
    assert area == pytest.approx(sum(to_box(field).area for field in fields))


@settings(deadline=None)
@given(boxes, options, st.lists(boxes.filter(bool), min_size=1, max_size=3))
def test_every_cell_of_a_region_belongs_to_a_single_part(
    drawn: Any, cut_options: CutOptions, outlines: Any
) -> None:
    regions = tuple(
        shapely.MultiPoint(np.reshape(outline, (-1, 2))).buffer(40).convex_hull
        for outline in outlines
    )
    slide = make_slide(drawn, make_info(WIDTH, HEIGHT), regions=regions)
    fields = plan_regions(slide, 0, cut_options)
    centre = slide.annotations.centre_xy
    inside = shapely.intersects_xy(shapely.union_all(regions), centre[:, 0], centre[:, 1])
    assert cells_of(fields) == np.flatnonzero(inside).tolist()
    check_boxes(slide, fields)
    side = cut_options.size_px * find_downsample(slide.info, cut_options.mpp)
    assert all(max(field.width, field.height) <= side + 1 for field in fields)
    labelled = [to_box(field) if field.region is None else field.region for field in fields]
    total = sum(area.area for area in labelled)
    assert shapely.union_all(labelled).area == pytest.approx(total, rel=1e-3)


def to_box(field: PlannedField) -> shapely.Polygon:
    return shapely.box(field.x, field.y, field.x + field.width, field.y + field.height)


@pytest.mark.parametrize(
    ("slide_mpp", "mpp", "downsample"),
    [(0.25, None, 1.0), (0.5, None, 1.0), (0.125, None, 2.0), (0.5, 0.25, 0.5), (0.252, 0.25, 1.0)],
)
def test_fields_are_no_finer_than_the_slide_unless_asked(
    slide_mpp: float, mpp: float | None, downsample: float
) -> None:
    assert find_downsample(make_info(mpp=slide_mpp), mpp) == downsample


def test_a_region_is_cut_in_equal_parts_without_a_rest() -> None:
    slide = make_slide([], regions=(shapely.box(100, 100, 1300, 1100),))
    fields = plan_regions(slide, 0, CutOptions(size_px=512, roi_class="Done"))
    assert [(field.width, field.height) for field in fields] == [(400, 500)] * 6
    assert all(field.region is None for field in fields)


def test_parts_beside_the_region_are_left_out_or_blanked() -> None:
    triangle = shapely.Polygon([(0, 0), (1000, 0), (0, 1000)])
    slide = make_slide([[480, 480, 500, 500]], regions=(triangle,))
    fields = plan_regions(slide, 0, CutOptions(size_px=250, roi_class="Done"))
    assert len(fields) == 10
    assert sum(field.region is not None for field in fields) == 4
    assert cells_of(fields) == [0]


def test_a_region_may_reach_beyond_the_slide_but_not_lie_there() -> None:
    slide = make_slide([], regions=(shapely.box(-50, -50, 300, 300),))
    (field,) = plan_regions(slide, 0, CutOptions(roi_class="Done"))
    assert (field.x, field.y, field.width, field.height) == (0, 0, 300, 300)
    slide = make_slide([], regions=(shapely.box(-50, -50, 0, 300),))
    with pytest.raises(DatasetError, match="'Done' have no area on the slide of 4000x3000"):
        plan_regions(slide, 0, CutOptions(roi_class="Done"))


def test_a_cell_where_two_regions_touch_belongs_to_a_single_field() -> None:
    corners = (shapely.box(0, 0, 100, 100), shapely.box(100, 100, 200, 200))
    slide = make_slide([[80, 80, 120, 120]], regions=corners)
    assert cells_of(plan_regions(slide, 0, CutOptions(roi_class="Done"))) == [0]


def mask_of(tissue: NDArray[np.bool_]) -> TissueMask:
    return TissueMask(tissue, 500.0)


def test_negatives_are_tissue_and_clear_of_cells() -> None:
    tissue = np.zeros((6, 8), np.bool_)
    tissue[:, 4:] = True
    slide = make_slide([[2100, 100, 2180, 180], [2980, 980, 3060, 1060]])
    cut_options = CutOptions(size_px=500, num_negatives=30)
    fields = plan_negatives(slide, 0, cut_options, mask_of(tissue))
    places = {(field.y // 500, field.x // 500) for field in fields}
    cells = {(0, 4), (1, 5), (1, 6), (2, 5), (2, 6)}
    assert places == {(row, column) for row in range(6) for column in range(4, 8)} - cells
    few_negatives = CutOptions(size_px=500, num_negatives=3)
    chosen = plan_negatives(slide, 0, few_negatives, mask_of(tissue))
    assert len(chosen) == 3
    again = plan_negatives(slide, 0, few_negatives, mask_of(tissue))
    assert [(field.x, field.y) for field in chosen] == [(field.x, field.y) for field in again]


def test_ignored_areas_are_blanked_and_fields_of_nothing_else_left_out() -> None:
    slide = make_slide([(100, 100, 180, 180), (1100, 100, 1180, 180)])
    fields = plan_around_cells(slide, 0, CutOptions(size_px=1000))
    empty = PlannedField(0, 2000, 0, 1000, 1000, (1000, 1000), np.zeros(0, np.int64))
    ignored = shapely.box(1500, 0, 3000, 1000)
    beside, partly = blank_ignored([*fields, empty], (ignored,))
    assert beside.region is None
    assert partly.region is not None
    assert partly.region.bounds == (1000, 0, 1500, 1000)
