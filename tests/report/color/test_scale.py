from typing import Any

import numpy as np
import pytest

from igbatch.report.color.colormaps import LEVELS, PALETTES, paint
from igbatch.report.color.limits import take_part
from igbatch.report.color.scale import ColorScale, Magnitude, scale_of
from igbatch.report.color.scope import Normalization
from igbatch.report.color.style import PARTS, Look

VALUES = np.random.default_rng(1).uniform(-1.9, 1.9, size=(16, 16)).astype(np.float32)
VALUES[0, :2] = [-2.0, 5.0]


def scale(
    values: np.ndarray = VALUES, magnitude: float | None = None, kind: str = "pair", **choices: Any
) -> ColorScale:
    low, high = float(values.min()), float(values.max())
    norm = Normalization(kind, low, high, 2, True, "Joint range", "joint range", "Normalized.")
    found = None if magnitude is None else Magnitude(magnitude, True)
    return ColorScale(norm, Look.of(**choices), found)


def test_the_default_look_has_the_colours_of_one_gain_for_both_signs() -> None:
    assert np.array_equal(scale().paint(VALUES), paint(VALUES, 5.0))


def test_min_max_is_the_literal_normalization() -> None:
    indices = scale(rule="min-max").indices(VALUES)
    normalized = (VALUES.astype(np.float64) + 2.0) / 7.0
    assert np.abs(indices - 2 * LEVELS * normalized).max() <= 0.5 + 1e-9
    assert (indices[0, 0], indices[0, 1]) == (0, 2 * LEVELS)


def test_of_a_symmetric_range_min_max_is_symmetric() -> None:
    both = np.concatenate([VALUES, -VALUES])
    assert np.array_equal(scale(both, rule="min-max").indices(both), scale(both).indices(both))


def test_a_level_scales_the_place_before_it_is_clipped() -> None:
    assert np.array_equal(scale(level=1).indices(VALUES), scale().indices(VALUES))
    assert np.array_equal(scale(level=2).indices(VALUES), scale().indices(np.clip(2 * VALUES, -5, 5)))


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_shown_by_the_palettes_colours(part: str, palette: str) -> None:
    found = scale(part=part, palette=palette)
    shown = np.rint(LEVELS * take_part(VALUES, part).astype(np.float64) / found.limits.half)
    assert np.array_equal(found.paint(VALUES), PALETTES[palette].colors[LEVELS + shown.astype(int)])


def test_values_beyond_the_ends_are_counted() -> None:
    found = scale(magnitude=1.5, percentile=90)
    beyond = int((np.abs(VALUES) > 1.5).sum())
    assert found.marks(VALUES) == [f"{beyond:,} pixels ({100 * beyond / 256:.1f}\u00a0%) beyond the scale"]
    assert [end.beyond for end in found.ends()] == ["≤ ", "≥ "]
    assert scale().marks(VALUES) == scale(rule="min-max").marks(VALUES) == []
    assert not any(end.beyond for end in scale().ends())


def test_a_map_in_one_colour_says_why() -> None:
    wide = Normalization("dataset", -5.0, 5.0, 2, True, "", "", "")
    small, negative = np.full((2, 2), 1e-3), np.full((2, 2), -1.0)
    assert ColorScale(wide).marks(small)[0].startswith("white because small: |a| ≤ 0.0010")
    assert ColorScale(wide, Look(part="positive")).marks(negative) == ["white throughout: no positive values"]
    assert scale(negative, rule="min-max").marks(negative) == ["white throughout: one value"]
    assert ColorScale(wide).marks(np.zeros((2, 2))) == []
    assert "gray because small" in ColorScale(wide, Look(palette="gray")).marks(small)[0]


def test_the_rule_is_said_under_the_map_and_beside_the_row() -> None:
    assert scale().label == "joint range"
    assert scale(rule="min-max").label == "joint range, min-max"
    told = scale(magnitude=1.0, percentile=99.5)
    assert told.label == "joint range, percentile 99.5 %"
    assert "99.5 % quantile of |a| over both maps (exact). Compare the two with each other." in told.words
    fixed = scale(ends=(-0.002, 0.5))
    assert fixed.label == "fixed range −0.002 to 0.5"
    assert (fixed.heading, fixed.caution) == ("Fixed range", "")
    raw = scale(kind="raw", rule="min-max")
    assert raw.label == "joint range"
    assert "leaves this scale as it is: white is zero" in raw.words


def test_a_quantile_from_histograms_says_so() -> None:
    norm = Normalization("dataset", -1.0, 1.0, 48, True, "Joint range of the study", "", "")
    words = ColorScale(norm, Look(rule="percentile"), Magnitude(0.5, False)).words
    assert "over all 48 maps of the study (from histograms, within 15.5\u00a0%)" in words


@pytest.mark.parametrize("rule", ["symmetric", "min-max"])
def test_normalized_values_run_from_0_to_1(rule: str) -> None:
    found = scale(rule=rule)
    assert (found.normalized(-2.0), found.normalized(5.0)) == (0, 1)
    assert found.along_bar(0.0) == pytest.approx(2 / 7)
    assert found.normalized(0.0) == pytest.approx(2 / 7)
    assert scale(kind="raw").normalized(0.0) is None
    assert scale(ends=(0, 1)).normalized(0.0) is None
    assert scale(part="positive").normalized(5.0) == 1


def test_where_there_is_no_range_there_is_no_scale() -> None:
    assert scale_of(None) is None
