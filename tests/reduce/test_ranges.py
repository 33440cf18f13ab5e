"""Ranges of scopes: summaries merge like the maps themselves, and each scope holds its own rows."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.reduce.ranges import SCOPES, RangeSummary, merge, summarise
from igbatch.reduce.scopes import round_up, scope_keys
from igbatch.statistics.histogram import EDGES, N_BINS, RELATIVE_ERROR
from igbatch.statistics.image_stats import map_statistics
from igbatch.store import schemas

Map = NDArray[np.float32]
magnitudes = st.one_of(st.just(0.0), st.floats(-14, 1.9).map(lambda power: 10.0**power))
signed = st.tuples(magnitudes, st.sampled_from([-1.0, 1.0])).map(lambda pair: pair[0] * pair[1])
maps = st.lists(signed, min_size=4, max_size=4).map(lambda values: np.array(values, np.float32).reshape(2, 2))
several = st.lists(maps, min_size=1, max_size=8)


def stats(attributions: Sequence[Map]) -> pa.Table:
    """The rows of image_stats that belong to maps, as far as a summary needs them."""
    names = ("minimum", "maximum", "histogram")
    schema = pa.schema([schemas.IMAGE_STATS.field(name) for name in names])
    rows = [{name: map_statistics(each)[name] for name in names} for each in attributions]
    return pa.Table.from_pylist(rows, schema=schema)


def assert_same(one: RangeSummary, other: RangeSummary) -> None:
    assert (one.minimum, one.maximum, one.n_maps) == (other.minimum, other.maximum, other.n_maps)
    np.testing.assert_array_equal(one.counts, other.counts)


@given(several)
def test_a_summary_holds_the_extremes_and_all_pixels(attributions: list[Map]) -> None:
    summary = summarise(stats(attributions))
    assert summary.minimum == min(each.min() for each in attributions)
    assert summary.maximum == max(each.max() for each in attributions)
    assert summary.n_maps == len(attributions)
    assert summary.counts.sum() == 4 * len(attributions)
    assert summary.counts.dtype == np.int64


@given(several, several, several)
def test_merging_is_associative_and_commutative_and_equals_the_whole(
    first: list[Map], second: list[Map], third: list[Map]
) -> None:
    a, b, c = (summarise(stats(part)) for part in (first, second, third))
    whole = summarise(stats([*first, *second, *third]))
    assert_same((a + b) + c, whole)
    assert_same(a + (b + c), whole)
    assert_same(b + a + c, whole)
    for order in itertools.permutations([a, b, c]):
        assert_same(merge(order), whole)


@given(several)
def test_the_empty_summary_changes_nothing(attributions: list[Map]) -> None:
    summary = summarise(stats(attributions))
    assert_same(summary + RangeSummary(), summary)
    assert_same(merge([]), RangeSummary())
    assert_same(summarise(stats([])), RangeSummary())


@given(several, st.data())
def test_any_cut_of_a_table_gives_the_same_summary(attributions: list[Map], data: st.DataObject) -> None:
    table = stats(attributions)
    cut = data.draw(st.integers(0, len(table)))
    parts = [table.slice(0, cut), table.slice(cut)]
    assert_same(merge(map(summarise, parts)), summarise(table))
    assert_same(summarise(pa.concat_tables(parts)), summarise(table))


@given(several)
def test_a_row_equals_numpy_over_all_pixels(attributions: list[Map]) -> None:
    row = summarise(stats(attributions)).row("dataset", None, len(attributions))
    assert set(row) == set(schemas.RANGES.names)
    pixels = np.concatenate([each.ravel() for each in attributions]).astype(np.float64)
    assert (row["minimum"], row["maximum"]) == (pixels.min(), pixels.max())
    for name, q in (("q01", 0.01), ("q50", 0.5), ("q99", 0.99)):
        exact = float(np.quantile(pixels, q, method="lower"))
        bound = RELATIVE_ERROR * abs(exact) if abs(exact) >= EDGES[0] else 1e-13
        assert abs(row[name] - exact) <= bound * (1 + 1e-6)


def test_a_row_is_complete_when_no_map_is_missing() -> None:
    summary = summarise(stats([np.ones((2, 2), np.float32)] * 3))
    assert summary.row("variant", "v", 3)["complete"] is True
    for expected in (2, 4):
        assert summary.row("variant", "v", expected)["complete"] is False
    assert summary.row("variant", "v", 3)["n_maps"] == 3


def test_counts_of_many_maps_do_not_overflow() -> None:
    counts = np.zeros(N_BINS, np.int64)
    counts[300] = 2**31 - 1
    summary = RangeSummary(0.0, 1.0, counts, 1)
    assert merge([summary] * 5).counts[300] == 5 * (2**31 - 1)
    table = pa.table(
        {
            "minimum": [0.0] * 3,
            "maximum": [1.0] * 3,
            "histogram": pa.array([counts] * 3, pa.list_(pa.int32())),
        }
    )
    assert summarise(table).counts[300] == 3 * (2**31 - 1)


def test_no_map_has_no_row() -> None:
    with pytest.raises(InputError, match="empty"):
        RangeSummary().row("dataset", None, 0)


TABLE = pd.DataFrame(
    list(itertools.product(("v", "w"), ("x", "y", "z"), ("a", "b", "c"))),
    columns=["variant_id", "image_id", "target"],
)
ARGUMENTS = {"variant_id": "w", "image_id": "y", "targets": ("a", "c")}


@pytest.mark.parametrize(
    ("scope", "arguments", "expected"),
    [
        ("image", {**ARGUMENTS, "targets": ("b",)}, lambda v, i, t: (v, i, t) == ("w", "y", "b")),
        ("pair", ARGUMENTS, lambda v, i, t: (v, i) == ("w", "y") and t in "ac"),
        ("targets", {"variant_id": "w", "image_id": "y"}, lambda v, i, t: (v, i) == ("w", "y")),
        ("models", {"image_id": "y"}, lambda v, i, t: i == "y"),
        ("variant", {"variant_id": "w"}, lambda v, i, t: v == "w"),
        ("dataset", {}, lambda v, i, t: True),
        ("raw", {}, lambda v, i, t: True),
    ],
)
def test_a_scope_is_the_maps_that_share_its_range(scope: str, arguments: dict, expected) -> None:
    keys = scope_keys(scope, **arguments)
    found = TABLE[TABLE.isin(keys)[list(keys)].all(axis=1)]
    assert found.index.tolist() == [row.Index for row in TABLE.itertuples() if expected(*row[1:])]
    assert len(found)


@pytest.mark.parametrize(
    ("scope", "irrelevant"), [("models", "variant_id"), ("variant", "image_id"), ("dataset", "targets")]
)
def test_keys_that_a_scope_does_not_need_do_not_matter(scope: str, irrelevant: str) -> None:
    without = {key: value for key, value in ARGUMENTS.items() if key != irrelevant}
    assert scope_keys(scope, **ARGUMENTS) == scope_keys(scope, **without)


@pytest.mark.parametrize(
    ("scope", "arguments", "message"),
    [
        ("joint", {}, "scope 'joint' is unknown; use one of raw, image, pair"),
        ("image", {"variant_id": "v", "image_id": "x"}, "needs variant_id, image_id, targets with 1 target"),
        ("image", ARGUMENTS, "needs variant_id, image_id, targets with 1 target"),
        ("pair", {**ARGUMENTS, "targets": ("a",)}, "with 2 targets"),
        ("targets", {"variant_id": "v"}, "needs variant_id, image_id"),
        ("models", {"variant_id": "v"}, "needs image_id"),
        ("variant", {}, "needs variant_id"),
    ],
)
def test_a_scope_without_its_keys_is_refused(scope: str, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scope_keys(scope, **arguments)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(0.0, 0.0), (1.0, 1.0), (1.01, 2.0), (0.0021, 0.005), (0.0051, 0.01), (3e-9, 5e-9), (9.0, 10.0)],
)
def test_the_ends_of_the_raw_scale_are_round_numbers(value: float, rounded: float) -> None:
    assert round_up(value) == rounded


def test_every_scope_is_tested() -> None:
    assert SCOPES == ("raw", "image", "pair", "targets", "models", "variant", "dataset")


@given(several)
def test_rows_that_are_held_give_the_same_summary_as_a_table(attributions: list[Map]) -> None:
    table = stats(attributions)
    assert_same(RangeSummary.of_rows(table.to_pandas()), summarise(table))
    assert_same(RangeSummary.of_rows(table.to_pandas().head(0)), RangeSummary())


@given(several, st.floats(0, 1))
@example([np.full((2, 3), -1, np.float32)], 0.0)
def test_magnitudes_are_those_of_all_pixels(attributions: list[Map], q: float) -> None:
    summary = summarise(stats(attributions))
    pixels = np.abs(np.stack(attributions).astype(np.float64)).ravel()
    assert summary.magnitude(1) == summary.largest == pixels.max()
    exact = np.sort(pixels)[int(np.floor(q * (len(pixels) - 1)))]
    assert abs(summary.magnitude(q) - exact) <= RELATIVE_ERROR * exact * (1 + 1e-9) + 1e-13
