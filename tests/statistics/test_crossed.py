"""Shares over readers and questions: known truths, and intervals that hold them as often as they say."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from igbatch.quiz.power import log_odds
from igbatch.statistics.aggregates import share_interval
from igbatch.statistics.crossed import (
    BOOTSTRAP,
    FEWER,
    NEWCOMBE,
    WILSON,
    Answered,
    crossed_difference,
    crossed_share,
    table_of,
)


def answered(right: NDArray[np.bool_] | list[list[int]]) -> Answered:
    """Return a table in which every reader answered every question."""
    return Answered(np.asarray(right, dtype=np.float64), np.ones(np.shape(right)))


def drawn(
    generator: np.random.Generator, readers: int, questions: int, share: float, spread: float
) -> Answered:
    """Draw answers whose readers and questions differ as much, with a share over all that is known."""
    effects = generator.normal(0, spread, (readers, 1)) + generator.normal(0, spread, questions)
    center = log_odds(share, spread * math.sqrt(2))
    return answered(generator.random((readers, questions)) < 1 / (1 + np.exp(-(center + effects))))


def test_a_table_counts_answers_by_readers_and_questions() -> None:
    table, readers, questions = table_of(["b", "a", "b", "b"], [1, 2, 2, 2], [True, False, True, False])
    assert (readers, questions) == (["b", "a"], [1, 2])
    assert table.given.tolist() == [[1, 2], [0, 1]]
    assert table.right.tolist() == [[1, 1], [0, 0]]
    assert (table.counts, table.share, table.readers, table.questions) == ((2, 4), 0.5, 2, 2)
    one = table.of(np.array([True, False]))
    assert (one.counts, one.readers, one.questions) == ((1, 1), 1, 1)


@pytest.mark.parametrize("right", [[[1, 0, 1, 1, 0]], [[1], [0], [1], [1], [0]]])
def test_of_one_reader_or_one_question_the_interval_is_wilsons_over_answers(right: list[list[int]]) -> None:
    found = crossed_share(answered(right))
    assert (found.value, found.low, found.high) == (0.6, *share_interval(3, 5))
    assert found.method == WILSON


def test_where_all_are_right_or_wrong_the_fewer_of_readers_and_questions_count() -> None:
    found = crossed_share(answered(np.ones((4, 30))))
    assert (found.value, found.low, found.high, found.method) == (1.0, *share_interval(4, 4), FEWER)
    found = crossed_share(answered(np.zeros((30, 3))))
    assert (found.value, found.low, found.high, found.method) == (0.0, *share_interval(0, 3), FEWER)


def test_the_interval_is_no_narrower_than_if_answers_were_independent() -> None:
    generator = np.random.default_rng(0)
    for share in (0.05, 0.5, 0.97):
        table = drawn(generator, 6, 10, share, 0.0)
        found, (low, high) = crossed_share(table), share_interval(*table.counts)
        assert low is not None
        assert high is not None
        assert found.low <= low <= found.value <= high <= found.high


def test_no_answers_have_no_share() -> None:
    none = Answered(np.zeros((2, 2)), np.zeros((2, 2)))
    assert math.isnan(crossed_share(none).value)
    assert math.isnan(crossed_difference(none, answered([[1, 0], [0, 1]])).low)


def test_a_difference_changes_its_sign_with_its_sides_and_readers_are_paired() -> None:
    generator = np.random.default_rng(1)
    good = np.arange(20)[:, None] % 2 * 0.8 + 0.1  # readers who are right in 10 % or 90 %
    table = answered(generator.random((20, 40)) < good)
    second = np.arange(40) >= 20
    found = crossed_difference(table.of(~second), table.of(second))
    back = crossed_difference(table.of(second), table.of(~second))
    assert (found.value, found.low, found.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert found.method == BOOTSTRAP
    share = crossed_share(table.of(second))
    assert found.high - found.low < (share.high - share.low) / 1.5  # what readers differ by cancels


def test_a_difference_at_an_edge_or_of_one_reader_is_made_of_both_intervals() -> None:
    second = np.array([False] * 10 + [True] * 10)
    one = answered([[0] * 10 + [1] * 10])
    found = crossed_difference(one.of(~second), one.of(second))
    low = 1 - math.hypot(1 - share_interval(10, 10)[0], share_interval(0, 10)[1])  # type: ignore[operator, arg-type]
    assert (found.value, found.low, found.high) == pytest.approx((1.0, low, 1.0))
    assert found.method == NEWCOMBE
    several = answered(np.repeat(one.right, 5, axis=0))
    assert crossed_difference(several.of(~second), several.of(second)).low < 0.7


@pytest.mark.parametrize(
    ("readers", "questions", "share", "spread"),
    [(8, 20, 0.6, 0.8), (8, 20, 0.92, 0.8), (3, 20, 0.6, 0.6), (12, 8, 0.7, 0.7)],
)
def test_intervals_hold_the_truth_in_nine_of_ten_studies_where_readers_and_questions_differ(
    readers: int, questions: int, share: float, spread: float
) -> None:
    generator = np.random.default_rng(2)
    studies = [drawn(generator, readers, questions, share, spread) for _ in range(120)]
    found = [crossed_share(study) for study in studies]
    assert np.mean([each.low <= share <= each.high for each in found]) >= 0.9
    second = np.arange(questions) % 2 == 1
    apart = [crossed_difference(study.of(~second), study.of(second)) for study in studies]
    assert np.mean([each.low <= 0 <= each.high for each in apart]) >= 0.9


def test_as_if_answers_were_independent_the_interval_would_miss_the_truth() -> None:
    generator = np.random.default_rng(3)
    held = []
    for _ in range(120):
        low, high = share_interval(*drawn(generator, 8, 20, 0.6, 0.8).counts)
        held.append(low is not None and high is not None and low <= 0.6 <= high)
    assert np.mean(held) < 0.8
