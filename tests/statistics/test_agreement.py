import numpy as np
import pandas as pd
import pytest
from scipy import stats

from igbatch.statistics.aggregates import KEYS, share_interval
from igbatch.statistics.agreement import MEASURES, PAIRS, aggregate_deletions, rank_interval

RNG = np.random.default_rng(0)
SUM, LOSS, TRUE = RNG.normal(size=(3, 20))


def boxes(**columns: object) -> pd.DataFrame:
    """One box of an eagle in each of 20 images, with sums, losses and true effects."""
    rows = {
        "variant_id": "trained", "target": "eagle", "box_label": "eagle",
        "image_id": [f"{number}.png" for number in range(20)],
        "sum": SUM, "deletion": LOSS, "deletion_blurred": 2 * SUM, "true_effect": TRUE,
    }  # fmt: skip
    return pd.DataFrame(rows | columns)


def by_pair(table: pd.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    return {(row["measure"], row["against"]): row for row in table.to_dict("records")}


def test_signs_and_ranks_are_held_against_each_other_by_image() -> None:
    table = aggregate_deletions(boxes())
    found = by_pair(table)
    assert tuple(found) == PAIRS
    row = found["deletion", "true_effect"]
    agreeing = int((np.sign(LOSS) == np.sign(TRUE)).sum())
    assert row["n_images"] == 20
    assert (row["mean"], row["mean_against"]) == pytest.approx((LOSS.mean(), TRUE.mean()))
    assert row["mean_low"] < row["mean"] < row["mean_high"]
    assert row["sign_share"] == agreeing / 20
    assert (row["sign_share_low"], row["sign_share_high"]) == share_interval(agreeing, 20)
    assert row["spearman"] == pytest.approx(stats.spearmanr(LOSS, TRUE).statistic)
    assert row["spearman_low"] < row["spearman"] < row["spearman_high"]
    same = found["deletion_blurred", "sum"]
    assert (same["sign_share"], same["spearman"]) == (1, pytest.approx(1))
    assert np.isnan(same["spearman_low"])  # all ranks agree


def test_boxes_of_a_label_are_added_and_what_was_not_measured_is_left_out() -> None:
    half = boxes(**{name: boxes()[name] / 2 for name in ("sum", *MEASURES)})
    twice = aggregate_deletions(pd.concat([half, half], ignore_index=True))
    pd.testing.assert_frame_equal(twice, aggregate_deletions(boxes()))
    some = boxes(deletion=np.where(np.arange(20) < 5, LOSS, np.nan), true_effect=np.nan)
    found = by_pair(aggregate_deletions(some))
    assert list(found) == [("deletion", "sum"), ("deletion_blurred", "sum")]
    assert found["deletion", "sum"]["n_images"] == 5
    assert found["deletion", "sum"]["mean"] == pytest.approx(LOSS[:5].mean())
    hidden = boxes(sum=np.nan, image_id="hidden.png")
    pd.testing.assert_frame_equal(
        aggregate_deletions(pd.concat([boxes(), hidden])), aggregate_deletions(boxes())
    )
    nothing = aggregate_deletions(boxes(**dict.fromkeys(MEASURES, np.nan)))
    assert len(nothing) == 0
    assert [*nothing] == [*aggregate_deletions(boxes())]
    assert {*KEYS} < {*nothing}


def test_constants_have_no_ranks() -> None:
    row = by_pair(aggregate_deletions(boxes(deletion=0.0)))["deletion", "sum"]
    assert np.isnan(row["spearman"])
    assert row["sign_share"] == 0
    assert row["mean_low"] == row["mean_high"] == 0


def test_nine_of_ten_intervals_hold_the_true_rank_correlation() -> None:
    """Of normal pairs with correlation r it is 6 / pi * arcsin(r / 2)."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        one, other = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 30).T
        low, high = rank_interval(float(stats.spearmanr(one, other).statistic), 30)
        assert low is not None
        assert high is not None
        held += low <= 6 / np.pi * np.arcsin(0.3) <= high
    assert held >= 180
    assert rank_interval(0.5, 3) == rank_interval(None, 30) == (None, None)
