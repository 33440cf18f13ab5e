"""Looking up the means of a randomization study."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from igbatch.report.randomization.steps import ModelVariants, Randomized
from igbatch.store.schemas import SCALES
from igbatch.text import number

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

RANGES = {
    "own": "each map by its per-map range",
    "pair": "range of the two maps",
    "models": "range of all maps of the image",
    "dataset": "range of all maps of the study",
}
"""What each of `SCALES` divides maps by, in words."""


class Mean(NamedTuple):
    """A mean over images, and the ends of its 95 % interval, None where there are too few."""

    value: float
    ends: tuple[float, float] | None
    images: int

    @property
    def span(self) -> tuple[float, float]:
        """The ends of the interval, or the mean twice."""
        return self.ends or (self.value, self.value)

    @property
    def above(self) -> bool | None:
        """Whether the interval lies above zero (True), below it (False), or holds it (None)."""
        if self.ends is None or self.ends[0] <= 0 <= self.ends[1]:
            return None
        return self.ends[0] > 0

    @property
    def text(self) -> str:
        """The mean with its interval in brackets."""
        return written(self.value) + (f" ({' to '.join(map(written, self.ends))})" if self.ends else "")


def written(value: float) -> str:
    """Write a mean; what is just below 1 has digits enough to tell it from 1."""
    return number(value, 5 if 0.99 < value < 1 else 3)


class Means:
    """The rows of `schemas.RANDOMIZATION` of one model, found by what they are of.

    What a mean is of is given by keywords: `comparison` for likenesses of maps, `target` for measures of
    single maps, `target` and `box_label` for localization. None is returned for what was not measured.
    """

    def __init__(self, table: pd.DataFrame, variants: ModelVariants) -> None:
        self._trained = variants.trained
        own = table[table["model"] == variants.model]
        keys = own[_KEYS].astype(object).where(own[_KEYS].notna(), None)
        numbers = own[["mean", "low", "high", "n_images"]].itertuples(index=False, name=None)
        self._means = {
            key: Mean(mean, None if pd.isna(low) or pd.isna(high) else (low, high), images)
            for key, (mean, low, high, images) in zip(
                keys.itertuples(index=False, name=None), numbers, strict=True
            )
        }

    def random(self, measure: str, **of: str) -> Mean | None:
        """Return the mean of the random models that are computed on all images."""
        return self._find("random_mean", None, measure, **of)

    def compared(self, measure: str, **of: str) -> tuple[Mean | None, Mean | None, Mean | None]:
        """Return the trained model's mean, that of the random ones, and the difference."""
        trained = self._find("variant", self._trained, measure, **of)
        return trained, self.random(measure, **of), self._find("trained_minus_random", None, measure, **of)

    def along(self, group: Randomized, measure: str) -> dict[int, Mean]:
        """Return the likeness to the trained model of each step that has one, by the step's place."""
        found = (
            self._find("variant", each, measure, comparison="to_trained") for each in group.steps.values()
        )
        return {place: mean for place, mean in enumerate(found) if mean is not None}

    def images(self, group: Randomized) -> int:
        """Return over how many images the likenesses of some steps are averaged."""
        found = (mean.images for measure in INVARIANT for mean in self.along(group, measure).values())
        return max(found, default=0)

    @property
    def boxes(self) -> list[tuple[str, str]]:
        """Pairs of box label and target that localization is measured for, sorted."""
        return sorted({(label, target) for *_, target, label in self._means if label is not None})

    def _find(self, whose: str, variant_id: str | None, measure: str, **of: str) -> Mean | None:
        return self._means.get((whose, variant_id, measure, *map(of.get, _KEYS[3:])))


_KEYS = ["of", "variant_id", "measure", "comparison", "target", "box_label"]
