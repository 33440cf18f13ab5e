"""Shares of right answers where several readers answer the same questions, and differences of such shares.

Answers of one reader are alike, and so are answers to one question: to count them as independent makes
intervals too narrow. Readers and questions are therefore resampled apart, each with replacement, and an
answer counts as often as its reader was drawn, times how often its question was (Owen 2007, "The pigeonhole
bootstrap"). The variance that this gives tends to be above the true one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from igbatch.statistics.aggregates import CONFIDENCE, RESAMPLES, share_interval
from igbatch.statistics.significance import bootstrap_weights

BOOTSTRAP = "crossed bootstrap"
WILSON = "Wilson"
FEWER = "Wilson, fewer of readers and questions"
NEWCOMBE = "Newcombe"


@dataclass(frozen=True)
class Answered:
    """Answers as a table of readers and questions.

    Attributes:
        right: how many answers are right [readers, questions].
        given: of how many, 0 where a reader was not asked.
    """

    right: NDArray[np.float64]
    given: NDArray[np.float64]

    def of(self, questions: NDArray[np.bool_]) -> Answered:
        """Return the answers to some questions, with the same readers."""
        return Answered(self.right * questions, self.given * questions)

    @property
    def readers(self) -> int:
        """How many readers answered."""
        return int(np.count_nonzero(self.given.any(axis=1)))

    @property
    def questions(self) -> int:
        """How many questions were answered."""
        return int(np.count_nonzero(self.given.any(axis=0)))

    @property
    def counts(self) -> tuple[int, int]:
        """How many answers are right, and how many there are."""
        return int(self.right.sum()), int(self.given.sum())

    @property
    def share(self) -> float:
        """The share of answers that are right; NaN of none."""
        right, given = self.counts
        return right / given if given else math.nan


@dataclass(frozen=True)
class Interval:
    """A share, or a difference of two, with its 95 % interval and how that was found; NaN of no answers."""

    value: float
    low: float
    high: float
    method: str


def table_of(
    readers: Sequence[object], questions: Sequence[object], right: Sequence[bool] | NDArray[np.bool_]
) -> tuple[Answered, list[object], list[object]]:
    """Return answers, one an entry, as a table, and whose its rows and columns are, as they come first."""
    rows = {each: at for at, each in enumerate(dict.fromkeys(readers))}
    columns = {each: at for at, each in enumerate(dict.fromkeys(questions))}
    places = [rows[each] for each in readers], [columns[each] for each in questions]
    given, correct = np.zeros((2, len(rows), len(columns)))
    np.add.at(given, places, 1.0)
    np.add.at(correct, places, np.asarray(right, dtype=np.float64))
    return Answered(correct, given), list(rows), list(columns)


def crossed_share(answers: Answered, seed: int = 0) -> Interval:
    """Return the share of right answers with its 95 % interval.

    Of one reader or one question it is Wilson's over answers: it speaks of that reader, or that question,
    alone. Of several it is the percentile interval of the crossed bootstrap, and no narrower than Wilson's
    over answers, which would do if answers were independent. Where all answers are right or all wrong
    nothing varies that could be resampled: then it is Wilson's, counted over readers or over questions,
    whichever are fewer, since answers of one reader may all be right for one reason.
    """
    right, given = answers.counts
    if not given:
        return Interval(math.nan, math.nan, math.nan, WILSON)
    fewer = min(answers.readers, answers.questions)
    if fewer > 1 and right in (0, given):
        return Interval(answers.share, *_wilson(fewer if right else 0, fewer), FEWER)
    low, high = _wilson(right, given)
    if fewer <= 1:
        return Interval(answers.share, low, high, WILSON)
    drawn_low, drawn_high = _percentiles(_resampled(answers, seed))
    return Interval(answers.share, min(low, drawn_low), max(high, drawn_high), BOOTSTRAP)


def crossed_difference(first: Answered, second: Answered, seed: int = 0) -> Interval:
    """Return the share of right answers of the second less that of the first, with its 95 % interval.

    Both have the same readers and questions (`Answered.of`), so that a resample draws a reader into both:
    what makes one reader better than others cancels. Where one side has a single reader or question, the
    interval is made of the intervals of both shares (Newcombe 1998, method 10); so it is where one side's
    answers are all right or all wrong, unless the bootstrap's is wider.
    """
    value = second.share - first.share
    if math.isnan(value):
        return Interval(math.nan, math.nan, math.nan, NEWCOMBE)
    single = any(min(side.readers, side.questions) <= 1 for side in (first, second))
    edge = any(side.counts[0] in (0, side.counts[1]) for side in (first, second))
    low, high = math.inf, -math.inf
    if not single:
        low, high = _percentiles(_resampled(second, seed) - _resampled(first, seed))
    if not (single or edge):
        return Interval(value, low, high, BOOTSTRAP)
    one, other = crossed_share(first, seed), crossed_share(second, seed)
    low = min(low, value - math.hypot(other.value - other.low, one.high - one.value))
    high = max(high, value + math.hypot(other.high - other.value, one.value - one.low))
    return Interval(value, low, high, NEWCOMBE)


def _wilson(right: int, given: int) -> tuple[float, float]:
    low, high = share_interval(right, given)
    assert low is not None
    assert high is not None
    return low, high


def _resampled(answers: Answered, seed: int) -> NDArray[np.float64]:
    """Return the share of right answers in each resample; NaN where it has no answer."""
    readers, questions = answers.given.shape
    of_readers, of_questions = _weights(readers, 2 * seed), _weights(questions, 2 * seed + 1)
    answered = answers.given.any(axis=0)
    of_questions = of_questions[:, answered]
    right, given = (
        np.einsum("rq,rq->r", of_readers @ each[:, answered], of_questions)
        for each in (answers.right, answers.given)
    )
    with np.errstate(invalid="ignore"):
        return np.where(given > 0, right / given, np.nan)


@lru_cache(maxsize=32)
def _weights(size: int, seed: int) -> NDArray[np.float64]:
    """Return how often each reader, or question, is drawn in each resample [resamples, size]."""
    return np.concatenate([block for _, block in bootstrap_weights(size, RESAMPLES, seed)], axis=1)


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(values, (tail, 1 - tail))
    return float(low), float(high)
