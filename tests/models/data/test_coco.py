"""Labelled fields are read as they stand, and what is wrong with them is named."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.data.coco import read_coco
from models.data.field_pixels import check_images, read_field_pixels
from models.errors import DatasetError

Content = dict[str, Any]


@pytest.fixture
def content() -> Content:
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 60, "height": 40, "mpp": 0.25, "fold": 0},
            {"id": 2, "file_name": "b.png", "width": 60, "height": 40, "mpp": 0.25, "fold": 1},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 9, "bbox": [10, 10, 8, 8], "iscrowd": 0},
            {
                "id": 2,
                "image_id": 1,
                "category_id": 4,
                "bbox": [50, 30, 20, 20],
                "nucleus": [58, 38],
            },
        ],
        "categories": [{"id": 9, "name": "LSIL"}, {"id": 4, "name": "NILM"}],
    }


def write(folder: Path, content: Content) -> Path:
    (folder / "images").mkdir()
    for image in content.get("images", []):
        if isinstance(image, dict) and "file_name" in image:
            pixels = np.zeros((40, 60, 3), np.uint8)
            pixels[:, :, 2] = 200
            cv2.imwrite(str(folder / "images" / Path(image["file_name"]).name), pixels)
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def test_fields_carry_labels_boxes_folds_and_scale(tmp_path: Path, content: Content) -> None:
    fields = read_coco(write(tmp_path, content))
    assert [cell_class.name for cell_class in fields.classes] == ["NILM", "LSIL"]
    first = fields.fields[0]
    assert first.label.tolist() == [1, 0]
    assert (first.mpp, first.fold) == (0.25, 0)
    assert fields.count_cells().tolist() == [1, 1]


def test_boxes_are_clipped_to_the_field_but_the_nucleus_is_kept(
    tmp_path: Path, content: Content
) -> None:
    first = read_coco(write(tmp_path, content)).fields[0]
    assert first.bbox_xyxy[1].tolist() == [50, 30, 60, 40]
    assert first.centre_xy.tolist() == [[14, 14], [58, 38]]


def test_pixels_are_rgb(tmp_path: Path, content: Content) -> None:
    field = read_coco(write(tmp_path, content)).fields[0]
    assert read_field_pixels(field)[0, 0].tolist() == [200, 0, 0]


def test_bethesda_classes_get_their_colour_and_severity(tmp_path: Path, content: Content) -> None:
    classes = read_coco(write(tmp_path, content)).classes
    assert [cell_class.is_abnormal for cell_class in classes] == [False, True]


def test_folds_split_the_fields(tmp_path: Path, content: Content) -> None:
    fields = read_coco(write(tmp_path, content))
    assert [field.fold for field in fields.only_fold(1).fields] == [1]
    assert [field.fold for field in fields.without_fold(1).fields] == [0]
    with pytest.raises(DatasetError, match=r"fold 7.*\[0, 1\]"):
        fields.only_fold(7)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("images", None, "images"),
        ("images", [{"id": 1}], "file_name"),
        ("images", [{"id": 1, "file_name": "../x.png", "width": 1, "height": 1}], "does not exist"),
        ("annotations", [{"id": 3, "image_id": 8, "category_id": 4}], "no image 8"),
        ("annotations", [{"id": 3, "image_id": 1, "category_id": 5}], "category 5"),
        ("annotations", [{"id": 3, "image_id": 1, "category_id": 4, "bbox": [1]}], "annotation 3"),
        (
            "annotations",
            [{"id": 3, "image_id": 1, "category_id": 4, "bbox": [70, 0, 5, 5]}],
            "no area inside",
        ),
        (
            "annotations",
            [{"id": 3, "image_id": 1, "category_id": 4, "bbox": [1, 1, float("nan"), 5]}],
            "no area",
        ),
        ("categories", [], "no categories"),
        ("categories", [{"id": 4, "name": "a"}, {"id": 4, "name": "b"}], "not unique"),
    ],
)
def test_wrong_entries_are_named(
    tmp_path: Path, content: Content, key: str, value: object, message: str
) -> None:
    content[key] = value
    folder = tmp_path
    (folder / "images").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / "images" / name), np.zeros((40, 60, 3), np.uint8))
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=message):
        read_coco(folder)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("key", "place", "changes", "words"),
    [
        ("annotations", 1, {"id": 1}, "'annotations' are not unique: 1 stands there 2 times"),
        ("images", 1, {"id": 1}, "'images' are not unique"),
        ("images", 1, {"id": "1"}, "all whole numbers or all strings"),
        ("images", 1, {"id": [1]}, "all whole numbers or all strings"),
        ("categories", 1, {"id": None}, "all whole numbers or all strings"),
        ("categories", 1, {"name": "LSIL"}, "two categories are named 'LSIL'"),
        ("categories", 1, {"name": ""}, "category 4: name is '', but must be a name; give it one"),
        ("categories", 1, {"color": [1, 2]}, "category 4: color is .1, 2."),
        ("categories", 1, {"color": [1, 2, 300]}, "category 4: color"),
        ("categories", 1, {"color": "red"}, "category 4: color is 'red'"),
        ("categories", 1, {"severity": "low"}, "category 4: severity is 'low'"),
        ("categories", 1, {"severity": -1}, "category 4: severity is -1"),
        ("annotations", 1, {"category_id": 5}, "annotation 2: no category 5: the ids are 4, 9"),
        ("annotations", 1, {"category_id": [4]}, "annotation 2: no category"),
        ("annotations", 1, {"image_id": {}}, "annotation 2: no image"),
        ("annotations", 1, {"image_id": 3}, "annotation 2: no image 3: the ids are 1, 2"),
        ("annotations", 1, {"bbox": [0, 0, INF, 5]}, "annotation 2: bbox .* is not finite"),
        ("annotations", 1, {"bbox": [-INF, 0, 5, 5]}, "annotation 2: bbox .* is not finite"),
        ("annotations", 1, {"bbox": [NAN, 0, 5, 5]}, "annotation 2: bbox .* is not finite"),
        ("annotations", 1, {"bbox": [10**400, 0, 5, 5]}, "annotation 2: bbox"),
        ("annotations", 1, {"bbox": [0, 0, 0, 5]}, "no area inside its 60x40 px image: correct"),
        ("annotations", 1, {"bbox": [0, 0, 5, -5]}, "no area inside its 60x40 px image: correct"),
        ("annotations", 1, {"bbox": [60, 0, 5, 5]}, "no area inside its 60x40 px image: correct"),
        ("annotations", 1, {"bbox": None}, "annotation 2: bbox is None, but must be"),
        ("annotations", 1, {"bbox": ["1", 0, 5, 5]}, "annotation 2: bbox .* but must be"),
        ("annotations", 1, {"nucleus": [1]}, "annotation 2: nucleus is .1., but must be"),
        ("annotations", 1, {"nucleus": [1, NAN]}, "annotation 2: nucleus"),
        (
            "images",
            1,
            {"width": 0},
            "must be whole px above zero",
        ),
        (
            "images",
            1,
            {"height": 40.5},
            "must be whole px above zero",
        ),
        (
            "images",
            1,
            {"height": NAN},
            "must be whole px above zero",
        ),
        (
            "images",
            1,
            {"width": "60"},
            "must be whole px above zero",
        ),
        ("images", 1, {"file_name": "gone.png"}, "gone.png' does not exist .*: put the image"),
        ("images", 1, {"file_name": "a\0.png"}, "image 2: .*does not exist"),
        ("images", 1, {"file_name": ""}, "image 2: .*does not exist"),
        ("images", 1, {"mpp": 0}, "image 2: mpp is 0, but must be µm per px"),
        ("images", 1, {"mpp": NAN}, "image 2: mpp is nan"),
        ("images", 1, {"mpp": "0.25"}, "image 2: mpp is '0.25'"),
        ("images", 1, {"fold": "a"}, "image 2: fold is 'a'"),
        ("images", 1, {"fold": 0.5}, "image 2: fold is 0.5"),
    ],
)
def test_every_wrong_value_is_named_with_its_remedy(
    tmp_path: Path, content: Content, key: str, place: int, changes: Content, words: str
) -> None:
    folder = write(tmp_path, content)
    content[key][place] |= changes
    (folder / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=words):
        read_coco(folder)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"images": "\xe9"}', "byte 12 is not UTF-8; save it as UTF-8"),
        (b"{", "cannot be read as JSON"),
        (b"[" * 200_000, "cannot be read as JSON"),
        (b"[]", "top level must be an object .* not list"),
        (b'{"categories": [], "images": {}}', "lists no categories"),
        (b'{"categories": [{"id": 1}], "images": []}', "lists no images"),
        (b'{"categories": [3]}', "'categories' must be a list of objects with an 'id'"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "annotations.json").write_bytes(data)
    with pytest.raises(DatasetError, match=words):
        read_coco(tmp_path)


def test_ids_may_be_strings(tmp_path: Path, content: Content) -> None:
    for key, names in (("images", ("id",)), ("annotations", ("image_id",))):
        for entry in content[key]:
            entry |= {name: str(entry[name]) for name in names}
    assert read_coco(write(tmp_path, content)).num_cells == 2


def test_images_are_checked_before_they_are_read(tmp_path: Path, content: Content) -> None:
    content["images"][1]["height"] = 41
    fields = read_coco(write(tmp_path, content))
    with pytest.raises(DatasetError, match=r"b\.png is 60x40 px, but .* 60x41: correct its entry"):
        check_images(fields)
    check_images(fields.only_fold(0))
    fields.fields[0].path.write_bytes(b"not an image")
    with pytest.raises(DatasetError, match=r"a\.png cannot be decoded as an image: replace it"):
        check_images(fields)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        read_coco(tmp_path)
    (tmp_path / "annotations.json").write_text("{")
    with pytest.raises(DatasetError, match="cannot be read as JSON"):
        read_coco(tmp_path)


def test_an_image_of_another_size_or_damaged_is_named(tmp_path: Path, content: Content) -> None:
    content["images"][0]["width"] = 61
    field = read_coco(write(tmp_path, content)).fields[0]
    with pytest.raises(DatasetError, match="60x40 px, but"):
        read_field_pixels(field)
    field.path.write_bytes(b"not an image")
    with pytest.raises(DatasetError, match="cannot be decoded"):
        read_field_pixels(field)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_an_image_that_is_cut_off_is_named_before_it_is_read(
    suffix: str, tmp_path: Path, content: Content
) -> None:
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace("png", suffix)
    fields = read_coco(write(tmp_path, content))
    check_images(fields)
    path = fields.fields[1].path
    content = path.read_bytes()
    path.write_bytes(content + b"what a camera adds")
    check_images(fields)
    path.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(DatasetError, match=rf"b\.{suffix} (is cut off|cannot be decoded)"):
        check_images(fields)


def test_an_image_may_be_a_link(tmp_path: Path, content: Content) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    write(data, content)
    (data / "images").rename(elsewhere)
    (data / "images").mkdir()
    for name in ("a.png", "b.png"):
        (data / "images" / name).symlink_to(elsewhere / name)
    assert len(read_coco(data).fields) == 2
    content["images"][0]["file_name"] = "../../elsewhere/a.png"
    (data / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"elsewhere/a\.png' does not exist in"):
        read_coco(data)


def test_a_fold_where_there_are_none_is_answered_with_what_to_do(
    tmp_path: Path, content: Content
) -> None:
    for image in content["images"]:
        del image["fold"]
    with pytest.raises(DatasetError, match=r'fold 0: .* states none: give every image its "fold"'):
        read_coco(write(tmp_path, content)).only_fold(0)


def test_a_file_of_two_images_is_refused(tmp_path: Path, content: Content) -> None:
    content["images"][1]["file_name"] = "./a.png"
    with pytest.raises(DatasetError, match=r"images 1 and 2 are one file"):
        read_coco(write(tmp_path, content))


def test_a_cell_of_two_classes_is_refused(tmp_path: Path, content: Content) -> None:
    content["annotations"].append(content["annotations"][0] | {"id": 3, "category_id": 4})
    with pytest.raises(DatasetError, match=r"annotations 1 and 3 have the same box"):
        read_coco(write(tmp_path, content))
