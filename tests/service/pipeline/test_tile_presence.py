"""Tile tables say what a file holds; where there is none, the slide is asked."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.tile_presence import (
    SAMPLE_SIDE_PX,
    SampledPresence,
    TileTable,
    heaviest_in_squares,
    read_tile_tables,
)
from tests.service.pipeline.conftest import MakeSlide, spotted
from tests.service.pipeline.pyramids import displace_tile, shrink, write_pyramid


def test_a_table_says_which_tiles_are_in_the_file(tmp_path: Path) -> None:
    pixels = spotted(1000, 800)
    missing = {0: {(1, 2), (3, 3)}}
    path = write_pyramid(tmp_path / "a.tif", [pixels, shrink(pixels, 4)], missing)
    tables = read_tile_tables(path)
    assert set(tables) == {(1000, 800), (250, 200)}
    table = tables[1000, 800]
    assert np.argwhere(table.num_bytes == 0).tolist() == [[1, 2], [3, 3]]
    # The last tile of a row and column reaches beyond the slide, and is counted to its edge.
    assert table.num_absent_px == 256 * 256 + (1000 - 768) * (800 - 768)
    x, y = np.array([0, 600, 767, 999]), np.array([0, 300, 799, 799])
    assert table.held(x, y).tolist() == [True, False, True, False]


def test_a_tile_with_bytes_but_no_place_is_not_in_the_file(tmp_path: Path) -> None:
    path = write_pyramid(tmp_path / "a.tif", [spotted(1000, 800)])
    displace_tile(path, 0, 5)
    table = read_tile_tables(path)[1000, 800]
    assert not table.held(np.array([300]), np.array([300]))[0]
    assert table.has_misplaced(0, 0, 257, 257)
    assert not table.has_misplaced(0, 0, 255, 255)
    assert not table.has_misplaced(0, 0, 256, 256)
    assert table.has_misplaced(511, 511, 1, 1)
    assert not table.has_misplaced(512, 256, 256, 256)
    assert not table.has_misplaced(-300, -300, 200, 200)


def test_what_is_no_tiff_has_no_table(tmp_path: Path, make_slide: MakeSlide) -> None:
    path = tmp_path / "a.mrxs"
    path.write_bytes(b"not a TIFF")
    assert read_tile_tables(path) == {}
    assert (1000, 800) in read_tile_tables(make_slide())


def test_the_heaviest_tile_of_every_part_comes_first_by_weight() -> None:
    weights = np.ones((8, 8), np.int64)
    weights[1, 2], weights[6, 7] = 50, 90
    table = TileTable(weights, weights < 0, (256, 256), (2048, 2048))
    tiles = heaviest_in_squares(table, 2)
    assert len(tiles) == 4
    assert tiles[:2] == [(7 * 256, 6 * 256, 256, 256), (2 * 256, 256, 256, 256)]


def test_tiles_that_weigh_the_same_say_nothing() -> None:
    weights = np.full((4, 4), 196_608)
    assert heaviest_in_squares(TileTable(weights, weights < 0, (256, 256), (1024, 1024)), 2) == []


@given(st.lists(st.tuples(st.integers(0, 9_999), st.integers(0, 9_999)), min_size=1))
def test_one_pixel_answers_for_its_square(places: list[tuple[int, int]]) -> None:
    asked: list[tuple[int, int]] = []

    def is_held(x: int, y: int) -> bool:
        asked.append((x // SAMPLE_SIDE_PX, y // SAMPLE_SIDE_PX))
        return (x // SAMPLE_SIDE_PX + y // SAMPLE_SIDE_PX) % 2 == 0

    x, y = np.array(places).T
    held = SampledPresence((10_000, 10_000), is_held).held(x, y)
    assert held.tolist() == [
        (a // SAMPLE_SIDE_PX + b // SAMPLE_SIDE_PX) % 2 == 0 for a, b in places
    ]
    assert len(asked) == len(set(asked))
