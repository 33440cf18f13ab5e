"""How many readers a quiz needs: studies are simulated and reduced as answers are.

Each reader and each question has an effect of its own on the log-odds of a right answer, drawn from a normal
distribution: a logistic model with crossed random intercepts. Half of the questions are under one
normalization, half under the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import brentq
from scipy.special import expit

from igbatch.errors import InputError
from igbatch.statistics.crossed import Answered, crossed_difference
from igbatch.text import decimals, percent, whole_percent

READERS = (4, 8, 12, 20, 30)
SIMULATIONS = 400
"""Where nobody says how many."""


@dataclass(frozen=True)
class Power:
    """What simulated studies with some number of readers found.

    Attributes:
        power: share of the studies whose interval of the difference leaves 0 out.
        error: standard error of that share, from the number of studies.
        width: mean width of the interval.
        covered: share of the studies whose interval holds the true difference.
    """

    readers: int
    power: float
    error: float
    width: float
    covered: float


@dataclass(frozen=True)
class Assumptions:
    """What is taken for granted of simulated studies.

    Attributes:
        questions: of the quiz, half of them under each normalization.
        shares: of right answers under the first and the second normalization, over all readers and questions.
        reader_sd: standard deviation of what a reader adds to the log-odds of a right answer.
        question_sd: the same of a question.
        simulations: studies of each size.
        seed: of what is drawn; each number of readers has the same studies, whatever others are tried.

    Raises:
        InputError: one of them makes no study.
    """

    questions: int
    shares: tuple[float, float]
    reader_sd: float
    question_sd: float
    simulations: int
    seed: int

    def __post_init__(self) -> None:
        if self.questions < 2:
            raise InputError(
                f"{self.questions} questions cannot be half under each normalization; give at least 2"
            )
        if not all(0 < share < 1 for share in self.shares):
            raise InputError(f"shares of right answers are {self.shares}; give two between 0 and 1")
        spreads = self.reader_sd, self.question_sd
        if not all(0 <= spread <= 10 for spread in spreads):
            raise InputError(f"standard deviations are {spreads}; give two from 0 to 10")
        if self.simulations < 1:
            raise InputError(f"simulations are {self.simulations}; give at least 1")


def simulate_power(readers: Sequence[int], assumed: Assumptions) -> Iterator[Power]:
    """Yield what studies with each number of readers find, reduced by `crossed_difference`.

    Raises:
        InputError: there is no number of readers, or one below 1.
    """
    if not readers or min(readers) < 1:
        raise InputError(f"readers are {list(readers)}; give numbers of at least 1")
    questions, shares, simulations = assumed.questions, assumed.shares, assumed.simulations
    spread = math.hypot(assumed.reader_sd, assumed.question_sd)
    half = questions // 2
    second = np.arange(questions) >= half
    center = np.where(second, log_odds(shares[1], spread), log_odds(shares[0], spread))
    true = shares[1] - shares[0]
    for number in readers:
        generator = np.random.default_rng((assumed.seed, number))
        found = covered = 0
        width = 0.0
        for _ in range(simulations):
            of_readers = generator.normal(0, assumed.reader_sd, (number, 1))
            of_questions = generator.normal(0, assumed.question_sd, questions)
            chance = expit(center + of_readers + of_questions)
            right = generator.random((number, questions)) < chance
            table = Answered(right.astype(np.float64), np.ones(right.shape))
            interval = crossed_difference(table.of(~second), table.of(second))
            found += not interval.low <= 0 <= interval.high
            covered += interval.low <= true <= interval.high
            width += interval.high - interval.low
        power = found / simulations
        error = math.sqrt(power * (1 - power) / simulations)
        yield Power(number, power, error, width / simulations, covered / simulations)


def print_power(readers: Sequence[int], assumed: Assumptions, console: Console) -> None:
    """Print what `simulate_power` finds, a row each number of readers; it raises what that raises."""
    first, second = map(whole_percent, assumed.shares)
    table = Table(
        title=f"{first} against {second} right, {assumed.questions} questions",
        title_justify="left",
        title_style="bold",
    )
    for head in ("readers", "power", "width of the interval", "holds the truth"):
        table.add_column(head, justify="right")
    for found in simulate_power(readers, assumed):
        table.add_row(
            str(found.readers),
            f"{whole_percent(found.power)} ± {decimals(100 * found.error, 1)}",
            f"{decimals(100 * found.width, 0)} points",
            percent(found.covered),
        )
    console.print(table, markup=False)
    words = (
        f"Power: the share of {assumed.simulations} simulated studies whose 95 % interval of the difference "
        "leaves 0 out, ± its standard error from so many studies. Half of the questions are under each of "
        f"both. Readers differ by {decimals(assumed.reader_sd)} and questions by "
        f"{decimals(assumed.question_sd)} (standard "
        "deviations of the log-odds of a right answer): guesses, unless a pilot tells."
    )
    console.print(words, highlight=False, markup=False, soft_wrap=True)


def log_odds(share: float, spread: float) -> float:
    """Return the log-odds around which a normal distribution gives a mean share of right answers."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)

    def beyond(middle: float) -> float:
        return float(weights @ expit(middle + spread * nodes) / weights.sum()) - share

    return float(brentq(beyond, -400, 400))
