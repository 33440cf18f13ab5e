from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.baselines import baseline_pixels, parse_baseline

ALL = ["gray", "black", "white", "blurred", "blurred:3", "#3366ff", [1, 2, 3]]


def noise(height: int = 40, width: int = 60) -> NDArray[np.float32]:
    return np.random.default_rng(3).random((height, width, 3), dtype=np.float32)


@pytest.mark.parametrize("baseline", ALL)
def test_a_baseline_is_a_picture_like_the_image(baseline: Any) -> None:
    pixels = noise()
    kept = pixels.copy()
    result = baseline_pixels(baseline, pixels)
    assert result.shape == pixels.shape
    assert result.dtype == np.float32
    assert 0 <= result.min() <= result.max() <= 1
    np.testing.assert_array_equal(pixels, kept)
    assert not np.shares_memory(result, pixels)
    np.testing.assert_array_equal(result, baseline_pixels(parse_baseline(baseline), pixels))
    other = baseline_pixels(baseline, 1 - pixels)
    assert parse_baseline(baseline).startswith("blurred") == (not np.array_equal(result, other))


def test_levels_and_colours() -> None:
    for name, level in (("gray", 0.5), ("black", 0.0), ("white", 1.0)):
        assert (baseline_pixels(name, noise()) == level).all()
    colour = np.array([0x33, 0x66, 0xFF], dtype=np.float32) / np.float32(255)
    np.testing.assert_array_equal(baseline_pixels("#3366FF", noise()), np.broadcast_to(colour, (40, 60, 3)))


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_both_ways_to_write_a_colour_agree(colour: tuple[int, int, int]) -> None:
    text = "#{:02x}{:02x}{:02x}".format(*colour)
    assert parse_baseline(colour) == parse_baseline(list(colour)) == parse_baseline(text.upper()) == text


def test_a_blur_keeps_flat_images_and_the_mean_and_removes_detail() -> None:
    flat = np.full((50, 50, 3), 0.25, dtype=np.float32)
    np.testing.assert_allclose(baseline_pixels("blurred", flat), flat, rtol=1e-6)
    spread = [baseline_pixels(f"blurred:{sigma}", noise()).std() for sigma in (0.5, 2, 8)]
    assert spread == sorted(spread, reverse=True)
    channels = noise()
    channels[:, :, 1:] = 0
    assert (baseline_pixels("blurred", channels)[:, :, 1:] == 0).all(), "channels stay apart"


def test_the_default_blur_is_a_tenth_of_the_shorter_side() -> None:
    np.testing.assert_array_equal(
        baseline_pixels("blurred", noise(40, 60)), baseline_pixels("blurred:4", noise(40, 60))
    )


def test_canonical_text() -> None:
    assert parse_baseline(" Gray ") == "gray"
    assert parse_baseline("blurred:3.0") == parse_baseline("blurred:3") == "blurred:3"
    assert parse_baseline("blurred:.5") == "blurred:0.5"


@pytest.mark.parametrize(
    "value", ["grey", "", "#12345", "#12345g", "blurred:", "blurred:0", "blurred:-1", "blurred:nan",
              "blurred:1e9",
              [1, 2], [1, 2, 256], [1, 2, -1], [0.5, 0.5, 0.5], [True, 0, 0], [1, 2, 3, 4]]
)  # fmt: skip
def test_anything_else_is_refused_with_the_allowed_forms(value: Any) -> None:
    with pytest.raises(InputError, match="is none of gray, black, white, blurred"):
        parse_baseline(value)
