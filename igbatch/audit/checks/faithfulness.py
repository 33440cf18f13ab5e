"""Checks of faithfulness: infidelity and maximum sensitivity, where both studies measured them.

Source: Yeh et al., *On the (In)fidelity and Sensitivity of Explanations*, NeurIPS 2019; captum's measures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from igbatch.audit.checks.base import AuditCheck
from igbatch.errors import InputError
from igbatch.results import StudyResults

KEY = ["variant_id", "image_id", "target", "perturbations", "radius", "seed"]
"""Other draws, or another radius, are another measure."""


class Infidelity(AuditCheck):
    """The mean infidelity of each trained variant's maps; `name` is that of its column."""

    name = "infidelity"

    def finish(self) -> None:
        """Join both tables and compare each variant's mean."""
        now, before = (_table(study) for study in self.pairing.studies)
        if now is None or before is None:
            return
        columns = [f"{self.name}_now", f"{self.name}_before"]
        joined = now.merge(before, on=KEY, suffixes=("_now", "_before")).dropna(subset=columns)
        places = self.pairing.now.listing.places_of(joined["image_id"].tolist())
        joined["place"] = pd.Index(self.pairing.places[0]).get_indexer(pd.Index(places))
        for variant_id, rows in joined[joined["place"] >= 0].groupby("variant_id", sort=True):
            if self.pairing.kinds.get(str(variant_id), ("", ""))[1] == "trained":
                self._compare(str(variant_id), rows)

    def missing(self) -> str:
        sides = zip(("this study", "the reference"), self.pairing.studies, strict=True)
        without = [name for name, study in sides if _table(study) is None]
        if without:
            return f"{' and '.join(without)} measured no faithfulness (`audit.faithfulness`)"
        return self.wording["nothing"]

    def _compare(self, variant_id: str, rows: pd.DataFrame) -> None:
        now, before = (rows[f"{self.name}_{side}"].to_numpy(np.float64) for side in ("now", "before"))
        means = {"now": float(now.mean()), "before": float(before.mean())}
        unchanged = means["now"] <= means["before"] == 0
        ratio = 1.0 if unchanged else means["now"] / max(means["before"], 1e-300)
        self.add_part(variant_id, ratio, **means, n=rows["image_id"].nunique())
        rises = now / np.maximum(before, 1e-300)
        details: dict[str, Any] = {"of": rows["target"].to_numpy(object), "now": now, "before": before}
        places = rows["place"].to_numpy()
        self.add_offenders(rises, places, variant_id=variant_id, least=self.threshold, **details)


class Sensitivity(Infidelity):
    """The mean maximum sensitivity of each trained variant's maps."""

    name = "sensitivity"


def _table(study: StudyResults) -> pd.DataFrame | None:
    try:
        return study.faithfulness[[*KEY, "infidelity", "sensitivity"]]
    except InputError:
        return None
