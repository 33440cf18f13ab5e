"""Verdicts on the claims that a study tests, and what they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from igbatch.report.sentences import parts
from igbatch.report.text import Table
from igbatch.results import StudyResults

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
    IMAGES = "images"
    MAPS = "maps"


@dataclass(frozen=True)
class Finding:
    """A claim, its verdict, and the numbers behind it.

    Attributes:
        key: names the claim for programs.
        claim: what is tested, as a sentence.
        verdict: whether it holds in this study.
        answer: what the numbers say, in three sentences at most.
        criterion: when the claim counts as holding.
        evidence: the numbers, where there are some.
        brief: the numbers in a few words; where it cannot be told, why.
    """

    key: str
    claim: str
    verdict: Verdict
    answer: str
    criterion: str
    evidence: Table | None = None
    brief: str = ""


@dataclass(frozen=True)
class Variants:
    """The variants of a study by kind; `trained_of` maps a variant to the trained one of its model."""

    trained: tuple[str, ...]
    random: tuple[str, ...]
    trained_of: dict[str, str]


def present(
    key: str, verdict: Verdict | Missing, head: Iterable[str], rows: Iterable[Iterable[str]], **numbers: Any
) -> Finding:
    """Put a verdict in words: `templates/findings/<claim>.j2` sets the texts of a finding.

    Args:
        key: of the claim, after whose models it is of: `trained_opposition`.
        verdict: on it, or why there is none.
        head, rows: the table of the numbers, of which `MAX_ROWS` are shown.
        numbers: what the template reads; `answer` and `brief` only where there is a verdict.
    """
    missing = isinstance(verdict, Missing)
    words = parts(f"findings/{key.partition('_')[2]}.j2", key=key, missing=missing, **numbers)
    if missing:
        words |= parts("findings/missing.j2", missing=verdict, **numbers)
    cells = tuple(tuple(row) for row in rows)[:MAX_ROWS]
    return Finding(
        key=key,
        claim=words["claim"],
        verdict=Verdict.UNKNOWN if isinstance(verdict, Missing) else verdict,
        answer=words["answer"],
        criterion=words["criterion"],
        evidence=Table(tuple(head), cells) if cells else None,
        brief=words["brief"],
    )


def combine(passed: Iterable[bool | None]) -> Verdict:
    """Judge a claim by its parts: True where a part holds, False where not, None where it cannot be told."""
    known = {each for each in passed if each is not None}
    if not known:
        return Verdict.UNKNOWN
    return Verdict.MIXED if len(known) == 2 else Verdict.HOLDS if True in known else Verdict.FAILS


def study_variants(results: StudyResults) -> Variants:
    """Sort a study's variants by kind; other kinds than trained and random are left out."""
    table = results.variants
    trained = table[table["kind"] == "trained"]
    by_model = dict(zip(trained["model"], trained["variant_id"], strict=True))
    pairs = zip(table["variant_id"], table["model"], strict=True)
    return Variants(
        tuple(trained["variant_id"]),
        tuple(table.loc[table["kind"] == "random", "variant_id"]),
        {variant_id: by_model[model] for variant_id, model in pairs if model in by_model},
    )
