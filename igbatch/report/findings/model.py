"""Verdicts on the claims that a study tests, and what they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from igbatch.report.text import Table
from igbatch.results import StudyResults


class Verdict(StrEnum):
    """How a claim fares in a study."""

    HOLDS = "holds"
    FAILS = "does not hold"
    MIXED = "mixed"
    UNKNOWN = "cannot be told"


@dataclass(frozen=True)
class Finding:
    """A claim, its verdict, and the numbers behind it.

    Attributes:
        key: names the claim for programs.
        claim: what is tested, as a sentence.
        verdict: whether it holds in this study.
        answer: what the numbers say, in sentences.
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


def unknown(key: str, claim: str, reason: str, criterion: str, evidence: Table | None = None) -> Finding:
    """Return the finding that a claim cannot be told, and why."""
    answer = f"It cannot be told: {reason}."
    return Finding(key, claim, Verdict.UNKNOWN, answer, criterion, evidence, brief=reason)


def combine(parts: Iterable[bool | None]) -> Verdict:
    """Judge a claim by its parts: True where a part holds, False where not, None where it cannot be told."""
    told = [part for part in parts if part is not None]
    if not told:
        return Verdict.UNKNOWN
    return Verdict.HOLDS if all(told) else Verdict.MIXED if any(told) else Verdict.FAILS
