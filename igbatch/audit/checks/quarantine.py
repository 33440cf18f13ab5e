"""Whether more is missing than before: rows in quarantine, or never computed."""

from __future__ import annotations

from igbatch.audit.checks.base import Question
from igbatch.audit.pairs import VariantPair
from igbatch.audit.verdict import MOST_OFFENDERS, Offender, Part
from igbatch.results import StudyResults


class Quarantine(Question):
    """The share of expected rows that are not there."""

    name = "quarantine"
    title = "More is missing"
    compared = (
        "The rows (variant, image, target) of the whole study that are missing, in quarantine or never "
        "computed: how far their share rose."
    )
    unit = "of the rows"

    def add(self, pair: VariantPair) -> None:
        """Take nothing: this is of all variants of each study, common or not."""

    def judge(self) -> None:
        """Count what each study lacks."""
        now, before = (_missing(study) for study in self.pairing.studies)
        rise = max(0.0, now - before)
        self.part("all rows", rise, now=now, before=before)
        if rise > 0:
            self._name()

    def missing(self) -> str:
        """Say why there is nothing to compare."""
        return "the study expects no rows"

    def words(self, worst: Part) -> str:
        """Say what was found."""
        study = self.pairing.now
        lost = study.expected_rows - study.n_rows
        return (
            f"{lost:,} of {study.expected_rows:,} rows are missing ({100 * (worst.now or 0.0):.3g} %), "
            f"{100 * (worst.before or 0.0):.3g} % before."
        )

    def _name(self) -> None:
        """Name the first images in quarantine."""
        for variant_id in self.pairing.now.variants["variant_id"]:
            rows = self.pairing.now.quarantine_of(str(variant_id))
            for row in rows.head(MOST_OFFENDERS - len(self.offenders)).to_dict("records"):
                self.offenders.append(
                    Offender(
                        image_id=row["image_id"], variant_id=row["variant_id"], target=row["target"],
                        value=1.0, words=f"{row['stage']}: {row['error']}",
                    )
                )  # fmt: skip


def _missing(study: StudyResults) -> float:
    return 1 - study.n_rows / study.expected_rows if study.expected_rows else 0.0
