"""Objects become cells at their position on the slide; doubtful objects are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.classes import BETHESDA
from service.errors import DatasetError
from service.exports.frame import Frame, Origin
from service.exports.geojson import write_geojson
from service.pipeline.cell_ids import identify_cells
from service.pipeline.types import CellSource, Detections, SlideInfo
from service.training_fields.annotations import drop_ignored_cells, place_annotations
from service.training_fields.features import read_features
from service.training_fields.types import Annotations, CutOptions
from tests.service.training_fields.objects import make_info, make_object, ring, write_objects

WITH_BOUNDS = make_info(bounds=(100, 50, 3000, 2000))


def place(path: Path, info: SlideInfo | None = None, **options: Any) -> Annotations:
    return place_annotations(read_features(path), info or make_info(), CutOptions(**options))


def test_a_cell_is_the_box_around_its_outline_and_its_nucleus_is_kept(tmp_path: Path) -> None:
    cell = make_object(kind="cell", nucleusGeometry=None)
    cell["geometry"]["coordinates"] = [[[10, 20], [40, 10], [50, 60], [10, 20]]]
    cell["nucleusGeometry"] = {"type": "Polygon", "coordinates": ring(20, 20, 30, 40)}
    annotations = place(write_objects(tmp_path / "a.geojson", cell))
    assert annotations.bbox_xyxy.tolist() == [[10, 10, 50, 60]]
    assert annotations.nucleus_xy.tolist() == [[25, 30]]


def test_every_point_is_a_cell_of_the_requested_size(tmp_path: Path) -> None:
    points = {"type": "MultiPoint", "coordinates": [[100, 200], [300, 400]]}
    path = write_objects(
        tmp_path / "a.geojson",
        make_object(geometry=points),
        make_object(geometry={"type": "Point", "coordinates": [50, 60]}, classification="HSIL"),
    )
    annotations = place(path, point_size_um=20.0)
    assert annotations.bbox_xyxy.tolist()[0] == [60, 160, 140, 240]
    assert annotations.nucleus_xy.tolist() == [[100, 200], [300, 400], [50, 60]]
    assert annotations.class_name == ("NILM", "NILM", "HSIL")


@pytest.mark.parametrize("origin", ["slide", "bounds"])
def test_exported_cells_are_read_back_at_their_position(tmp_path: Path, origin: Origin) -> None:
    box = np.array([[500, 600, 580, 680]], np.float32)
    detections = Detections(
        box,
        np.ones(1, np.float32),
        np.array([2], np.int16),
        np.zeros(1, np.int32),
        np.eye(6, dtype=np.float32)[[2]],
    )
    source = CellSource("a" * 64, "sha256:" + "b" * 64, WITH_BOUNDS.mpp)
    frame = Frame(BETHESDA, WITH_BOUNDS, origin, source, "not a diagnosis")
    path = tmp_path / "a.geojson"
    path.write_bytes(b"".join(write_geojson(identify_cells(detections, source), frame)))
    assert place(path, WITH_BOUNDS).bbox_xyxy.tolist() == box.tolist()
    wrong_origin = "slide" if origin == "bounds" else "bounds"
    with pytest.raises(DatasetError, match="leave --origin out"):
        place(path, WITH_BOUNDS, origin=wrong_origin)


def test_bounds_need_a_stated_origin(tmp_path: Path) -> None:
    path = write_objects(tmp_path / "a.geojson", make_object((0, 0, 80, 80)))
    with pytest.raises(DatasetError, match="--origin bounds where QuPath wrote"):
        place(path, WITH_BOUNDS)
    assert place(path, WITH_BOUNDS, origin="bounds").bbox_xyxy.tolist() == [[100, 50, 180, 130]]
    assert place(path, WITH_BOUNDS, origin="slide").bbox_xyxy.tolist() == [[0, 0, 80, 80]]
    for origin in ("slide", "bounds"):
        assert place(path, origin=origin).bbox_xyxy.tolist() == [[0, 0, 80, 80]]


def test_only_annotations_mark_regions(tmp_path: Path) -> None:
    path = write_objects(
        tmp_path / "a.geojson",
        make_object((0, 0, 990, 990), "Done"),
        make_object((300, 300, 380, 380), "Done", kind="detection"),
        make_object(),
    )
    annotations = place(path, roi_class="Done")
    assert len(annotations.regions) == 1
    assert annotations.class_name == ("Done", "NILM")
    assert len(place(path).class_name) == 3
    with pytest.raises(DatasetError, match=r"class 'Other'.* Done \(2\), NILM \(1\)"):
        place(path, roi_class="Other")


def test_regions_move_with_the_origin(tmp_path: Path) -> None:
    path = write_objects(tmp_path / "a.geojson", make_object((0, 0, 1000, 900), "Done"))
    (region,) = place(path, WITH_BOUNDS, origin="bounds", roi_class="Done").regions
    assert region.bounds == (100, 50, 1100, 950)


def test_classes_are_renamed_or_left_out(tmp_path: Path) -> None:
    path = write_objects(
        tmp_path / "a.geojson",
        make_object(classification={"name": "low", "color": [1, 2, 3]}),
        make_object(classification="dirt"),
        make_object((300, 300, 380, 380)),
    )
    annotations = place(path, renames={"low": "LSIL", "dirt": ""})
    assert annotations.class_name == ("LSIL", "NILM")
    assert annotations.colors == {"LSIL": (1, 2, 3)}
    assert annotations.file_names == {"low", "dirt", "NILM"}


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([make_object(classification=None)] * 3, "object 1 .*no classification, nor have 2 more"),
        ([make_object((5, 5, 5.5, 80))], "less than a pixel"),
        ([make_object(), make_object((3990, 0, 4090, 80))], "1 of 2 cells lie outside.*object 2"),
        ([make_object((-100, 0, -20, 80))], "outside the slide of 4000x3000 px.*--origin"),
    ],
)
def test_object_that_cannot_be_a_cell_is_named(tmp_path: Path, objects: Any, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        place(write_objects(tmp_path / "a.geojson", *objects))


def test_a_cell_at_the_edge_may_reach_beyond_it(tmp_path: Path) -> None:
    path = write_objects(tmp_path / "a.geojson", make_object((-30, 100, 50, 180)))
    assert place(path).bbox_xyxy[0, 0] == -30


def test_no_object_is_no_cell(tmp_path: Path) -> None:
    assert place(write_objects(tmp_path / "a.geojson")).bbox_xyxy.shape == (0, 4)


def test_ignored_classes_are_neither_cells_nor_background(tmp_path: Path) -> None:
    path = write_objects(
        tmp_path / "a.geojson", make_object(), make_object((0, 0, 900, 700), "Ignore*")
    )
    annotations = place(path)
    assert annotations.class_name == ("NILM",)
    assert [shape.bounds for shape in annotations.ignored] == [(0, 0, 900, 700)]
    without = drop_ignored_cells(annotations)
    assert without.class_name == ()
    assert without.warnings == ("1 cells in ignored areas are left out",)


def test_rulers_are_named_or_left_out(tmp_path: Path) -> None:
    ruler = {"type": "LineString", "coordinates": [[10, 10], [90, 90]]}
    path = write_objects(
        tmp_path / "a.geojson", make_object(), make_object(geometry=ruler, classification="Ruler")
    )
    with pytest.raises(DatasetError, match=r"object 2 .*geometry LineString.* --map Ruler="):
        place(path)
    assert place(path, renames={"Ruler": ""}).class_name == ("NILM",)


def test_objects_without_a_class_are_left_out_on_request(tmp_path: Path) -> None:
    ruler = {"type": "LineString", "coordinates": [[10, 10], [90, 90]]}
    path = write_objects(
        tmp_path / "a.geojson", make_object(), make_object(geometry=ruler, classification=None)
    )
    annotations = place(path, leaves_out_unclassified=True)
    assert annotations.class_name == ("NILM",)
    assert annotations.warnings == ("1 objects without a class are left out",)


def test_duplicate_of_a_cell_is_dropped(tmp_path: Path) -> None:
    path = write_objects(
        tmp_path / "a.geojson",
        make_object(),
        make_object((300, 300, 380, 380)),
        make_object((101, 99, 181, 179), kind="detection"),
    )
    annotations = place(path)
    assert annotations.bbox_xyxy[:, 0].tolist() == [100, 300]
    assert annotations.warnings == ("1 cells are listed twice and taken once",)


def test_a_cell_with_two_classes_is_refused(tmp_path: Path) -> None:
    path = write_objects(
        tmp_path / "a.geojson", make_object(), make_object(classification="HSIL", kind="detection")
    )
    with pytest.raises(DatasetError, match=r"object 1 .*'NILM' and object 2 .*'HSIL': delete one"):
        place(path)


def test_coordinates_that_look_like_um_are_refused_until_units_are_stated(tmp_path: Path) -> None:
    path = write_objects(tmp_path / "a.geojson", make_object((25, 50, 45, 70)))
    with pytest.raises(DatasetError, match=r"20.0 px across, 5.0 µm.*--units um"):
        place(path)
    assert place(path, units="um").bbox_xyxy.tolist() == [[100, 200, 180, 280]]
    assert place(path, units="px").bbox_xyxy.tolist() == [[25, 50, 45, 70]]


@pytest.mark.parametrize(
    "boxes", [[(2500, 2000, 2520, 2020), (25, 50, 45, 70)], [(25, 50, 65, 90)]]
)
def test_small_cells_elsewhere_and_usual_cells_are_px(tmp_path: Path, boxes: Any) -> None:
    path = write_objects(tmp_path / "a.geojson", *map(make_object, boxes))
    assert place(path).bbox_xyxy.tolist() == [list(box) for box in boxes]


def test_a_derived_class_of_an_ignored_one_is_ignored(tmp_path: Path) -> None:
    path = write_objects(
        tmp_path / "a.geojson", make_object(), make_object((0, 0, 900, 700), "Ignore*: NILM")
    )
    assert len(place(path).ignored) == 1


def test_an_outline_too_large_for_a_cell_is_refused(tmp_path: Path) -> None:
    path = write_objects(
        tmp_path / "a.geojson", make_object(), make_object((0, 0, 2000, 1500), "Tissue")
    )
    with pytest.raises(DatasetError, match=r"object 2 .* 500 µm .*--roi Tissue.*--map Tissue="):
        place(path)
    assert place(path, renames={"Tissue": ""}).class_name == ("NILM",)
