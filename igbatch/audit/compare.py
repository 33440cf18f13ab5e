"""Two studies in, a verdict out: every check of an audit, from one pass over what both studies hold."""

from __future__ import annotations

from igbatch.audit.changes import changes
from igbatch.audit.checks import QUESTIONS
from igbatch.audit.checks.base import Question
from igbatch.audit.pairs import Pairing
from igbatch.audit.verdict import Check, Comparison, Outcome
from igbatch.results import StudyResults
from igbatch.study import Audit, Thresholds


def compare(now: StudyResults, before: StudyResults, settings: Audit, role: str = "reference") -> Comparison:
    """Compare a study with a reference, check by check. Neither a model nor an image is opened.

    Variants are read one at a time: 8 bytes for every image, target and column, on both sides (`Pairing`).

    Args:
        now: the audited study.
        before: the reference.
        settings: the audited study's `audit` section.
        role: of the reference (`verdict.Comparison`).

    Raises:
        InputError: a file of either output is no whole commit of igbatch.
    """
    pairing = Pairing(now, before)
    asked = _asked(pairing, settings.thresholds)
    for pair in pairing.variants():
        for question in asked.values():
            question.add(pair)
    checks = tuple(asked[kind].check() if kind in asked else _off(kind) for kind in QUESTIONS)
    name = before.study.name
    return Comparison(role=role, uri=before.uri, study=name, checks=checks, changes=changes(pairing))


def _asked(pairing: Pairing, thresholds: Thresholds) -> dict[type[Question], Question]:
    """Return the checks that have a threshold."""
    limits = {kind: getattr(thresholds, kind.name) for kind in QUESTIONS}
    return {kind: kind(pairing, limit) for kind, limit in limits.items() if limit is not None}


def _off(kind: type[Question]) -> Check:
    return Check(
        name=kind.name,
        title=kind.title,
        compared=kind.compared,
        figure=None,
        threshold=None,
        at_least=kind.at_least,
        unit=kind.unit,
        outcome=Outcome.SKIPPED,
        words=f"Turned off: audit.thresholds.{kind.name} is null.",
    )
