"""What the script of a quiz's page gets, and the file of answers that it gives, as models.

`viewer/src/quiz_types.ts` is generated from them. The page holds no answer but those that it tells its
readers. A file of answers names the page by its digest.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from igbatch.report.page.knob_data import Name, PageModel

Feedback = Literal["none", "after", "end"]

MAX_QUESTIONS = 200
"""Of a quiz, without those to practise on."""
MAX_MS = 24 * 60 * 60 * 1000
"""Milliseconds on one question, at most: a day."""

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ReaderCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,40}$")]


class QuizPicture(PageModel):
    """A map as the report draws it, or a photograph."""

    uri: str
    """A data URI."""
    width: int
    """On the screen, in CSS pixels; the picture itself has twice as many."""
    height: int
    alt: str
    """What it shows, in words, for those who do not see it; with the numbers where the picture has them."""


class Choice(PageModel):
    """One answer that a reader may give."""

    id: Id
    label: Name
    """Empty of the first and second picture, which the page calls left and right by where it shows them."""


class Truth(PageModel):
    """What is true of a question."""

    choice: Id
    second: Id | None
    """Of the second part; null where the question has none."""
    words: str
    """The numbers that show it, in a sentence or two."""


class Question(PageModel):
    """One question of the page."""

    id: Id
    practice: bool
    text: str
    """The question, in a sentence."""
    hint: str
    """How the maps are coloured, in a sentence or two, as the report says it."""
    pictures: list[QuizPicture]
    """One or two maps; of two the page may show the second at the left."""
    photograph: QuizPicture | None
    choices: list[Choice]
    sided: bool
    """Whether the two choices are the two pictures."""
    second_text: str
    """A second part: empty where there is none."""
    second_choices: list[Choice]
    truth: Truth | None
    """Null where the page tells no answer to this question."""


class QuizPage(PageModel):
    """What the page's script gets."""

    format: Literal[1] = 1
    digest: Digest
    """Of all else here: it names the quiz."""
    study: Name
    feedback: Feedback
    intro: list[str]
    """What a reader is told before the first question, in paragraphs."""
    questions: list[Question]
    """Those to practise on first, then the others in the order in which they were drawn."""


class _Answered(BaseModel):
    """A part of a file of answers: every key is there, and no other."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class Answer(_Answered):
    """What a reader answered to one question."""

    question: Id
    choice: Id
    second: Id | None
    ms: Annotated[int, Field(ge=0, le=MAX_MS)]
    """Milliseconds that the question was on the screen, in a tab that was seen."""
    place: Annotated[int, Field(ge=0, le=2 * MAX_QUESTIONS)]
    """How many questions were answered before, those to practise on too."""
    swapped: bool
    """Whether the second picture stood at the left."""


class Screen(_Answered):
    """Of a reader, when the quiz was begun."""

    width: Annotated[int, Field(ge=0, le=100_000)]
    """Of the window, in CSS pixels."""
    height: Annotated[int, Field(ge=0, le=100_000)]
    percent: Annotated[int, Field(ge=0, le=10_000)]
    """Device pixels for a hundred CSS pixels."""


class Answers(_Answered):
    """A reader's file of answers."""

    format: Literal[1]
    quiz: Digest
    reader: ReaderCode
    """A code that the reader chose; empty where none was."""
    session: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    """Drawn when the quiz was begun: two files of it are two exports of one reader."""
    arrangement: Annotated[int, Field(ge=0, le=2 * MAX_QUESTIONS - 1)]
    """Drawn when the quiz was begun: the order of questions and sides (docs/quiz.md)."""
    screen: Screen
    complete: bool
    """Whether every question has its answer."""
    answers: Annotated[list[Answer], Field(max_length=2 * MAX_QUESTIONS)]
    """In the order in which they were given."""
    checksum: Digest
    """Of all else here (`digest_of`): a change by hand shows."""


def canonical(content: object) -> str:
    """Return what a digest is of: JSON with sorted keys, without spaces, letters as they are.

    It holds texts, integers, true, false and null alone, so that Python and JavaScript write the same.
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(content: object) -> str:
    """Return the SHA-256 of `canonical`, in UTF-8, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(content).encode("utf-8", "surrogatepass")).hexdigest()
