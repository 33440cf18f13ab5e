"""Significance: p-values against a null, their correction, tests of signs, resampled means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from igbatch.errors import InputError

Alternative = Literal["greater", "less", "two-sided"]

MIN_SIGNED_RANKS = 6
"""Values that a signed-rank test needs: with fewer no two-sided p can come below 0.05."""

_CELLS = 1_000_000
"""Weights of a bootstrap that are held at once; they take about 60 MB while they are drawn."""


class EmpiricalP(NamedTuple):
    """A p-value counted against a null.

    Attributes:
        p: the p-value.
        exceedances: values of the null at least as extreme as the one tested; of two sides the fewer.
        n: values of the null.
        smallest: the least p that so many values can give.
    """

    p: float
    exceedances: int
    n: int
    smallest: float


class SignedTest(NamedTuple):
    """A test of whether values lie above or below zero.

    Attributes:
        n: values that count; zeros and NaN are left out.
        zeros: values that are exactly zero.
        positive: share of the n values above zero; None where n is 0.
        statistic: what the test counts: values above zero, or the sum of their ranks; None where p is.
        p: the p-value; None where there are too few values.
        smallest: the least p that n values can give.
    """

    n: int
    zeros: int
    positive: float | None
    statistic: float | None
    p: float | None
    smallest: float


def empirical_p(value: float, null: NDArray[np.floating], alternative: Alternative) -> EmpiricalP:
    """Return how often a null reaches a value, (1 + exceedances) / (1 + N), which is never 0.

    Ties count as exceedances. Under the null hypothesis, that value and null are exchangeable, p is at most u
    with a probability of at most u, for every u. `two-sided` is twice the smaller of both sides, at most 1.
    Phipson & Smyth 2010, "Permutation P-values Should Never Be Zero".

    Args:
        value: what is tested.
        null: values of the null [N], finite; with none p is 1.
        alternative: `greater` where large values are tested against the null, `less`, or `two-sided`.

    Raises:
        InputError: the value or one of the null is NaN or infinite.
    """
    if not (np.isfinite(value) and np.isfinite(null).all()):
        raise InputError("a p-value needs finite values; leave out what is missing from value and null")
    n = len(null)
    above, below = int(np.count_nonzero(null >= value)), int(np.count_nonzero(null <= value))
    exceedances = {"greater": above, "less": below, "two-sided": min(above, below)}[alternative]
    sides = 2 if alternative == "two-sided" else 1
    p, smallest = (min(1.0, sides * (1 + count) / (1 + n)) for count in (exceedances, 0))
    return EmpiricalP(p, exceedances, n, smallest)


def empirical_p_values(
    values: NDArray[np.float64], null: NDArray[np.float64], alternative: Alternative
) -> NDArray[np.float64]:
    """Return p as `empirical_p` does, of values [R] against a null of each [R, N].

    What is NaN or infinite in a null is left out. NaN where the value is, or where its null is empty then.
    """
    kept = np.isfinite(null)
    n = kept.sum(axis=1)
    sides = null >= values[:, None], null <= values[:, None]
    above, below = ((kept & side).sum(axis=1) for side in sides)
    exceedances = {"greater": above, "less": below, "two-sided": np.minimum(above, below)}[alternative]
    p = np.minimum(1.0, (2 if alternative == "two-sided" else 1) * (1 + exceedances) / (1 + n))
    return np.where(np.isfinite(values) & (n > 0), p, np.nan)


def effect_size(value: float, null: NDArray[np.floating]) -> float | None:
    """Return (value - mean) / standard deviation of a null [N], with N - 1 degrees of freedom.

    None below two values, or where they differ by no more than rounding.
    """
    if len(null) < 2:
        return None
    values = np.asarray(null, dtype=np.float64)
    spread = float(values.std(ddof=1))
    if spread <= 1e-12 * float(np.abs(values).max()):
        return None
    return (value - float(values.mean())) / spread


def effect_sizes(values: NDArray[np.float64], null: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what `effect_size` does, of values [R] against a null of each [R, N]; NaN where there is none.

    What is NaN or infinite in a null is left out.
    """
    kept = np.isfinite(null)
    n, null = kept.sum(axis=1), np.where(kept, null, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = null.sum(axis=1) / n
        apart = np.where(kept, null - means[:, None], 0.0)
        spreads = np.sqrt(np.square(apart).sum(axis=1) / (n - 1))
        effects = (values - means) / spreads
    known = (n > 1) & (spreads > 1e-12 * np.abs(null).max(axis=1, initial=0.0))
    return np.where(known & np.isfinite(values), effects, np.nan)


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values [m] adjusted for the false discovery rate (Benjamini & Hochberg 1995).

    NaN stays NaN and does not count among the tests.
    """
    found = np.full(p_values.shape, np.nan)
    valid = ~np.isnan(p_values)
    if valid.any():
        from scipy import stats  # takes a second to import

        found[valid] = stats.false_discovery_control(p_values[valid], method="bh")
    return found


def sign_test(values: NDArray[np.float64], alternative: Alternative) -> SignedTest:
    """Test by signs alone whether values [n] lie above or below zero: exact, binomial, without zeros."""
    test, valid = _untested(values, alternative)
    if not test.n:
        return test
    from scipy import stats

    above = int(np.count_nonzero(valid > 0))
    p = float(stats.binomtest(above, test.n, 0.5, alternative).pvalue)
    return test._replace(statistic=above, p=p)


def signed_rank_test(values: NDArray[np.float64], alternative: Alternative) -> SignedTest:
    """Test by signs and ranks whether values [n] lie above or below zero (Wilcoxon 1945), without zeros.

    The null hypothesis is that values are symmetric about zero. p is exact up to 50 values if no magnitudes
    tie, otherwise from the normal approximation or, of very few values, from all patterns of signs (scipy's
    `wilcoxon`). Below `MIN_SIGNED_RANKS` values there is no p.
    """
    test, valid = _untested(values, alternative)
    if test.n < MIN_SIGNED_RANKS:
        return test
    from scipy import stats

    ranks = float(stats.rankdata(np.abs(valid))[valid > 0].sum())
    return test._replace(statistic=ranks, p=float(stats.wilcoxon(valid, alternative=alternative).pvalue))


def _untested(
    values: NDArray[np.float64], alternative: Alternative
) -> tuple[SignedTest, NDArray[np.float64]]:
    """Return what is known of values [n] before they are tested, and those that count."""
    valid = values[~np.isnan(values)]
    signed = valid[valid != 0]
    n = len(signed)
    positive = float(np.mean(signed > 0)) if n else None
    sides = 2 if alternative == "two-sided" else 1  # all signs alike: one pattern of 2^n, or either of two
    return SignedTest(n, len(valid) - n, positive, None, None, min(1.0, sides * 0.5**n)), signed


def bootstrap_weights(images: int, resamples: int, seed: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield how often each image is drawn in each resample, block by block of images.

    A resample draws `images` times with replacement (Efron 1979): its weights are multinomial and add up to
    `images` over all blocks. How many of its draws fall into each block is drawn first, then which images of
    the block they hit: the same distribution, in bounded memory. Same arguments, same weights, so tasks that
    hold different variants resample the same images.

    Yields:
        the block's images, and float64 [resamples, images of the block].
    """
    if images == 0:
        return
    rng = np.random.default_rng(seed)
    size = max(1, _CELLS // max(1, resamples))
    starts = np.arange(0, images, size)
    widths = np.minimum(size, images - starts)
    counts = rng.multinomial(images, widths / images, size=resamples)
    for start, width, drawn in zip(starts.tolist(), widths.tolist(), counts.T, strict=True):
        cells = np.repeat(width * np.arange(resamples), drawn)
        cells += rng.integers(0, width, len(cells))
        weights = np.bincount(cells, minlength=resamples * width).reshape(resamples, width)
        yield slice(start, start + width), weights.astype(np.float64)


def resampled_means(values: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return the means of values [images, columns] over images, as they are and resampled.

    NaN marks what is missing; it is left out of a mean's numerator and denominator. The resamples are
    those of `bootstrap_weights`, whatever the columns.

    Returns:
        float64 [1 + resamples, columns]: row 0 the plain means, row r those of resample r; NaN where a mean
        is of no value.
    """
    sums = np.zeros((1 + resamples, values.shape[1]))
    totals = np.zeros_like(sums)
    for part, weights in bootstrap_weights(len(values), resamples, seed):
        valid = ~np.isnan(values[part])
        block = np.where(valid, values[part], 0.0)
        sums[0] += block.sum(axis=0)
        sums[1:] += weights @ block
        totals[0] += valid.sum(axis=0)
        totals[1:] += (
            weights.sum(axis=1, keepdims=True) if valid.all() else weights @ valid.astype(np.float64)
        )
    with np.errstate(invalid="ignore"):
        return np.where(totals > 0, sums / totals, np.nan)
