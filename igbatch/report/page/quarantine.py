"""What a report tells of the rows in quarantine: how many, and the first ones."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from igbatch.results import StudyResults


@dataclass(frozen=True)
class Quarantine:
    """Rows of `StudyResults.quarantine`: how many there are, and the first of them, in its order."""

    total: int
    rows: pd.DataFrame

    @property
    def whole(self) -> bool:
        """Tell whether all rows are held."""
        return len(self.rows) == self.total


def take_quarantine(results: StudyResults, most: int) -> Quarantine:
    """Read the quarantine of one variant after the other, keeping the first `most` rows of all."""
    total, kept = 0, results.quarantine_of(results.variants["variant_id"].iloc[0]).iloc[:0]
    for variant_id in sorted(results.variants["variant_id"]):
        lost = results.quarantine_of(variant_id)
        total += len(lost)
        rows = pd.concat([part for part in (kept, lost) if len(part)] or [kept], ignore_index=True)
        unnamed = rows["target"].isna()  # these stand for all targets of an image, and come first
        kept = pd.concat([rows[unnamed], rows[~unnamed]], ignore_index=True).head(most)
    return Quarantine(total, kept)
