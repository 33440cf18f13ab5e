"""Makes a quiz of a study: its questions with their pictures, the page and the key."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from igbatch.errors import InputError
from igbatch.quiz.cases import FACTOR_WORDS, Case, Cases, ShownMap
from igbatch.quiz.design import CaseDrawer, balanced_levels
from igbatch.quiz.key import KeyQuestion, Kind, Numbers, QuizKey
from igbatch.quiz.pictures import Pictures, Shown
from igbatch.quiz.simulated import choices_of, simulated_answers
from igbatch.reduce.ranges import Regions, Scope
from igbatch.report.color.colormaps import PALETTES
from igbatch.report.quiz.model import MAX_QUESTIONS, Choice, Feedback, Question, QuizPage, Truth, digest_of
from igbatch.report.sentences import parts, sentences
from igbatch.results import StudyResults
from igbatch.store.quiz_tables import study_fingerprint
from igbatch.text import count, listing, plain

KINDS: tuple[Kind, ...] = ("trained", "targets", "stronger", "box", "changed")
SCOPES: tuple[Scope, ...] = ("raw", "image", "pair", "models", "dataset")
"""Normalizations that are compared; `image` is each map's own range."""
QUESTIONS = 40
"""Where nobody says how many."""


@dataclass(frozen=True)
class Quiz:
    """A quiz: what readers get, what stays, and what is said to whoever made it.

    Attributes:
        notes: in sentences, kinds and normalizations that the study has no cases for, and why; and questions
            whose pictures are equal though their maps are not.
    """

    page: QuizPage
    key: QuizKey
    notes: list[str]


def make_quiz(
    results: StudyResults,
    *,
    questions: int = QUESTIONS,
    seed: int = 0,
    numbers: Numbers = "both",
    feedback: Feedback = "none",
    reference: StudyResults | None = None,
) -> Quiz:
    """Draw a quiz of a reduced study; the same study, seed and choices give the same questions.

    Args:
        results: the study.
        questions: how many, beside one of each kind to practise on.
        seed: of what is drawn.
        numbers: whether the numbers stand below maps: with half of the questions, all, or none.
        feedback: when a reader is told what is true: never, after each question, or at the end. Of
            questions to practise on it is always told.
        reference: an earlier output of the study, for questions on what changed.

    Raises:
        InputError: the study is not reduced, or has no cases.
    """
    if not 1 <= questions <= MAX_QUESTIONS:
        raise InputError(f"--questions is {questions}; give 1 to {MAX_QUESTIONS}")
    if not results.reduced:
        raise InputError(f"{results.reader.output.uri}: not reduced yet; run `igbatch reduce` first")
    generator = random.Random(seed)
    cases = Cases(results, seed, reference)
    found = {kind: cases.of(kind) for kind in KINDS}
    kinds = [kind for kind in KINDS if _answerable(kind, found[kind], cases.units)]
    scopes = _scopes(results, cases)
    if not kinds or not scopes:
        raise InputError(
            f"{results.reader.output.uri}: nothing to ask: a quiz needs stored maps that have converged, of "
            "a trained and a random model, of two classes, or of images with two boxes"
        )
    factors: dict[str, Sequence[Any]] = {
        "kind": kinds,
        "scope": scopes,
        "regions": cases.units,
        "numbers": {"both": (True, False), "with": (True,), "without": (False,)}[numbers],
        "palette": list(PALETTES),
    }
    drawer = CaseDrawer({kind: found[kind] for kind in kinds}, generator)
    levels = balanced_levels(factors, questions, generator)
    practice = [next(each for each in _more(factors, generator) if each["kind"] == kind) for kind in kinds]
    scored = [(level, drawer.draw(level["kind"], level["regions"])) for level in levels]
    generator.shuffle(scored)
    drawn = [*((level, drawer.draw(level["kind"], level["regions"])) for level in practice), *scored]
    pictures = Pictures(results, reference, list(dict.fromkeys(case.image_id for _, case in drawn)))
    made = [
        _question(place, place < len(practice), level, case, pictures, feedback, generator)
        for place, (level, case) in enumerate(drawn)
    ]
    content = {
        "study": plain(results.study.title or results.study.name),
        "feedback": feedback,
        "intro": sentences("quiz/intro.j2", questions=questions, practice=len(practice), feedback=feedback),
        "questions": [question for question, _ in made],
    }
    page = QuizPage.model_validate({"digest": "0" * 64, **content})
    digest = digest_of(page.model_dump(mode="json", exclude={"digest"}))
    key = QuizKey(
        digest=digest,
        study=results.study.name,
        fingerprint=study_fingerprint(results.record),
        version=version("igbatch"),
        seed=seed,
        feedback=feedback,
        numbers=numbers,
        questions=[known for _, known in made],
    )
    notes = [*_left_out(found, kinds, scopes, reference), *_alike(page, key)]
    return Quiz(page.model_copy(update={"digest": digest}), key, notes)


