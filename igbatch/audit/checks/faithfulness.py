"""Whether maps are still faithful to their model: infidelity and maximum sensitivity, where both have them.

Source: Yeh et al., *On the (In)fidelity and Sensitivity of Explanations*, NeurIPS 2019; captum's measures.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from igbatch.audit.checks.base import Accumulated, short
from igbatch.audit.verdict import Part
from igbatch.errors import InputError
from igbatch.results import StudyResults

KEY = ["variant_id", "image_id", "target", "perturbations", "radius", "seed"]
"""Other draws, or another radius, are another measure."""


class Infidelity(Accumulated):
    """The mean infidelity of each variant's maps."""

    name = "infidelity"
    title = "Infidelity rose"
    compared = (
        "captum's infidelity on the images of `audit.faithfulness`, over the maps that both studies have: "
        "how many times the mean of each trained variant is what it was."
    )
    unit = "times"
    column: ClassVar[str] = "infidelity"

    def judge(self) -> None:
        """Join both tables and compare each variant's mean."""
        tables = [_table(study) for study in self.pairing.studies]
        if tables[0] is None or tables[1] is None:
            return
        joined = tables[0].merge(tables[1], on=KEY, suffixes=("_now", "_before"))
        listed = [study.listing.places_of(joined["image_id"].tolist()) >= 0 for study in self.pairing.studies]
        joined = joined[listed[0] & listed[1]].dropna(subset=[f"{self.column}_now", f"{self.column}_before"])
        for variant_id, rows in joined.groupby("variant_id", sort=True):
            if self.pairing.kinds.get(str(variant_id), ("", ""))[1] == "trained":
                self._compare(str(variant_id), rows)

    def missing(self) -> str:
        """Say why there is nothing to compare."""
        names = ("this study", "the reference")
        without = [
            name for name, study in zip(names, self.pairing.studies, strict=True) if _table(study) is None
        ]
        if without:
            return f"{' and '.join(without)} measured no faithfulness (`audit.faithfulness`)"
        return "no map of a trained variant was measured in both studies under the same settings"

    def words(self, worst: Part) -> str:
        """Say what was found."""
        return f"{worst.name}: the mean {self.column} is {short(worst.now)}, was {short(worst.before)}."

    def _compare(self, variant_id: str, rows: pd.DataFrame) -> None:
        now, before = (rows[f"{self.column}_{side}"].to_numpy(np.float64) for side in ("now", "before"))
        means = float(now.mean()), float(before.mean())
        ratio = 1.0 if means[0] <= means[1] == 0 else means[0] / max(means[1], 1e-300)
        self.part(variant_id, ratio, now=means[0], before=means[1], n=rows["image_id"].nunique())
        places = np.searchsorted(
            self.pairing.places[0], self.pairing.now.listing.places_of(rows["image_id"].tolist())
        )
        targets = rows["target"].tolist()

        def words(at: int) -> str:
            return f"target {targets[at]}: {self.column} {short(now[at])}, was {short(before[at])}"

        rises = now / np.maximum(before, 1e-300)
        self.blame(rises, places, words, variant_id=variant_id, least=self.threshold)


class Sensitivity(Infidelity):
    """The mean maximum sensitivity of each variant's maps."""

    name = "sensitivity"
    title = "Maximum sensitivity rose"
    compared = Infidelity.compared.replace("infidelity on", "maximum sensitivity on")
    column = "sensitivity"


def _table(study: StudyResults) -> pd.DataFrame | None:
    try:
        return study.faithfulness[[*KEY, "infidelity", "sensitivity"]]
    except InputError:
        return None
