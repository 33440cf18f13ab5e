import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.report.color.colormaps import LEVELS, PALETTE, PALETTES, color_indices

WHITE = [255, 255, 255]


def test_zero_is_white_and_nothing_else_in_the_palette_is() -> None:
    assert PALETTE[LEVELS].tolist() == WHITE
    assert [row for row in range(len(PALETTE)) if PALETTE[row].tolist() == WHITE] == [LEVELS]


def test_negative_is_red_and_positive_blue() -> None:
    negative, positive = PALETTE[color_indices(np.array([-1.0, 1.0]), -1.0, 1.0)].astype(int)
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
def test_one_scale_serves_both_signs(share: float, vmax: float) -> None:
    index = int(color_indices(np.array(share * vmax), -vmax, vmax))
    mirrored = int(color_indices(np.array(-share * vmax), -vmax, vmax))
    assert index - LEVELS == LEVELS - mirrored
    assert abs((index - LEVELS) / LEVELS - share) <= 0.5 / LEVELS + 1e-6


def _lightness(color: np.ndarray) -> float:
    """L* of CIELAB."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color / 255]
    luminance = float(np.dot(linear, [0.2126, 0.7152, 0.0722]))
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def test_palettes_have_a_colour_a_level_and_a_light_or_gray_middle() -> None:
    assert next(iter(PALETTES)) == "red-white-blue"
    assert PALETTES["red-white-blue"].colors is PALETTE
    for palette in PALETTES.values():
        assert palette.colors.shape == (2 * LEVELS + 1, 3)
        assert palette.colors.dtype == np.uint8
        middle = palette.colors[LEVELS].astype(int)
        assert middle.max() - middle.min() <= 2
        assert len({tuple(color) for color in palette.colors.tolist()}) > 120
    for name in ("orange-white-purple", "brown-white-teal"):
        ends = PALETTES[name].colors[[0, -1]].astype(int)
        assert ends[0, 0] > ends[0, 2]  # warm is negative
        assert ends[1, 2] > ends[1, 0]
    assert PALETTES["gray"].colors[[0, LEVELS, -1], 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("palette", "name"), [("orange-white-purple", "PuOr"), ("brown-white-teal", "BrBG"), ("gray", "gray")]
)
def test_palettes_of_matplotlib_have_its_colours(palette: str, name: str) -> None:
    levels = 2 * LEVELS + 1
    theirs = mpl.colormaps[name].resampled(levels)(np.arange(levels))[:, :3]
    assert (PALETTES[palette].colors == (theirs * 255).round()).all()
