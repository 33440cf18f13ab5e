"""The check of missing rows: in quarantine, or never computed."""

from __future__ import annotations

from typing import Any

from igbatch.audit.checks.base import AuditCheck
from igbatch.audit.verdict import MAX_OFFENDERS, Offender


class Quarantine(AuditCheck):
    """The share of expected rows that are not there, of all variants of each study, common or not."""

    name = "quarantine"

    def finish(self) -> None:
        now, before = (
            1 - study.n_rows / study.expected_rows if study.expected_rows else 0.0
            for study in self.pairing.studies
        )
        self.add_part("all rows", max(0.0, now - before), now=now, before=before)
        for variant_id in self.pairing.now.variants["variant_id"] if now > before else ():
            rows = self.pairing.now.quarantine_of(str(variant_id))
            for row in rows.head(MAX_OFFENDERS - len(self.offenders)).to_dict("records"):
                place: dict[str, Any] = {name: row[name] for name in ("image_id", "variant_id", "target")}
                words = self.say("offender", {"stage": row["stage"], "error": row["error"]})
                self.offenders.append(Offender(**place, value=1.0, words=words))

    def facts(self) -> dict[str, Any]:
        study = self.pairing.now
        return {"lost": study.expected_rows - study.n_rows, "expected": study.expected_rows}
