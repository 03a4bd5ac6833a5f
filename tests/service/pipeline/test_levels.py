"""Which sizes make a level, and which pictures show the same; see also `test_untrusted_levels`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.levels import (
    Level,
    StatedLevel,
    choose_levels,
    pictures_agree,
    plausible_downsamples,
)

TILE = (256, 256)
sides = st.integers(4_000, 200_000)


def state(size: tuple[int, int], full: tuple[int, int], tile: tuple[int, int] | None = TILE):
    nominal = (full[0] / size[0] + full[1] / size[1]) / 2
    return StatedLevel(1, size, tile, nominal)


@given(st.tuples(sides, sides), st.integers(1, 5), st.sampled_from(["down", "up", "near"]))
def test_a_level_halved_again_and_again_is_one_however_it_is_rounded(
    full: tuple[int, int], halvings: int, how: str
) -> None:
    size = list(full)
    for _ in range(halvings):
        size = [
            {"down": side // 2, "up": -(-side // 2), "near": round(side / 2)}[how] for side in size
        ]
    assert plausible_downsamples(state((size[0], size[1]), full), full)[0] == 2**halvings


@given(st.tuples(sides, sides), st.integers(1, 5))
def test_a_level_padded_to_whole_tiles_has_its_true_downsample(
    full: tuple[int, int], halvings: int
) -> None:
    size = tuple(-(-side // 2**halvings // 256) * 256 for side in full)
    assert 2**halvings in plausible_downsamples(state((size[0], size[1]), full), full)


@given(st.tuples(sides, sides), st.floats(2, 50), st.floats(1.05, 20), st.booleans())
def test_a_page_of_another_shape_is_no_level(
    full: tuple[int, int], across: float, distortion: float, taller: bool
) -> None:
    down = across * distortion
    factors = (down, across) if taller else (across, down)
    size = (max(200, round(full[0] / factors[0])), max(200, round(full[1] / factors[1])))
    ratios = full[0] / size[0], full[1] / size[1]
    choices = plausible_downsamples(state(size, full, None), full)
    # A px or two of a small page may be a twentieth of it.
    assert not choices or max(ratios) / min(ratios) < 1.05


def test_a_downsample_that_is_no_whole_number_is_openslides_own() -> None:
    full = 50_000, 40_000
    size = round(50_000 / 3.3), round(40_000 / 3.3)
    assert plausible_downsamples(state(size, full), full) == [pytest.approx(3.3, rel=1e-4)]


def test_a_level_of_level_0s_own_size_is_left_out() -> None:
    full = StatedLevel(0, (5_000, 4_000), TILE, 1.0)
    copy = StatedLevel(1, (5_000, 4_000), TILE, 1.0)
    chosen = choose_levels([full, copy], [], lambda level, x, y, width, height: textured(0))
    assert [level.index for level in chosen.levels] == [0]
    assert "own size" in chosen.left_out[0]


@pytest.mark.parametrize(("num_good", "trusted"), [(1, False), (3, False), (4, True), (7, True)])
def test_one_stray_spot_needs_four_times_as_many_that_agree(num_good: int, trusted: bool) -> None:
    full = StatedLevel(0, (8_000, 6_400), TILE, 1.0)
    low = StatedLevel(1, (2_000, 1_600), TILE, 4.0)
    tiles = [(512 * column, 512, 256, 256) for column in range(num_good + 1)]

    def read(level: Level, x: float, y: float, width: int, height: int) -> np.ndarray:
        if level.index == 0:
            return np.kron(textured(0), np.ones((4, 4), np.float32))
        return textured(1 if x < 512 else 0)

    chosen = choose_levels([full, low], tiles, read)
    assert [level.index for level in chosen.levels] == ([0, 1] if trusted else [0])


def textured(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (8, 8))
    return (np.kron(noise, np.ones((4, 4))) * 30 + 150).astype(np.float32)


def test_the_same_picture_agrees_also_noisy_brighter_or_a_pixel_aside() -> None:
    picture = textured(0)
    noise = np.random.default_rng(1).normal(0, 12, picture.shape).astype(np.float32)
    assert pictures_agree(picture, picture)
    assert pictures_agree(picture, picture + noise)
    assert pictures_agree(picture, picture * 0.9 + 20)
    assert pictures_agree(picture, np.roll(picture, (1, -2), (0, 1)))


def test_another_picture_an_empty_one_and_a_displaced_one_do_not_agree() -> None:
    picture = textured(0)
    assert sum(pictures_agree(picture, textured(seed)) for seed in range(1, 41)) <= 1
    assert not pictures_agree(picture, np.full_like(picture, 255))
    assert not pictures_agree(picture, np.roll(picture, 12, 0))


def test_glass_agrees_with_glass_but_not_with_structure_or_stain() -> None:
    glass = np.full((32, 32), 240, np.float32)
    assert pictures_agree(glass, glass + 8)
    assert not pictures_agree(glass, textured(0))
    assert not pictures_agree(glass, glass - 60)
