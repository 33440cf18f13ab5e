"""Verdicts on the claims of the original experiment (docs/experiment.md), and what they are made of.

They follow from stated criteria. Where a study cannot tell (no boxes, no trained variant, too few images) a
finding says why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from igbatch.report.columns import Rows, Table, TableColumns, read
from igbatch.report.sentences import parts
from igbatch.results import StudyResults
from igbatch.text import count

MAX_ROWS = 24
"""Rows of a finding's table."""


class Verdict(StrEnum):
    """How a claim fares in a study."""

    HOLDS = "holds"
    FAILS = "does not hold"
    MIXED = "mixed"
    UNKNOWN = "cannot be told"


class Missing(StrEnum):
    """What a claim takes that a study does not have; `templates/findings/missing.j2` has the words."""

    TRAINED = "trained"
    RANDOM = "random"
    BOXES = "boxes"
    SCALE = "scale"
    CLASSES = "classes"
    SIDES = "sides"
    IMAGES = "images"
    MAPS = "maps"
    DELETIONS = "deletions"
    FEW = "few"


@dataclass(frozen=True)
class Finding:
    """A claim, its verdict, and the numbers behind it.

    Attributes:
        key: names the claim for programs.
        verdict: whether it holds in this study.
        evidence: the numbers, where there are some.
        claim: what is tested, as a sentence.
        criterion: when the claim counts as holding.
        answer: what the numbers say, in three sentences at most.
        brief: the numbers in a few words; where it cannot be told, why.
        summary: a sentence of the page's summary; empty where it has none of its own.
    """

    key: str
    verdict: Verdict
    evidence: Table | None
    claim: str
    criterion: str
    answer: str
    brief: str
    summary: str = ""


def present(
    key: str, verdict: Verdict | Missing, rows: Rows, columns: TableColumns, **numbers: Any
) -> Finding:
    """Put a verdict in words: `templates/findings/<claim>.j2` sets the texts of a finding.

    Args:
        key: of the claim, after whose models it is of: `trained_opposition`.
        verdict: on it, or why there is none.
        rows, columns: the table of the numbers, of which `MAX_ROWS` are shown.
        numbers: what the template reads; `answer` and `brief` only where there is a verdict, `why` where not.
    """
    missing = isinstance(verdict, Missing)
    words = parts("findings/missing.j2", missing=verdict, **numbers) if missing else {}
    why = words.get("brief", "")
    words = (
        parts(f"findings/{key.partition('_')[2]}.j2", key=key, missing=missing, why=why, **numbers) | words
    )
    if isinstance(verdict, Missing):
        verdict = Verdict.UNKNOWN
    note = f"{count(len(rows) - MAX_ROWS, 'more row')} left out here." if len(rows) > MAX_ROWS else ""
    return Finding(key, verdict, read(rows[:MAX_ROWS], columns, note), **words)


def combine(passed: Iterable[bool | None]) -> Verdict:
    """Judge a claim by its parts: True where a part holds, False where not, None where it cannot be told."""
    known = {each for each in passed if each is not None}
    if not known:
        return Verdict.UNKNOWN
    return Verdict.MIXED if len(known) == 2 else Verdict.HOLDS if True in known else Verdict.FAILS


def variants_of_kind(results: StudyResults, kind: str) -> list[str]:
    """Return the variants of a kind, such as `trained`, in the order of the study."""
    return [str(name) for name in results.variants.loc[results.variants["kind"] == kind, "variant_id"]]
