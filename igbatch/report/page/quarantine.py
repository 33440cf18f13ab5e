"""What a report tells of the rows in quarantine: how many, the first ones, and all while there are few."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from igbatch.results import StudyResults


@dataclass(frozen=True)
class Quarantine:
    """Rows of `StudyResults.quarantine`.

    Attributes:
        total: how many there are.
        first: the first of them, in its order.
        whole: all of them, in its order; None where there are too many.
    """

    total: int
    first: pd.DataFrame
    whole: pd.DataFrame | None


def take_quarantine(results: StudyResults, first: int, most: int) -> Quarantine:
    """Read the quarantine of one variant after the other, keeping the first rows, and all up to `most`."""
    total, heads = 0, []
    whole: list[pd.DataFrame] | None = []
    for variant_id in sorted(results.variants["variant_id"]):
        lost = results.quarantine_of(variant_id)
        total += len(lost)
        unnamed = lost["target"].isna()
        heads.append(pd.concat([lost[unnamed].head(first), lost[~unnamed].head(first)]))
        if whole is not None:
            whole.append(lost)
        if total > most:
            whole = None
    every = None if whole is None else _ordered(whole)
    return Quarantine(total, _ordered(heads).head(first), every)


def _ordered(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Join rows of variants in their order, those that stand for all targets of an image first."""
    rows = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    unnamed = rows["target"].isna()
    return pd.concat([rows[unnamed], rows[~unnamed]], ignore_index=True)
