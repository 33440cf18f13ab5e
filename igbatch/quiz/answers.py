"""Reads the files of answers that readers send back, and refuses those that cannot be what a page wrote."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from igbatch.errors import InputError, one_line
from igbatch.quiz.key import KeyQuestion, QuizKey
from igbatch.report.quiz.model import Answer, Answers, digest_of
from igbatch.store.output import Output
from igbatch.store.quiz_tables import key_files
from igbatch.text import count, listing

MAX_BYTES = 1_000_000
"""Of a file of answers; one of 400 questions has 50 kB."""
MAX_LINES = 10
"""Faults that are told one by one."""
SHOWN = 12
"""Digits of a digest that messages show."""


class AnswersError(InputError):
    """Files of answers that are refused; `lines` has what is wrong, a line each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.lines = [one_line(fault) for fault in faults[:MAX_LINES]]
        if len(faults) > MAX_LINES:
            self.lines.append(f"{len(faults) - MAX_LINES} more faults")
        super().__init__("; ".join(self.lines))


@dataclass(frozen=True)
class AnswerFile:
    """A file of answers that fits its quiz.

    Attributes:
        name: of the file, without its folder.
    """

    name: str
    key: QuizKey
    answers: Answers

    @property
    def counts(self) -> bool:
        """Whether it answers a question that is not to practise on."""
        scored = {each.id for each in self.key.questions if not each.practice}
        return any(each.question in scored for each in self.answers.answers)


@dataclass(frozen=True)
class _Found:
    """What was read: files that fit, and all that is wrong with others."""

    files: list[tuple[str, AnswerFile]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_keys(output: Output) -> dict[str, QuizKey]:
    """Read the keys of an output's quizzes, by their digests.

    Raises:
        InputError: one is damaged.
    """
    keys = {}
    for path in key_files(output):
        try:
            key = QuizKey.model_validate_json(output.read(path))
        except ValidationError as error:
            raise InputError(f"{path} is no key of a quiz ({_first(error)})") from error
        if not path.endswith(f"/{key.digest}.json"):
            raise InputError(f"{path} is the key of another quiz, {key.digest[:SHOWN]}")
        keys[key.digest] = key
    return keys


def read_answers(
    paths: Sequence[str | Path], keys: Mapping[str, QuizKey]
) -> tuple[list[AnswerFile], list[str]]:
    """Read files of answers; return those that count, in the order given, and what is to be said of others.

    Of two exports of one session the longer one counts.

    Args:
        paths: of files on this machine.
        keys: of the quizzes that they may belong to, by digest.

    Raises:
        AnswersError: some of the files are not what a page of these quizzes wrote; all faults are told.
    """
    found = _Found()
    for path in map(str, paths):
        try:
            key, answers = _fitting(_content(path), keys)
        except _FileError as refused:
            found.faults.extend(f"{path}: {fault}" for fault in refused.faults)
        else:
            found.files.append((path, AnswerFile(Path(path).name, key, answers)))
    kept, notes = _one_of_each_session(found)
    if found.faults:
        raise AnswersError(found.faults)
    return kept, notes


class _FileError(Exception):
    """What is wrong with a file."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = faults


def _content(path: str) -> dict[str, Any]:
    """Return what a file holds, as JSON has it, if it is one of answers and as it was downloaded."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _FileError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if len(data) > MAX_BYTES:
        raise _FileError(f"has more than {MAX_BYTES // 1_000_000} MB; no file of answers has")
    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, _ContentError | json.JSONDecodeError) else type(error).__name__
        raise _FileError(f"is no JSON ({reason})") from error
    if not isinstance(content, dict) or not {"format", "quiz", "checksum"} <= content.keys():
        raise _FileError("is no file of answers")
    if content["format"] != 1 or content["format"] is True:
        raise _FileError(f"has format {content['format']!r}; this igbatch reads format 1")
    if content["checksum"] != digest_of({key: each for key, each in content.items() if key != "checksum"}):
        raise _FileError("was changed after it was downloaded: its checksum is that of another content")
    return content


