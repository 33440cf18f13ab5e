from typing import Any

import numpy as np
import pytest

from igbatch.report.color.scale import ColorScale, Magnitude
from igbatch.report.color.scope import Normalization
from igbatch.report.color.style import Look
from igbatch.report.figures.bar import lay_out


def scale(low: float, high: float, kind: str = "pair", **choices: Any) -> ColorScale:
    return ColorScale(Normalization(kind, low, high, 2, True, "", "", ""), Look.of(**choices))


def texts(ticks: object) -> list[str]:
    return [tick.text for tick in ticks]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (-4.0, 1.0), (-2.0, 2.0), (-0.001, 0.9)])
def test_the_bar_is_white_where_zero_is_and_truncated_at_the_weaker_end(low: float, high: float) -> None:
    bar = lay_out(scale(low, high), 400)
    assert bar.zero == pytest.approx(-low / (high - low))
    lightest = np.flatnonzero((bar.colors[0] == 255).all(axis=1))
    assert abs(lightest.mean() / 400 - bar.zero) < 0.02
    strong, weak = (bar.colors[0, -1], bar.colors[0, 0])[:: 1 if high > -low else -1]
    assert strong.astype(int).sum() <= weak.astype(int).sum()


def test_raw_values_below_and_normalized_ones_above() -> None:
    bar = lay_out(scale(-1.0, 3.0), 100)
    assert texts(bar.below) == ["−1.00", "3.00"]
    assert texts(bar.above) == ["0", "1", "0.25"]


def test_without_a_normalization_nothing_is_above() -> None:
    bar = lay_out(scale(-0.01, 0.01, "raw"), 100)
    assert bar.above == ()
    assert texts(bar.below) == ["−0.01", "0.01"]
    assert bar.zero == 0.5


def test_labels_of_zero_keep_clear_of_the_ends_and_its_line_stays() -> None:
    bar = lay_out(scale(-0.001, 1.0), 100)
    assert bar.zero < 0.01
    assert bar.above[-1].at > 0.1


def test_a_range_without_zero_is_drawn_on_to_it() -> None:
    bar = lay_out(scale(0.2, 1.0), 100)
    assert bar.zero == 0
    assert [tick.at for tick in bar.below] == pytest.approx([0.2, 1.0])
    assert "−0.25" in texts(bar.above)
    close = lay_out(scale(0.8, 0.9), 100)
    assert texts(close.below) == ["0.800 to 0.900"]


def test_a_map_of_nothing_has_a_white_bar_and_only_zero_on_it() -> None:
    bar = lay_out(scale(0.0, 0.0), 100)
    assert (bar.colors == 255).all()
    assert (bar.zero, bar.above, bar.below) == (0.5, (), ())


def test_a_map_of_one_value_has_one_end() -> None:
    assert texts(lay_out(scale(0.5, 0.5), 100).below) == ["0.500"]
    assert texts(lay_out(scale(-0.5, -0.5), 100).below) == ["−0.500"]


def test_where_zero_is_an_end_of_the_range_it_is_labelled_once() -> None:
    for low, high in ((0.0, 1.0), (-1e-9, 1.0), (1e-9, 1.0)):
        assert texts(lay_out(scale(low, high), 100).above) == ["0", "1"]


def test_under_min_max_white_is_the_middle_and_the_line_stays_at_zero() -> None:
    bar = lay_out(scale(-1.0, 3.0, rule="min-max"), 401)
    assert (bar.colors[0, 200] == 255).all()
    assert bar.zero == pytest.approx(0.25)
    assert texts(bar.above) == ["0", "1", "0.25"]


def test_a_percentile_says_that_values_go_on_beyond_the_bar() -> None:
    norm = Normalization("pair", -1.0, 3.0, 2, True, "", "", "")
    bar = lay_out(ColorScale(norm, Look(rule="percentile"), Magnitude(0.5, True)), 100)
    assert texts(bar.below) == ["≤ −0.500", "≥ 0.500"]
    assert texts(bar.above) == ["0.12", "0.38", "0.25"]
    assert bar.zero == 0.5


@pytest.mark.parametrize(("part", "zero"), [("positive", 0), ("negative", 1), ("absolute", 0)])
def test_bars_of_a_part_run_from_or_to_zero(part: str, zero: float) -> None:
    bar = lay_out(scale(-1.0, 3.0, part=part), 100)
    assert bar.zero == zero
    assert len(bar.below) == 1
    assert texts(bar.above) == ["0", "1"]


def test_stated_ends_are_shown_as_stated_even_without_zero_between_them() -> None:
    bar = lay_out(scale(-1.0, 3.0, ends=(0.25, 0.5)), 100)
    assert bar.zero == 0
    assert texts(bar.below) == ["≤ 0.25", "≥ 0.5"]
    assert bar.above == ()
