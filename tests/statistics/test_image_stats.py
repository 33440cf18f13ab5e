from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.statistics import image_stats
from igbatch.statistics.histogram import histogram
from igbatch.statistics.image_stats import DEFAULT_ATOL, allowed_error, map_statistics

Map = NDArray[np.float32]
maps = npst.arrays(
    np.float32,
    npst.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(-1e3, 1e3, width=32),
)


def convergence(
    total: float, abs_sum: float, score: float, score_baseline: float, map_error: float | None,
    tolerance: float, atol: float = DEFAULT_ATOL,
) -> SimpleNamespace:  # fmt: skip
    """The statistics of a map with these numbers."""
    ends = {"score": score, "score_baseline": score_baseline}
    row = {"sum": total, "abs_sum": abs_sum, **ends, "map_error": map_error}
    return SimpleNamespace(**image_stats.convergence(row, tolerance, atol))


@given(maps)
def test_sums_hold_together(attribution: Map) -> None:
    found = map_statistics(attribution)
    assert found["sum"] == found["positive_sum"] + found["negative_sum"]
    assert found["abs_sum"] == found["positive_sum"] - found["negative_sum"]
    assert found["negative_sum"] <= 0 <= found["positive_sum"]
    exact = attribution.astype(np.float64)
    tolerance = 1e-12 * (np.abs(exact).sum() + 1)
    assert abs(found["sum"] - exact.sum()) <= tolerance
    assert abs(found["abs_sum"] - np.abs(exact).sum()) <= tolerance


@given(maps)
def test_extremes_quantiles_and_counts_are_those_of_the_pixels(attribution: Map) -> None:
    found = map_statistics(attribution)
    assert found["minimum"] == attribution.min()
    assert found["maximum"] == attribution.max()
    for name, q in (("q01", 0.01), ("q50", 0.5), ("q99", 0.99)):
        assert found[name] == np.quantile(attribution, q, method="lower")
    np.testing.assert_array_equal(found["histogram"], histogram(attribution))


@given(maps)
def test_a_negated_map_swaps_its_sides(attribution: Map) -> None:
    found, negated = map_statistics(attribution), map_statistics(-attribution)
    assert negated["sum"] == -found["sum"]
    assert negated["abs_sum"] == found["abs_sum"]
    assert negated["positive_sum"] == -found["negative_sum"]
    assert negated["minimum"] == -found["maximum"]
    np.testing.assert_array_equal(negated["histogram"], found["histogram"][::-1])


def test_sums_are_taken_in_float64() -> None:
    attribution = np.full((1000, 1000), 0.1, dtype=np.float32)
    assert map_statistics(attribution)["sum"] == pytest.approx(float(np.float32(0.1)) * 1e6, rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_is_refused(bad: float) -> None:
    attribution = np.zeros((3, 3), dtype=np.float32)
    attribution[1, 2] = bad
    with pytest.raises(InputError):
        map_statistics(attribution)


def test_a_complete_map_has_converged() -> None:
    verdict = convergence(0.7, 1.0, 0.9, 0.2, map_error=None, tolerance=1e-9)
    assert verdict.convergence_delta == pytest.approx(0, abs=1e-15)
    assert verdict.converged
    assert not verdict.negligible


@given(st.floats(-1, 1), st.floats(1e-3, 10), st.floats(0, 1), st.floats(0, 1))
def test_definitions(total: float, abs_sum: float, score: float, score_baseline: float) -> None:
    verdict = convergence(total, abs_sum, score, score_baseline, None, tolerance=0.05)
    assert verdict.convergence_delta == total - (score - score_baseline)
    assert verdict.relative_delta == abs(verdict.convergence_delta) / abs_sum
    allowed = 0.05 * abs(score - score_baseline) + DEFAULT_ATOL
    assert verdict.converged == (abs(verdict.convergence_delta) <= allowed)


def test_large_attributions_of_both_signs_do_not_excuse_a_gap() -> None:
    assert not convergence(1.5, 60.0, 1.0, 0.0, map_error=None, tolerance=0.05).converged
    assert convergence(1.04, 60.0, 1.0, 0.0, map_error=None, tolerance=0.05).converged


@pytest.mark.parametrize(
    ("gap", "map_error", "converged"),
    [
        (0.03, 0.01, True), (0.03, 0.0, True), (0.0, 0.2, False), (0.5, 0.01, False), (-0.5, 0.01, False),
        (0.03, None, False),
    ],
)  # fmt: skip
def test_the_error_of_the_map_and_the_gap_count_against_its_absolute_sum(
    gap: float, map_error: float | None, converged: bool
) -> None:
    for scale in (1e-2, 1.0, 1e2):
        verdict = convergence(scale * gap, scale, 0.0, 0.0, map_error, tolerance=0.05)
        assert verdict.converged == converged


def test_a_map_that_is_nearly_nothing_is_negligible_and_does_not_fail_by_a_ratio() -> None:
    verdict = convergence(0.0, 4e-7, 3e-7, 0.0, map_error=None, tolerance=0.01)
    assert verdict.relative_delta == pytest.approx(0.75)
    assert verdict.converged
    assert verdict.negligible
    assert not convergence(0.0, 4e-7, 3e-7, 0.0, None, tolerance=0.01, atol=0.0).converged
    assert not convergence(0.0, 4e-7, 3e-7, 0.0, None, tolerance=0.01, atol=1e-9).negligible


def test_an_empty_map_has_no_relative_gap() -> None:
    verdict = convergence(0.0, 0.0, 0.4, 0.4, map_error=None, tolerance=0.01)
    assert verdict.relative_delta is None
    assert verdict.converged
    assert verdict.negligible


def test_the_errors_of_many_maps_are_those_that_each_was_judged_by() -> None:
    rng = np.random.default_rng(0)
    names = ["sum", "abs_sum", "score", "score_baseline", "map_error"]
    rows = pd.DataFrame(rng.uniform(0, 1, (400, 5)) * [0.1, 1, 0.1, 0.1, 0.05], columns=names)
    rows["sum"] *= np.where(rng.random(400) < 0.5, 0.1, 1)
    rows.loc[::3, "map_error"] = np.nan
    rows["convergence_delta"] = rows["sum"] - (rows["score"] - rows["score_baseline"])
    found = allowed_error(rows, 0.02, 1e-6)
    judged = []
    for row in rows.to_dict("records"):
        estimate = None if np.isnan(row["map_error"]) else row["map_error"]
        ends = (row["score"], row["score_baseline"])
        judged.append(convergence(row["sum"], row["abs_sum"], *ends, estimate, 0.02, 1e-6).converged)
    assert (found.error <= found.allowed).tolist() == judged
    assert (found.ratio <= 1).tolist() == judged
    assert 0 < sum(judged) < len(judged)
    for kind in (pa.Table.from_pandas(rows), {name: rows[name].to_numpy() for name in rows}):
        np.testing.assert_array_equal(allowed_error(kind, 0.02, 1e-6).error, found.error)


@pytest.mark.parametrize(("gap", "map_error"), [(0.3, 0.1), (0.1, 0.3), (0.3, None)])
def test_the_larger_of_estimated_error_and_gap_counts(gap: float, map_error: float | None) -> None:
    row = {"convergence_delta": -gap, "abs_sum": 1.0, "score": 2.0, "score_baseline": 0.5}
    found = allowed_error({**row, "map_error": map_error}, 0.05, 1e-6)
    assert found.error == pytest.approx(0.3)
    assert found.allowed == pytest.approx(0.05 * (1.5 if map_error is None else 1.0) + 1e-6)
