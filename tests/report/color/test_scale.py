from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from igbatch.report.color.colormaps import LEVELS, PALETTE, PALETTES, color_indices
from igbatch.report.color.scale import ColorScale, part_range, take_part
from igbatch.report.color.wording import SCOPE_WORDS, ValuePart

VALUES = np.random.default_rng(1).uniform(-1.9, 1.9, size=(16, 16)).astype(np.float32)
VALUES[0, :2] = [-2.0, 5.0]
RANGE = (-2.0, 5.0)
RANGES = [(-1.0, 3.0), (-4.0, 1.0), (-2.0, 2.0), (0.2, 0.9), (-0.9, -0.2), (0.0, 0.0)]
PARTS = get_args(ValuePart)

ScaleOf = Callable[..., ColorScale]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("values", [np.linspace(-1, 3, 9), np.linspace(-3, -1, 9), np.linspace(1, 3, 9)])
def test_the_range_of_a_part_holds_the_part_of_the_values(values: np.ndarray, part: ValuePart) -> None:
    shown = take_part(values, part)
    low, high = part_range(float(values.min()), float(values.max()), part)
    assert low <= shown.min()
    assert shown.max() <= high
    strongest = np.abs(shown).max()
    assert strongest in (-low, high) or strongest == 0
    if part != "signed":
        assert 0 in (low, high)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize(
    "choices", [{}, {"rule": "min-max"}, {"percentile": 99}, {"ends": (0.3, 0.4)}, {"ends": (-3, -1)}]
)
def test_bars_hold_zero_and_of_a_part_run_from_it_or_to_it(
    scale_of: ScaleOf, low: float, high: float, choices: dict[str, Any], part: ValuePart
) -> None:
    first, last = scale_of(low, high, quantile=0.1, part=part, **choices).bar
    assert first <= 0 <= last
    if part != "signed":
        assert 0 in (first, last)


def test_the_default_style_has_the_colours_of_one_scale_for_both_signs(scale_of: ScaleOf) -> None:
    assert np.array_equal(scale_of(*RANGE).paint(VALUES), PALETTE[color_indices(VALUES, -5.0, 5.0)])


def test_min_max_is_the_literal_normalization(scale_of: ScaleOf) -> None:
    indices = scale_of(*RANGE, rule="min-max").indices(VALUES)
    normalized = (VALUES.astype(np.float64) + 2.0) / 7.0
    assert np.abs(indices - 2 * LEVELS * normalized).max() <= 0.5 + 1e-9
    assert (indices[0, 0], indices[0, 1]) == (0, 2 * LEVELS)


def test_a_level_scales_the_place_before_it_is_clipped(scale_of: ScaleOf) -> None:
    scale = scale_of(*RANGE)
    assert np.array_equal(
        scale_of(*RANGE, level=2).indices(VALUES), scale.indices(np.clip(2 * VALUES, -5, 5))
    )


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_shown_by_the_palettes_colours(scale_of: ScaleOf, part: ValuePart, palette: str) -> None:
    scale = scale_of(*RANGE, part=part, palette=palette)
    shown = np.rint(LEVELS * take_part(VALUES, part).astype(np.float64) / scale.ends[1])
    assert np.array_equal(scale.paint(VALUES), PALETTES[palette].colors[LEVELS + shown.astype(int)])


def test_values_beyond_the_ends_are_counted(scale_of: ScaleOf) -> None:
    beyond = int((np.abs(VALUES) > 1.5).sum())
    marks = scale_of(*RANGE, quantile=1.5, percentile=90).marks(VALUES)
    assert marks == [f"{beyond:,} pixels ({100 * beyond / 256:.1f}\u00a0%) beyond the scale"]
    patches = scale_of(*RANGE, quantile=1.5, percentile=90, regions="patch 4").marks(VALUES)
    assert patches == [f"{beyond:,} patches ({100 * beyond / 256:.1f}\u00a0%) beyond the scale"]
    assert scale_of(*RANGE).marks(VALUES) == scale_of(*RANGE, rule="min-max").marks(VALUES) == []


