"""Looking up the means of a randomization study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from igbatch.report.text import number
from igbatch.store.schemas import SCALES

INVARIANT = ("spearman", "spearman_abs", "hog")
"""Measures that no normalization changes."""

NAMES = {
    "spearman": "Spearman",
    "spearman_abs": "Spearman of |a|",
    "hog": "HOG",
    "difference": "RMS difference",
    **{f"ssim_{scale}": f"SSIM, {scale}" for scale in SCALES},
    **{f"difference_{scale}": f"RMS difference / range, {scale}" for scale in SCALES},
    "ssim_own_minus_pair": "SSIM, own − pair",
}
"""Names of the measures of likeness, as figures and tables have them."""


@dataclass(frozen=True)
class Mean:
    """A mean over images with its 95 % interval, None where there are too few; over `variants` too."""

    value: float
    low: float | None
    high: float | None
    variants: int
    images: int

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def above(self) -> bool | None:
        """Whether the interval lies above zero (True), below it (False), or holds it (None)."""
        if self.ends is None or self.ends[0] <= 0 <= self.ends[1]:
            return None
        return self.ends[0] > 0

    @property
    def text(self) -> str:
        """The mean with its interval in brackets."""
        return told(self.value) + (f" ({' to '.join(map(told, self.ends))})" if self.ends else "")

    @property
    def prose(self) -> str:
        """The same with two decimals, as sentences have it."""
        return two_places(self.value) + (f" ({' to '.join(map(two_places, self.ends))})" if self.ends else "")


def two_places(value: float) -> str:
    """Write a similarity with two decimals, as sentences have it."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def told(value: float) -> str:
    """Write a mean; what is just below 1 has digits enough to tell it from 1."""
    return number(value, 5 if 0.99 < value < 1 else 3)


class Means:
    """The rows of `schemas.RANDOMIZATION` of one model, found by what they are of."""

    def __init__(self, table: pd.DataFrame, model: str) -> None:
        own = table[table["model"] == model]
        keys = ["of", "variant_id", "table", "comparison", "target", "box_label", "measure"]
        cells = [own[key].astype(object).where(own[key].notna(), None) for key in keys]
        self._rows: dict[tuple[Any, ...], Mean] = {}
        numbers = own[["mean", "low", "high", "n_variants", "n_images"]].to_numpy()
        for *key, row in zip(*cells, numbers, strict=True):
            mean, low, high, variants, images = row
            told_ends = not (pd.isna(low) or pd.isna(high))
            ends = (float(low), float(high)) if told_ends else (None, None)
            self._rows[tuple(key)] = Mean(float(mean), ends[0], ends[1], int(variants), int(images))

    def likeness(self, variant_id: str, comparison: str, measure: str) -> Mean | None:
        """Return how alike maps are in a comparison of one variant."""
        return self._rows.get(("variant", variant_id, "similarity", comparison, None, None, measure))

    def random_likeness(self, comparison: str, measure: str) -> Mean | None:
        """Return the same of the mean random model."""
        return self._rows.get(("random_mean", None, "similarity", comparison, None, None, measure))

    def likeness_gap(self, comparison: str, measure: str) -> Mean | None:
        """Return the likeness of the trained model's maps less that of the mean random model's."""
        return self._rows.get(("trained_minus_random", None, "similarity", comparison, None, None, measure))

    def of_maps(self, of: str, target: str, measure: str, variant_id: str | None = None) -> Mean | None:
        """Return a measure of single maps, `of` a variant, random_mean or trained_minus_random."""
        return self._rows.get((of, variant_id, "map_measures", None, target, None, measure))

    def located(
        self, of: str, target: str, box_label: str, measure: str, variant_id: str | None = None
    ) -> Mean | None:
        """Return a measure of localization, `of` a variant, random_mean or trained_minus_random."""
        return self._rows.get((of, variant_id, "localization", None, target, box_label, measure))

    @property
    def boxes(self) -> list[tuple[str, str]]:
        """Pairs of box label and target that localization is told of, sorted."""
        found = {(key[5], key[4]) for key in self._rows if key[2] == "localization"}
        return sorted(found)
