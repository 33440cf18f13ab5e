from typing import Any

import pytest

from igbatch.report.randomization.means import Means
from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.randomization.table import (
    edges_table,
    likeness_table,
    null_table,
    passed_table,
    sign_agreement,
    sign_rows,
    sign_table,
    targets_table,
)


def cells(table: Any, row: int) -> dict[str, str]:
    return dict(zip(table.head, table.rows[row], strict=True))


def test_the_table_of_tests_has_value_null_effect_and_p(tested: Any, tests_of: Any) -> None:
    table = null_table(tests_of([tested(), tested(statistic="sum")]), {("eagle", "eagle"): 0.75})
    first = cells(table, 0)
    assert first["trained (95 % interval)"] == "0.50 (0.40 to 0.60)"
    assert first["random (95 % of them)"] == "0.200 (0.100 to 0.300)"
    assert first["p, side (resampled)"] == "0.032 above (0.032 to 0.065)"
    assert first["sign"] == "–"  # a share has no sign
    assert cells(table, 1)["sign"] == "75.0\u00a0%"
    assert null_table(tests_of([]), {}) is None


def test_passed_tests_are_counted_by_statistic(tested: Any, tests_of: Any) -> None:
    rows = [
        tested(), tested(target="magpie", p_adjusted=0.4), tested(image_id="c.png"),
        tested(statistic="sum", family="of scale"),
        tested(statistic="sum", family="of scale", box_label=None, p_adjusted=0.4),
    ]  # fmt: skip
    table = passed_table(tests_of(rows))
    assert table is not None
    assert table.rows == (
        ("sum in the box", "bound", "1 of 1", "–"),
        ("share of |a|", "free", "1 of 2", "1 of 1"),
        ("sum of the map", "bound", "0 of 1", "–"),
    )
    assert passed_table(tests_of([])) is None


def test_agreement_of_signs_is_that_of_the_aggregates(randomized: Any) -> None:
    rows = randomized.aggregates.set_index(["variant_id", "target", "box_label"])
    found = sign_agreement(randomized, "trained")
    assert found["eagle", "magpie"] == rows.loc[("trained", "eagle", "magpie"), "sign_share"]
    assert len(found) == 4


def test_random_models_are_counted_by_the_same_sign_test(randomized: Any, variants: ModelVariants) -> None:
    rows = sign_rows(randomized, variants)
    assert rows[["rejecting", "models", "p"]].to_numpy().tolist() == [[1, 2, 0.001]]  # p of 0.5 and 0.01
    first = cells(sign_table(rows), 0)
    assert first["hypothesis"] == "The eagle box counts against magpie (its sum is below 0)"
    assert first["random models with p ≤ 5 %"] == "1 of 2"


def test_a_paired_difference_is_a_question_of_two_targets(
    randomized: Any, variants: ModelVariants, tests_of: Any, signed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"target": "eagle", "other_target": "magpie", "statistic": "sum_minus_other"}
    rows = [{**row, **more} for row in signed("trained", 0.01)]
    monkeypatch.setitem(randomized.__dict__, "significance", tests_of(rows))
    (row,) = sign_rows(randomized, variants).to_dict("records")
    assert row["hypothesis"] == "The eagle box counts more for eagle than for magpie"
    assert row["models"] == 0


def test_tables_of_likeness_hold_what_was_measured(means_of: Any, variants: ModelVariants) -> None:
    means = Means(means_of(), variants)
    rows = {row[0]: row[1:] for row in targets_table(means).rows}  # type: ignore[union-attr]
    assert rows["SSIM, own − pair"] == ("0.500 (0.400 to 0.600)", "0.400 (0.300 to 0.500)", "–")
    assert "HOG" not in rows
    mutual = {row[0]: row[1:] for row in likeness_table(means).rows}  # type: ignore[union-attr]
    assert set(mutual) == {"Spearman", "Spearman of |a|"}
    edges = edges_table(means, ["eagle", "magpie"])
    assert cells(edges, 0)["trained − random"] == "0.150 (0.100 to 0.200)"
    assert [row[1] for row in edges.rows] == ["eagle", "eagle"]  # type: ignore[union-attr]
