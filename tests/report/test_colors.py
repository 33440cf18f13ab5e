import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.report.colors import LEVELS, PALETTE, color_indices, paint

WHITE = [255, 255, 255]


def test_zero_is_white_and_nothing_else_in_the_palette_is() -> None:
    assert PALETTE[LEVELS].tolist() == WHITE
    assert [row for row in range(len(PALETTE)) if PALETTE[row].tolist() == WHITE] == [LEVELS]


def test_negative_is_red_and_positive_blue() -> None:
    negative, positive = paint(np.array([-1.0, 1.0]), 1.0).astype(int)
    assert negative[0] > negative[1:].max()
    assert positive[2] > positive[:2].max()
    for row in PALETTE[:LEVELS].astype(int):
        assert row[0] > row[2]
    for row in PALETTE[LEVELS + 1 :].astype(int):
        assert row[2] > row[0]


def test_both_signs_are_equally_light_at_equal_distance_and_ever_darker() -> None:
    lightness = np.array([_lightness(row) for row in PALETTE])
    assert np.abs(lightness - lightness[::-1]).max() < 3
    assert (np.diff(lightness[LEVELS:]) < 0).all()
    assert (np.diff(lightness[: LEVELS + 1]) > 0).all()


@given(st.floats(-1, 1), st.floats(1e-12, 1e3))
def test_one_gain_serves_both_signs(share: float, gain: float) -> None:
    index = int(color_indices(np.array(share * gain), gain))
    mirrored = int(color_indices(np.array(-share * gain), gain))
    assert index - LEVELS == LEVELS - mirrored
    assert abs((index - LEVELS) / LEVELS - share) <= 0.5 / LEVELS + 1e-6


def test_what_lies_beyond_the_gain_takes_the_last_colour() -> None:
    assert color_indices(np.array([-5.0, 5.0]), 1.0).tolist() == [0, len(PALETTE) - 1]


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.ones((2, 3))])
def test_a_gain_of_zero_gives_white(values: np.ndarray) -> None:
    assert (paint(values, 0.0) == 255).all()


def _lightness(color: np.ndarray) -> float:
    """L* of CIELAB."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color / 255]
    luminance = float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance
