"""Runs every check of an audit on two studies, in one pass over their statistics."""

from __future__ import annotations

from igbatch.audit.changes import changes
from igbatch.audit.checks import CHECKS
from igbatch.audit.pairs import Pairing
from igbatch.audit.verdict import Comparison
from igbatch.results import StudyResults
from igbatch.study import Audit


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
    checks = [kind(pairing, getattr(settings.thresholds, kind.name)) for kind in CHECKS]
    for pair in pairing.variants():
        for check in checks:
            check.take(pair)
    found = tuple(check.result() for check in checks)
    name = before.study.name
    return Comparison(role=role, uri=before.uri, study=name, checks=found, changes=changes(pairing))
