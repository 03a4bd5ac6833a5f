"""Fields are written completely or not at all, and read back as they were cut."""

import errno
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.data.coco import read_coco
from models.data.field_pixels import read_field_pixels
from service.errors import DatasetError, MppMissingError, NoSpaceError, NotASlideError
from service.pipeline.slide import open_slide
from service.training_fields import CutOptions, Source, cut_fields, find_annotations
from tests.service.pipeline.conftest import damage_tiles
from tests.service.small_slide import draw_slide
from tests.service.training_fields.objects import make_object, write_objects


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """A slide of 1024 px at 0.5 µm/px with cells in three quarters, including a cell on a seam."""
    slide = draw_slide(tmp_path / "a.svs", 1024)
    objects = [
        make_object((100, 100, 140, 140)),
        make_object((480, 200, 530, 240), "HSIL"),
        make_object((600, 100, 640, 140)),
        make_object((700, 700, 740, 740)),
    ]
    return Source(slide, write_objects(tmp_path / "a.geojson", *objects))


OPTIONS = CutOptions(size_px=512, num_folds=2)


def test_fields_show_the_slide_and_training_reads_them(source: Source, tmp_path: Path) -> None:
    progress: list[tuple[str, int, int]] = []
    report = cut_fields([source], tmp_path / "out", OPTIONS, lambda *step: progress.append(step))
    fields = read_coco(tmp_path / "out")
    assert (
        [cell_class.name for cell_class in report.classes]
        == ["NILM", "HSIL"]
        == [cell_class.name for cell_class in fields.classes]
    )
    assert [len(field.label) for field in fields.fields] == [2, 1, 1]
    first = fields.fields[0]
    assert (first.width, first.height, first.mpp) == (512, 512, 0.5)
    assert first.bbox_xyxy.tolist() == [[100, 100, 140, 140], [480, 200, 512, 240]]
    assert first.centre_xy.tolist() == [[120, 120], [505, 220]]
    with open_slide(source.slide) as slide:
        assert np.array_equal(read_field_pixels(first), slide.read_region(0, 0, 0, 512, 512))
    assert progress[0] == ("Reading", 0, 1)
    assert progress[-1] == ("Cutting", 3, 3)
    (image, *_) = json.loads((tmp_path / "out/annotations.json").read_text())["images"]
    assert (image["slide"], image["x"], image["y"]) == ("a", 0, 0)
    assert not list((tmp_path / "out").glob(".*"))


def test_a_cell_on_a_seam_is_blanked_where_it_is_not_labelled(
    source: Source, tmp_path: Path
) -> None:
    cut_fields([source], tmp_path / "out", OPTIONS)
    own, beside, _ = (read_field_pixels(field) for field in read_coco(tmp_path / "out").fields)
    with open_slide(source.slide) as slide:
        neighbour = slide.read_region(512, 0, 0, 512, 512)
        assert (beside[200:240, :18] == slide.info.background_rgb).all()
        assert np.array_equal(own, slide.read_region(0, 0, 0, 512, 512))
    changed = (beside != neighbour).any(axis=2)
    assert changed.any()
    changed[200:240, :18] = False
    assert not changed.any()


def test_a_labelled_cell_is_not_blanked_by_its_neighbour_on_the_seam(
    source: Source, tmp_path: Path
) -> None:
    content = json.loads(source.annotations.read_text())
    write_objects(source.annotations, *content["features"], make_object((510, 210, 560, 250)))
    cut_fields([source], tmp_path / "out", OPTIONS)
    beside = read_field_pixels(read_coco(tmp_path / "out").fields[1])
    with open_slide(source.slide) as slide:
        assert np.array_equal(beside[210:250, :48], slide.read_region(512, 210, 0, 48, 40))


def test_coarser_fields_are_resampled(source: Source, tmp_path: Path) -> None:
    cut_fields([source], tmp_path / "out", CutOptions(mpp=2.0, size_px=256, num_folds=1))
    (field,) = read_coco(tmp_path / "out").fields
    assert (field.width, field.mpp, field.fold) == (256, 2.0, 0)
    assert field.bbox_xyxy[0].tolist() == [25, 25, 35, 35]
    assert read_field_pixels(field)[128, 128].tolist() == pytest.approx([205, 150, 190], abs=15)


def test_area_outside_of_a_region_is_blanked(source: Source, tmp_path: Path) -> None:
    content = json.loads(source.annotations.read_text())
    region = make_object(classification="Done")
    region["geometry"]["coordinates"] = [[[80, 80], [480, 80], [80, 480], [80, 80]]]
    write_objects(source.annotations, *content["features"], region)
    options = CutOptions(size_px=512, roi_class="Done")
    report = cut_fields([source], tmp_path / "out", options)
    (field,) = read_coco(tmp_path / "out").fields
    assert (field.width, field.height, len(field.label)) == (400, 400, 1)
    pixels = read_field_pixels(field)
    assert (pixels[300:, 300:] == 255).all()
    assert pixels[:150, :150].max() < 245
    assert report.warnings == ("a: 3 cells outside of all regions are left out",)