def test_a_map_in_one_colour_says_why(scale_of: ScaleOf) -> None:
    small, negative = np.full((2, 2), 1e-3), np.full((2, 2), -1.0)
    assert scale_of(-5, 5).marks(small)[0].startswith("white because small: |a| ≤ 0.0010")
    assert scale_of(-5, 5, part="positive").marks(negative) == ["white throughout: no positive values"]
    assert scale_of(-1, -1, rule="min-max").marks(negative) == ["white throughout: one value"]
    assert scale_of(-5, 5).marks(np.zeros((2, 2))) == []
    assert scale_of(-5, 5, opacity=0.5).marks(small)[0].startswith("no colour because small: ")
    assert "gray because small" in scale_of(-5, 5, palette="gray").marks(small)[0]


def test_scope_and_rule_are_said_under_the_map_and_beside_the_row(scale_of: ScaleOf) -> None:
    assert scale_of(*RANGE).words["label"] == "joint range of the pair"
    assert scale_of(*RANGE, "image").words["label"] == "per-map range"
    assert scale_of(*RANGE, rule="min-max").words["label"] == "joint range of the pair, min-max"
    percentile = scale_of(*RANGE, quantile=1.0, percentile=99.5)
    assert percentile.words["label"] == "joint range of the pair, percentile 99.5 %"
    assert (
        "99.5 % quantile of |a| over both maps. Compare the two with each other."
        in percentile.words["sentences"]
    )
    patches = scale_of(*RANGE, regions="patch 8")
    assert patches.words["label"] == "joint range of the pair, patches of 8"
    assert patches.words["regions"].startswith("Every square is a patch of 8 × 8 pixels and shows its sum")
    assert (
        "of probability a patch of 8 × 8 pixels."
        in (scale_of(-0.01, 0.01, "raw", regions="patch 8").words["sentences"])
    )
    fixed = scale_of(*RANGE, complete=False, ends=(-0.002, 0.5))
    assert fixed.words["label"] == "fixed range −0.002 to 0.5"
    assert (fixed.words["heading"], fixed.words["caution"]) == ("Fixed range", "")
    raw = scale_of(-0.01, 0.01, "raw", rule="min-max")
    assert raw.words["label"] == "not normalized, scale ±0.01"
    assert "end at −0.01 and +0.01 of probability a pixel." in raw.words["sentences"]
    assert "leaves this scale as it is: white is zero" in raw.words["sentences"]


def test_the_range_of_a_contrast_is_said_to_be_its_own(scale_of: ScaleOf) -> None:
    def label(scope: str, **choices: Any) -> str:
        return replace(scale_of(*RANGE, scope, **choices), contrast=True).words["label"]

    assert label("image") == "per-map range"
    assert label("targets") == "range of this contrast"
    assert label("models") == "joint range of this contrast over all variants"
    assert label("variant", rule="min-max") == "joint range of this contrast over the variant, min-max"
    assert label("dataset") == "joint range of this contrast over the study"
    assert label("dataset", complete=False) == "incomplete: joint range of this contrast over the study"
    assert label("raw").startswith("not normalized")


def test_a_quantile_from_histograms_says_so(scale_of: ScaleOf) -> None:
    scale = scale_of(-1, 1, "dataset", n_maps=48, percentile=99, quantile=0.5, exact=False)
    assert (
        "over all 48 maps of the study. The quantile is from histograms, within 15.5\u00a0%."
        in scale.words["sentences"]
    )


def test_an_incomplete_range_is_never_called_joint(scale_of: ScaleOf) -> None:
    for scope in SCOPE_WORDS:
        scale = scale_of(-1, 1, scope, n_maps=1, complete=False)
        assert scale.words["caution"].startswith("Maps are missing")
        if scope != "raw":
            assert scale.words["heading"].startswith("Incomplete: ")
            assert scale.words["label"].startswith("incomplete: ")
            assert "range of the 1 map there, not the joint one" in scale.words["caution"]
        assert scale_of(-1, 1, scope).words["caution"] == ""


@pytest.mark.parametrize("rule", ["symmetric", "min-max"])
def test_normalized_values_run_from_0_to_1(scale_of: ScaleOf, rule: str) -> None:
    scale = scale_of(*RANGE, rule=rule)
    assert (scale.normalized(-2.0), scale.normalized(5.0)) == (0, 1)
    assert scale.along_bar(0.0) == scale.normalized(0.0) == pytest.approx(2 / 7)
    assert scale_of(*RANGE, "raw").normalized(0.0) is None
    assert scale_of(*RANGE, ends=(0, 1)).normalized(0.0) is None
    assert scale_of(*RANGE, part="positive").normalized(5.0) == 1