class _ContentError(ValueError):
    """What JSON may hold, but no file of answers does."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, n in Counter(key for key, _ in pairs).items():
        if n > 1:
            raise _ContentError(f"{key!r} stands in it {n} times")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise _ContentError(f"{name} is no number")


def _fitting(content: dict[str, Any], keys: Mapping[str, QuizKey]) -> tuple[QuizKey, Answers]:
    """Return answers with the key of their quiz, if they can be what its page wrote."""
    try:
        answers = Answers.model_validate(content)
    except ValidationError as error:
        raise _FileError(f"is no file of answers ({_first(error)})") from error
    key = keys.get(answers.quiz)
    if key is None:
        there = listing([digest[:SHOWN] for digest in keys], 4)
        known = f"has {count(len(keys), 'quiz', 'quizzes')}: {there}" if keys else "has no quiz"
        raise _FileError(f"belongs to another study or quiz ({answers.quiz[:SHOWN]}); this output {known}")
    faults = [*_unknown(key, answers), *_choices(key, answers)]
    if faults := faults or list(_arrangement(key, answers)):  # what is unknown has no place
        raise _FileError(*faults)
    return key, answers


def _unknown(key: QuizKey, answers: Answers) -> Iterator[str]:
    known = {question.id for question in key.questions}
    for question, n in Counter(answer.question for answer in answers.answers).items():
        if question not in known:
            yield f"answers {question!r}, which the quiz does not ask"
        elif n > 1:
            yield f"answers {question!r} {n} times"


def _choices(key: QuizKey, answers: Answers) -> Iterator[str]:
    questions = {question.id: question for question in key.questions}
    for answer in answers.answers:
        question = questions.get(answer.question)
        if question is None:
            continue
        if answer.choice not in question.choices:
            yield f"{answer.question!r} has the answer {answer.choice!r}, which was not offered"
        if not question.second_choices and answer.second is not None:
            yield f"{answer.question!r} has a second answer, which was not asked for"
        elif question.second_choices and answer.second is None:
            yield f"{answer.question!r} lacks its second answer"
        elif question.second_choices and answer.second not in question.second_choices:
            yield f"{answer.question!r} has the second answer {answer.second!r}, which was not offered"


def arranged(key: QuizKey, arrangement: int) -> list[tuple[KeyQuestion, bool]]:
    """Return questions as a reader gets them under an arrangement, and whether sides are swapped.

    Those to practise on come first, as they were drawn, and the others rotated by half the arrangement. Sides
    change from one question drawn to the next, and between two arrangements of one order.
    """
    practice = [each for each in key.questions if each.practice]
    others = [each for each in key.questions if not each.practice]
    placed = [
        [(each, (arrangement + index) % 2 == 1) for index, each in enumerate(part)]
        for part in (practice, others)
    ]
    begin = arrangement >> 1
    return [*placed[0], *placed[1][begin:], *placed[1][:begin]]


def _arrangement(key: QuizKey, answers: Answers) -> Iterator[str]:
    """Tell where answers do not stand as the page would have asked them, one after the other."""
    scored = sum(not question.practice for question in key.questions)
    if answers.arrangement >= 2 * max(scored, 1):
        yield f"has arrangement {answers.arrangement}; the quiz has {2 * scored}"
        return
    given = answers.answers
    if [answer.place for answer in given] != list(range(len(given))):
        yield "does not have its answers in the order of their places, from 0"
    expected = arranged(key, answers.arrangement)
    pairs = list(zip(given, expected, strict=False))
    for answer, (question, _) in pairs:
        if answer.question != question.id:
            yield (
                f"has {answer.question!r} where arrangement {answers.arrangement} asks {question.id!r}: "
                "its answers are in another order"
            )
            break
    else:
        yield from _swapped(pairs)
    if answers.complete != (len(given) == len(expected)):
        what = "complete" if answers.complete else "unfinished"
        yield f"says that it is {what}, but has {len(given)} of {count(len(expected), 'answer')}"


def _swapped(pairs: Sequence[tuple[Answer, tuple[KeyQuestion, bool]]]) -> Iterator[str]:
    wrong = [
        repr(question.id)
        for answer, (question, swapped) in pairs
        if len(question.maps) == 2 and answer.swapped != swapped
    ]
    if wrong:
        yield f"has the sides of {listing(wrong)} the other way round than its arrangement"


def _one_of_each_session(found: _Found) -> tuple[list[AnswerFile], list[str]]:
    """Return the longest file of each session and what is said of others; contradictions become faults."""
    sessions: dict[str, list[tuple[str, AnswerFile]]] = {}
    for path, each in found.files:
        sessions.setdefault(each.answers.session, []).append((path, each))
    kept, notes = [], []
    for files in sessions.values():
        path, longest = max(files, key=lambda each: len(each[1].answers.answers))
        kept.append(longest)
        for other_path, other in files:
            if other is longest:
                continue
            if other.answers == longest.answers:
                notes.append(f"{other_path}: holds the same answers as {path}; counted once")
            elif _continues(longest.answers, other.answers):
                notes.append(f"{other_path}: {path} continues it, and counts in its place")
            else:
                found.faults.append(f"{other_path}: contradicts {path}, which has the same session")
    notes += [f"{each.name}: has no answer yet" for each in kept if not each.answers.answers]
    return kept, notes


def _continues(later: Answers, earlier: Answers) -> bool:
    """Tell whether the one file is a later export of the other's session."""
    same = {"format", "quiz", "reader", "session", "arrangement", "screen"}
    n = len(earlier.answers)
    return later.model_dump(include=same) == earlier.model_dump(include=same) and (
        later.answers[:n] == earlier.answers
    )


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong with some content, in short."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