def test_negatives_are_added_where_there_is_tissue(source: Source, tmp_path: Path) -> None:
    options = CutOptions(size_px=256, num_negatives=100, num_folds=1)
    report = cut_fields([source], tmp_path / "out", options)
    fields = read_coco(tmp_path / "out").fields
    assert sum(not len(field.label) for field in fields) == 16 - 4
    assert report.warnings == ("a: only 12 fields of tissue without a cell are found",)


def test_damaged_fields_are_left_out_with_a_warning(source: Source, tmp_path: Path) -> None:
    damage_tiles(source.slide, 0, 1)
    report = cut_fields([source], tmp_path / "out", OPTIONS)
    assert report.warnings == ("1 fields with 2 cells are damaged and left out",)
    assert len(read_coco(tmp_path / "out").fields) == 2
    damage_tiles(source.slide, 0, 16)
    with pytest.raises(DatasetError, match="none of 3 fields can be read"):
        cut_fields([source], tmp_path / "none", OPTIONS)
    assert not (tmp_path / "none").exists()


def fail_after(number: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = Path.write_bytes, []

    def write(path: Path, data: bytes) -> int:
        calls.append(path)
        if len(calls) > number:
            raise OSError(code, "it failed")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [(errno.ENOSPC, NoSpaceError, "free some space"), (errno.EIO, DatasetError, "name another")],
)
@pytest.mark.parametrize("existed", [False, True])
def test_a_full_disk_leaves_nothing(
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    error: type[Exception],
    words: str,
    existed: bool,
) -> None:
    output = tmp_path / "out"
    if existed:
        output.mkdir()
    fail_after(1, code, monkeypatch)
    with pytest.raises(error, match=words):
        cut_fields([source], output, OPTIONS)
    assert output.exists() == existed
    assert not existed or not list(output.iterdir())


def test_an_interrupted_run_leaves_nothing(source: Source, tmp_path: Path) -> None:
    def interrupt(step: str, num_done: int, num_total: int) -> None:
        if (step, num_done) == ("Cutting", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_fields([source], tmp_path / "out", OPTIONS, interrupt)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_unchanged(source: Source, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes").touch()
    with pytest.raises(DatasetError, match="not empty"):
        cut_fields([source], tmp_path / "out", OPTIONS)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes"]


def test_slides_of_one_name_are_kept_apart_and_no_slide_is_taken_twice(
    source: Source, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    namesake = Source(draw_slide(tmp_path / "b/a.svs", 1024, seed=1), source.annotations)
    report = cut_fields([source, namesake], tmp_path / "out", OPTIONS)
    fields = read_coco(tmp_path / "out").fields
    assert [field.path.name[:6] for field in fields] == ["000-a_"] * 3 + ["001-a_"] * 3
    assert [field.fold for field in fields] == [0, 0, 0, 1, 1, 1]
    assert report.fold_rule.startswith("by slide")
    with pytest.raises(DatasetError, match="2 times"):
        cut_fields([source, source], tmp_path / "twice", OPTIONS)


def test_a_slide_without_a_cell_gives_a_warning(source: Source, tmp_path: Path) -> None:
    empty = Source(draw_slide(tmp_path / "e.svs", 512), write_objects(tmp_path / "e.geojson"))
    report = cut_fields([source, empty], tmp_path / "out", OPTIONS)
    assert report.warnings == ("e: no cell is labelled, so nothing is cut",)


def test_slides_that_cannot_be_opened_are_named(source: Source, tmp_path: Path) -> None:
    bare = Source(draw_slide(tmp_path / "bare.svs", 1024, mpp=None), source.annotations)
    with pytest.raises(MppMissingError, match=r"bare\.svs .*--slide-mpp"):
        cut_fields([bare], tmp_path / "out", OPTIONS)
    cut_fields([bare], tmp_path / "out", CutOptions(slide_mpp=0.5))
    assert read_coco(tmp_path / "out").fields[0].mpp == 0.5
    (tmp_path / "x.svs").write_bytes(b"%PDF")
    with pytest.raises(NotASlideError, match=r"x\.svs: the file is not a slide"):
        cut_fields([Source(tmp_path / "x.svs", source.annotations)], tmp_path / "o", OPTIONS)


@pytest.mark.parametrize("name", ["a.geojson", "a.geojson.gz", "a.svs.geojson", "a.svs.geojson.gz"])
def test_annotations_are_found_beside_the_slide(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert find_annotations(tmp_path / "a.svs") == tmp_path / name


def test_missing_annotations_are_expected_under_the_usual_name(tmp_path: Path) -> None:
    assert find_annotations(tmp_path / "a.svs") == tmp_path / "a.geojson"


def test_pictures_are_stored_without_loss(source: Source, tmp_path: Path) -> None:
    cut_fields([source], tmp_path / "out", OPTIONS)
    paths: list[Any] = sorted((tmp_path / "out/images").iterdir())
    assert {path.suffix for path in paths} == {".png"}
    assert cv2.imread(str(paths[0])).shape == (512, 512, 3)
