"""Many faults of one file in one line: how many there are, and the first of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

MAX_NAMED = 10
"""Faults that a message names; it counts the others."""

MAX_CELL = 60


def cite(texts: Iterable[str], total: int) -> str:
    """Join the first `MAX_NAMED` of `total` faults, and say how many more there are."""
    first = list(islice(texts, MAX_NAMED))
    more = total - len(first)
    return "; ".join([*first, f"and {more:,} more"] if more > 0 else first)


def shown(value: object) -> str:
    """Return a value of a file as Python writes it, its middle left out where it is long."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number of thousands of digits"
    half = MAX_CELL // 2
    return text if len(text) <= MAX_CELL else f"{text[:half]}…{text[-half:]}"
