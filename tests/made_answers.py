"""Keys of quizzes, and answers of readers whose true rate of right answers is known."""

import hashlib
import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from igbatch.quiz.answers import arranged
from igbatch.quiz.key import KeyQuestion, QuizKey
from igbatch.report.quiz.model import Truth, digest_of

Rate = Callable[[KeyQuestion], float]
KINDS = ("trained", "stronger", "box")
SCOPES = ("raw", "image", "pair", "models", "dataset")


def make_key(questions: int = 40, practice: int = 2, fingerprint: str = "f", seed: int = 0) -> QuizKey:
    """Make the key of a quiz whose questions take normalization, kind, numbers and regions in turn."""
    cells = list(product(("pixel", "patch 16"), (False, True), KINDS, SCOPES))
    made = []
    for at in range(-practice, questions):
        regions, numbers, kind, scope = cells[7 * at % len(cells)]
        box, stronger = kind == "box", kind == "stronger"
        choices = ["box-1", "box-2", "box-3"] if box else ["first", "second"]
        levels = ["1", "2", "4"] if stronger else []
        truth = Truth(
            choice=choices[at % len(choices)], second=levels[at % 3] if levels else None, words="So."
        )
        right, wrong = truth.choice, next(each for each in choices if each != truth.choice)
        made.append(
            KeyQuestion(
                id=f"p{at + practice}" if at < 0 else f"q{at:03}",
                practice=at < 0,
                kind=kind,
                truth=truth,
                choices=choices,
                second_choices=levels,
                image_id=f"image-{at % 7}.png",
                maps=[("trained", "eagle"), ("random-3", "eagle")][: 1 if box else 2],
                normalization=scope,
                regions=regions,
                palette="red-white-blue" if at % 2 else "gray",
                numbers=numbers,
                simulated={
                    "pixels": (wrong if scope == "image" else right, levels[0] if levels else None),
                    "values": (right, truth.second),
                },
            )
        )
    digest = hashlib.sha256(f"{questions} {practice} {fingerprint} {seed}".encode()).hexdigest()
    return QuizKey(
        digest=digest, study="tiny", fingerprint=fingerprint, version="0", seed=seed, feedback="none",
        numbers="both", questions=made,
    )  # fmt: skip


def make_answers(
    key: QuizKey, rate: Rate, number: int = 0, *, reader: str = "", first: int | None = None, **changes: Any
) -> dict[str, Any]:
    """Make the file of a reader who is right with a probability that depends on the question.

    `number` decides the session, the arrangement and what is drawn; `first`: how many answers there are.
    """
    generator = np.random.default_rng(number)
    asked = sum(not each.practice for each in key.questions)
    arrangement = number % (2 * asked)
    answers = []
    for place, (question, swapped) in enumerate(arranged(key, arrangement)[:first]):
        right = generator.random() < rate(question)
        truth, others = question.truth, [each for each in question.choices if each != question.truth.choice]
        answers.append({
            "question": question.id, "choice": truth.choice if right else others[0], "second": truth.second,
            "ms": int(generator.integers(2_000, 20_000)), "place": place,
            "swapped": swapped and len(question.maps) == 2,
        })  # fmt: skip
    content = {
        "format": 1, "quiz": key.digest, "reader": reader, "session": f"{number:016x}",
        "arrangement": arrangement, "screen": {"width": 1280, "height": 800, "percent": 100},
        "complete": len(answers) == len(key.questions), "answers": answers,
    }  # fmt: skip
    return seal({**content, **changes})


def seal(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a file of answers with its checksum."""
    content = {name: each for name, each in content.items() if name != "checksum"}
    return {**content, "checksum": digest_of(content)}


def write_files(folder: Path, contents: Sequence[dict[str, Any]], name: str = "reader") -> list[Path]:
    """Write files of answers."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}-{at}.json" for at in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(json.dumps(content), "utf-8")
    return paths