def _answerable(kind: Kind, cases: Sequence[Case], units: Sequence[Regions]) -> bool:
    """Return whether a kind has cases in every unit, and of both answers where these are yes and no."""
    answers = {case.choice for case in cases}
    there = all(any(case.regions in (None, unit) for case in cases) for unit in units)
    return there and (kind in ("trained", "stronger", "box") or len(answers) > 1)


def _more(factors: dict[str, Sequence[Any]], generator: random.Random) -> list[dict[str, Any]]:
    """Return levels for questions to practise on, which are balanced among themselves alone."""
    return balanced_levels(factors, len(factors["kind"]) * 4, generator)


def _scopes(results: StudyResults, cases: Cases) -> list[Scope]:
    """Return the normalizations whose range the study knows."""
    two = len(cases.classes) > 1
    random_too = len(results.variants) > 1
    known: dict[Scope, bool] = {"pair": two, "models": random_too}
    return [scope for scope in SCOPES if known.get(scope, True)]


def _question(
    place: int,
    practice: bool,
    level: dict[str, Any],
    case: Case,
    pictures: Pictures,
    feedback: Feedback,
    generator: random.Random,
) -> tuple[Question, KeyQuestion]:
    """Return a question as the page has it, and as the key has it."""
    scope, regions, palette = level["scope"], level["regions"], level["palette"]

    def shown(each: ShownMap) -> Shown:
        return pictures.map(case, each, scope, regions, palette, numbers=level["numbers"])

    maps = [shown(each) for each in case.maps]
    truth = Truth(choice=case.choice, second=case.second, words=case.words)
    choices, second = choices_of(case)
    texts = parts("quiz/questions.j2", subject=case.subject)
    labels = {"one": "one class", "two": "two classes", "yes": "it changed", "no": "it did not change"}
    labels |= {each.id: each.label for each in case.choices}
    question = Question(
        id=f"q-{place}",
        practice=practice,
        text=texts[case.kind],
        hint=maps[0].hint,
        pictures=[each.picture for each in maps],
        photograph=pictures.photograph(case),
        choices=[Choice(id=name, label=labels.get(name, "")) for name in choices],
        sided=case.sided,
        second_text=texts["second"] if second else "",
        second_choices=[Choice(id=name, label=FACTOR_WORDS[name]) for name in second],
        truth=truth if practice or feedback != "none" else None,
    )
    boxes = {each.id: box for each in case.choices for box in pictures.boxes(case) if box.name == each.label}
    colors, values = [each.colors for each in maps], [each.values for each in maps]
    known = KeyQuestion(
        id=question.id,
        practice=practice,
        kind=case.kind,
        truth=truth,
        choices=choices,
        second_choices=second,
        image_id=case.image_id,
        maps=[(each.variant_id, each.target) for each in case.maps],
        normalization=scope,
        regions=regions,
        palette=palette,
        numbers=level["numbers"],
        simulated=simulated_answers(case, colors, values, boxes, generator),
    )
    return question, known


def _left_out(
    found: dict[Kind, list[Case]], kinds: list[Kind], scopes: list[Scope], reference: StudyResults | None
) -> list[str]:
    """Say which kinds and normalizations the quiz has no questions of, and why."""
    lines = []
    why = {
        "trained": "no image has maps of a trained model and of a random one of its kind",
        "targets": "no image has maps of two classes",
        "stronger": "no two maps of an image differ enough in strength",
        "box": "no image has two boxes whose sums differ enough",
        "changed": "it needs --against, an earlier output of the study",
    }
    if reference is not None:
        answers = {case.choice for case in found["changed"]}
        same = "changed clearly" if answers == {"no"} else "stayed as it was"
        why["changed"] = f"of the maps that both outputs have, none {same}"
    lines += [f"No question on “{kind}”: {why[kind]}." for kind in KINDS if kind not in kinds]
    if missing := [scope for scope in SCOPES if scope not in scopes]:
        lines.append(f"No question under {listing(missing)}: the study has no such range of several maps.")
    return lines


def _alike(page: QuizPage, key: QuizKey) -> list[str]:
    """Say how many questions nobody can answer by eye: their pictures are equal, and their maps are not."""
    pairs = zip(page.questions, key.questions, strict=True)
    equal = [
        known
        for shown, known in pairs
        if not known.practice
        and len({picture.uri for picture in shown.pictures}) < len(shown.pictures)
        and known.truth.choice not in ("one", "no")
    ]
    if not equal:
        return []
    scopes = listing(sorted({each.normalization for each in equal}))
    what = "shows two equal pictures" if len(equal) == 1 else "show two equal pictures"
    return [
        f"{count(len(equal), 'question')} {what} of maps that differ (under {scopes}): what a range hides is "
        "asked about, too, and there readers can only guess."
    ]


def counts(key: QuizKey) -> dict[str, Counter[str]]:
    """Return how many questions there are of each level of each factor, without those to practise on."""
    scored = [each for each in key.questions if not each.practice]
    return {
        "kind": Counter(each.kind for each in scored),
        "normalization": Counter(each.normalization for each in scored),
        "regions": Counter(each.regions for each in scored),
        "numbers": Counter("with" if each.numbers else "without" for each in scored),
        "palette": Counter(each.palette for each in scored),
    }
