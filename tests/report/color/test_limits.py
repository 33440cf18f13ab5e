import numpy as np
import pytest

from igbatch.report.color.limits import limits_of, part_range, take_part
from igbatch.report.color.style import PARTS, Look

RANGES = [(-1.0, 3.0), (-4.0, 1.0), (-2.0, 2.0), (0.2, 0.9), (-0.9, -0.2), (0.0, 0.0)]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("values", [np.linspace(-1, 3, 9), np.linspace(-3, -1, 9), np.linspace(1, 3, 9)])
def test_the_range_of_a_part_holds_the_part_of_the_values(values: np.ndarray, part: str) -> None:
    shown = take_part(values, part)
    low, high = part_range(float(values.min()), float(values.max()), part)
    assert low <= shown.min()
    assert shown.max() <= high
    strongest = np.abs(shown).max()
    assert strongest in (-low, high) or strongest == 0
    if part != "signed":
        assert 0 in (low, high)


def test_parts_are_what_they_are_called() -> None:
    values = np.array([-2.0, 0.0, 3.0])
    assert take_part(values, "signed").tolist() == [-2, 0, 3]
    assert take_part(values, "positive").tolist() == [0, 0, 3]
    assert take_part(values, "negative").tolist() == [-2, 0, 0]
    assert take_part(values, "absolute").tolist() == [2, 0, 3]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_the_percentile_of_all_is_the_symmetric_range(low: float, high: float, part: str) -> None:
    largest = max(-low, high)
    everything = Look(rule="percentile", percentile=100, part=part)
    assert limits_of(low, high, everything, largest) == limits_of(low, high, Look(part=part))


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_symmetric_limits_have_zero_in_the_middle_and_reach_the_largest_magnitude(
    low: float, high: float
) -> None:
    limits = limits_of(low, high, Look())
    assert limits.middle == 0
    assert limits.half == max(-low, high)


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_min_max_limits_are_the_range_itself(low: float, high: float) -> None:
    limits = limits_of(low, high, Look(rule="min-max"))
    assert (limits.low, limits.high) == (low, high)
    if low == -high:
        assert limits == limits_of(low, high, Look())
    for part in ("positive", "negative", "absolute"):
        assert limits_of(low, high, Look(rule="min-max", part=part)) == limits_of(low, high, Look(part=part))


def test_only_stated_ends_move_the_raw_scale() -> None:
    plain = limits_of(-0.5, 0.5, Look(), raw=True)
    assert limits_of(-0.5, 0.5, Look(rule="min-max"), raw=True) == plain
    assert limits_of(-0.5, 0.5, Look(rule="percentile"), 0.1, raw=True) == plain
    fixed = limits_of(-0.5, 0.5, Look.of(ends=(0.1, 0.3)), raw=True)
    assert (fixed.low, fixed.high) == (0.1, 0.3)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize(
    "look", [{}, {"rule": "min-max"}, {"percentile": 99}, {"ends": (0.3, 0.4)}, {"ends": (-3, -1)}]
)
def test_bars_hold_zero_and_of_a_part_run_from_it_or_to_it(
    low: float, high: float, look: dict[str, object], part: str
) -> None:
    limits = limits_of(low, high, Look.of(part=part, **look), magnitude=0.1)  # type: ignore[arg-type]
    assert limits.bar_low <= 0 <= limits.bar_high
    if part != "signed":
        assert 0 in (limits.bar_low, limits.bar_high)


def test_the_bar_of_a_percentile_ends_with_its_colours() -> None:
    limits = limits_of(-1.0, 3.0, Look(rule="percentile"), 0.5)
    assert (limits.low, limits.high, limits.bar_low, limits.bar_high) == (-0.5, 0.5, -0.5, 0.5)
    weak = limits_of(-0.1, 3.0, Look(rule="percentile"), 0.5)
    assert (weak.bar_low, weak.bar_high) == (-0.1, 0.5)
