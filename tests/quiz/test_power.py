"""Power by simulation: none where there is nothing to find, more with more readers, and bad calls."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from igbatch.errors import InputError
from igbatch.quiz.power import Assumptions, Power, log_odds, print_power, simulate_power

CALL: dict[str, Any] = {
    "readers": [8], "questions": 20, "shares": (0.6, 0.6), "reader_sd": 0.7, "question_sd": 0.7,
    "simulations": 150, "seed": 0,
}  # fmt: skip


def simulate(readers: list[int], **assumed: Any) -> Iterator[Power]:
    return simulate_power(readers, Assumptions(**assumed))


def test_without_a_difference_few_studies_find_one() -> None:
    (found,) = simulate(**CALL)
    assert found.power <= 0.05
    assert found.covered == pytest.approx(1 - found.power)


def test_more_readers_find_a_difference_more_often_and_the_interval_narrows() -> None:
    call = {**CALL, "shares": (0.5, 0.85), "readers": [3, 16], "simulations": 60}
    few, many = simulate(**call)
    assert few.power < many.power
    assert many.power > 0.6
    assert many.width < few.width
    assert min(few.covered, many.covered) >= 0.9
    assert many.error == pytest.approx((many.power * (1 - many.power) / 60) ** 0.5)
    assert list(simulate(**{**call, "readers": [16]})) == [many]  # whatever else is tried


@pytest.mark.parametrize(("share", "spread"), [(0.5, 0.0), (0.9, 1.0), (0.1, 3.0)])
def test_log_odds_give_the_share_that_was_asked_for(share: float, spread: float) -> None:
    drawn = log_odds(share, spread) + spread * np.random.default_rng(0).standard_normal(200_000)
    assert np.mean(1 / (1 + np.exp(-drawn))) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"readers": [0]}, "at least 1"),
        ({"questions": 1}, "at least 2"),
        ({"shares": (0.5, 1.0)}, "between 0 and 1"),
        ({"reader_sd": -1.0}, "from 0 to 10"),
        ({"simulations": 0}, "simulations are 0"),
    ],
)
def test_what_makes_no_study_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(simulate(**{**CALL, **changes}))


def test_it_is_printed_with_its_own_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_power([2], Assumptions(6, (0.5, 0.9), 0.0, 0.0, 10, 0), Console(width=120))
    printed = capsys.readouterr().out
    assert "50\u00a0% against 90\u00a0% right, 6 questions" in printed
    assert "±" in printed
    assert "the share of 10 simulated studies" in printed
