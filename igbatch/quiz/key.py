"""The key of a quiz: what is true of its questions, and how each was drawn. It stays in the output."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from igbatch.reduce.ranges import Regions, Scope
from igbatch.report.quiz.model import Digest, Feedback, Id, Truth

Kind = Literal["trained", "targets", "stronger", "box", "changed"]
Numbers = Literal["both", "with", "without"]


class KeyQuestion(BaseModel):
    """What the key knows of one question."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    practice: bool
    kind: Kind
    truth: Truth
    choices: list[Id]
    second_choices: list[Id]
    image_id: str
    maps: list[tuple[str, str]]
    """Variant and target of each map."""
    normalization: Scope
    regions: Regions
    palette: str
    numbers: bool
    simulated: dict[str, tuple[Id, Id | None]]
    """What simulated readers answer, by their names."""


class QuizKey(BaseModel):
    """The truth of a quiz, and how it was drawn: `quiz/<digest>.json` of the output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    digest: Digest
    study: str
    fingerprint: str
    """Of the study that it was made from."""
    version: str
    """Of igbatch."""
    seed: int
    feedback: Feedback
    numbers: Numbers
    questions: list[KeyQuestion]
