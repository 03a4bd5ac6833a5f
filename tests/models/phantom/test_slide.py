"""A phantom slide is an Aperio slide to OpenSlide, shows its truth, and repeats from its seed."""

import json
from pathlib import Path

import numpy as np
import openslide
import pytest

from models.errors import PhantomError
from models.phantom import PhantomSpec, draw_phantom, read_truth
from models.phantom.layout import lay_out
from models.phantom.render import make_scene, render_region

SPEC = PhantomSpec(
    seed=5, width=2300, height=1700, num_cells=60, mix={"NILM": 0.5, "HSIL": 0.3, "LSIL": 0.2}
)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phantom") / "slide.svs"
    draw_phantom(path, SPEC)
    return path


def test_openslide_opens_it_as_aperio_with_levels_and_scale(slide: Path) -> None:
    with openslide.OpenSlide(slide) as opened:
        assert opened.properties["openslide.vendor"] == "aperio"
        assert float(opened.properties["openslide.mpp-x"]) == 0.25
        assert opened.properties["openslide.objective-power"] == "40"
        assert opened.level_dimensions == ((2300, 1700), (575, 425))
        assert set(opened.associated_images) == {"thumbnail"}
        for level, (width, height) in enumerate(opened.level_dimensions):
            opened.read_region((0, 0), level, (width, height))


def test_lower_level_is_the_average_of_level_zero(slide: Path) -> None:
    with openslide.OpenSlide(slide) as opened:
        fine = np.asarray(opened.read_region((0, 0), 0, (2300, 1700)))[..., :3].astype(float)
        coarse = np.asarray(opened.read_region((0, 0), 1, (575, 425)))[..., :3].astype(float)
    averaged = fine.reshape(425, 4, 575, 4, 3).mean(axis=(1, 3))
    assert np.abs(averaged - coarse).mean() < 3.0


def test_truth_is_a_square_on_every_nucleus(slide: Path) -> None:
    bbox, label = read_truth(slide.with_suffix(".truth.geojson"))
    assert len(label) == SPEC.num_cells
    np.testing.assert_allclose(bbox[:, 2:] - bbox[:, :2], 20.4 / 0.25, atol=0.1)
    assert (bbox >= 0).all()
    assert (bbox[:, 2] <= SPEC.width).all()
    assert (bbox[:, 3] <= SPEC.height).all()
    with openslide.OpenSlide(slide) as opened:
        for x1, y1, x2, y2 in bbox:
            box = np.asarray(
                opened.read_region((int(x1), int(y1)), 0, (int(x2 - x1), int(y2 - y1)))
            )[..., :3].astype(float)
            middle = box[30:52, 30:52].mean()
            assert middle < np.percentile(box, 90) - 20


def test_truth_carries_class_and_colour_as_viewers_read_them(slide: Path) -> None:
    content = json.loads(slide.with_suffix(".truth.geojson").read_text())
    assert content["type"] == "FeatureCollection"
    feature = content["features"][0]
    assert feature["properties"]["objectType"] == "annotation"
    assert set(feature["properties"]["classification"]) == {"name", "color"}
    ring = feature["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    assert len({feature["id"] for feature in content["features"]}) == SPEC.num_cells


def test_classes_come_in_the_shares_asked_for(slide: Path) -> None:
    _, label = read_truth(slide.with_suffix(".truth.geojson"))
    assert np.bincount(label, minlength=6).tolist() == [30, 0, 12, 0, 18, 0]


def test_same_seed_same_file_other_seed_other_cells(slide: Path, tmp_path: Path) -> None:
    draw_phantom(tmp_path / "again.svs", SPEC)
    assert (tmp_path / "again.svs").read_bytes() == slide.read_bytes()
    draw_phantom(
        tmp_path / "other.svs",
        PhantomSpec(SPEC.seed + 1, SPEC.width, SPEC.height, SPEC.num_cells, SPEC.mix),
    )
    assert (tmp_path / "other.svs").read_bytes() != slide.read_bytes()


def test_a_region_is_the_same_however_the_slide_is_cut() -> None:
    objects = lay_out(3, 400.0, 300.0, 30, {"NILM": 1.0})
    scene = make_scene(3, objects, 0.25)
    full = render_region(scene, 0, 0, 800, 600)
    part = render_region(scene, 310, 170, 200, 150)
    difference = np.abs(full[170:320, 310:510].astype(int) - part)
    # Blurred sums are rounded in another order: one grey level at most.
    assert difference.max() <= 1


def test_a_slide_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    with pytest.raises(PhantomError, match="cannot be written"):
        draw_phantom(blocker / "slide.svs", SPEC)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_drawing_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_phantom(tmp_path / "slide.svs", SPEC, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_truth_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    path.write_text("{}")
    with pytest.raises(PhantomError, match=r"x\.geojson"):
        read_truth(path)
