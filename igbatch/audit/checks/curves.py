"""The check of deletion and insertion curves, where both studies measured them.

Source: Samek et al., IEEE TNNLS 2017, and Petsiuk et al., *RISE*, BMVC 2018: areas under such curves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from igbatch.audit.checks.base import AuditCheck
from igbatch.errors import InputError
from igbatch.results import StudyResults

OF = ["variant_id", "target", "kind", "regions", "fill"]
"""What areas are averaged over: areas under other fills or regions do not compare."""
KEY = [*OF, "image_id", "steps"]


class CurveAreas(AuditCheck):
    """How far the mean area of each trained variant's curves moved, of the mean |F(image) - F(fill)|."""

    name = "curves"

    def finish(self) -> None:
        """Join both tables and compare each mean, target by target.

        A fill of another baseline is another fill, and superpixels of another number are other regions. A
        curve of one step, of an image that is one region, tells no order from another.
        """
        now, before = (_table(study) for study in self.pairing.studies)
        if now is None or before is None:
            return
        joined = now.merge(before, on=KEY, suffixes=("_now", "_before")).query("steps > 1")
        baselines = [study.study.attribution.baseline for study in self.pairing.studies]
        if baselines[0] != baselines[1]:
            joined = joined[joined["fill"] != "baseline"]
        cuts = [study.study.images.superpixels for study in self.pairing.studies]
        if cuts[0] != cuts[1]:
            joined = joined[joined["regions"] != "superpixels"]
        places = self.pairing.now.listing.places_of(joined["image_id"].tolist())
        joined["place"] = pd.Index(self.pairing.places[0]).get_indexer(pd.Index(places))
        for names, rows in joined[joined["place"] >= 0].groupby(OF, sort=True):
            variant_id, *of = map(str, names)
            if self.pairing.kinds.get(variant_id, ("", ""))[1] == "trained":
                self._compare(variant_id, of, rows)

    def missing(self) -> str:
        sides = zip(("this study", "the reference"), self.pairing.studies, strict=True)
        without = [name for name, study in sides if _table(study) is None]
        if without:
            return f"{' and '.join(without)} measured no curves (`audit.curves`)"
        return self.wording["nothing"]

    def _compare(self, variant_id: str, of: list[str], rows: pd.DataFrame) -> None:
        now, before = (rows[f"area_{side}"].to_numpy(np.float64) for side in ("now", "before"))
        scale = max(float(rows["change_before"].abs().mean()), 1e-300)
        means = {"now": float(now.mean()), "before": float(before.mean())}
        name = f"{variant_id}, {of[0]}: {' of '.join(of[1:3])}, {of[3]}"
        moved = abs(means["now"] - means["before"]) / scale
        self.add_part(name, moved, **means, n=rows["image_id"].nunique())
        details: dict[str, Any] = {
            "of": rows["target"].to_numpy(object),
            "curve": name,
            "now": now,
            "before": before,
        }
        places = rows["place"].to_numpy()
        self.add_offenders(
            np.abs(now - before) / scale, places, variant_id=variant_id, least=self.threshold, **details
        )


def _table(study: StudyResults) -> pd.DataFrame | None:
    """Return the curves in order of attribution: areas, and F(image) - F(fill) as `change`."""
    try:
        rows = study.curves
    except InputError:
        return None
    rows = rows[rows["order"] == "attribution"]
    ends = [abs(float(each[-1]) - float(each[0])) for each in rows["outputs"]]
    return rows[[*KEY, "area"]].assign(change=ends)
