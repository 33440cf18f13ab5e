"""Files of answers: those that a page wrote are read, and all others are refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_answers import make_answers, make_key, seal, write_files

from igbatch.errors import InputError
from igbatch.quiz.answers import MAX_BYTES, AnswersError, arranged, read_answers, read_keys
from igbatch.quiz.key import KeyQuestion, QuizKey
from igbatch.store.output import Output

ARRANGEMENTS = Path(__file__).parents[1] / "report" / "quiz" / "arrangement_cases.json"
KEY = make_key(12, 2)
KEYS = {KEY.digest: KEY}


def answers(number: int = 5, **changes: Any) -> dict[str, Any]:
    return make_answers(KEY, lambda question: 0.7, number, **changes)


def refused(folder: Path, *contents: dict[str, Any] | bytes, keys: dict[str, QuizKey] = KEYS) -> list[str]:
    """Return the lines that refuse files, without the names of these."""
    paths = write_files(folder, [{} for _ in contents])
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(AnswersError) as error:
        read_answers(paths, keys)
    assert error.value.exit_code == 2
    lines = error.value.lines
    assert all(line.startswith(str(folder)) for line in lines[:10])
    return [line.split(".json: ")[-1] for line in lines]


def changed(at: int, content: dict[str, Any] | None = None, /, **changes: Any) -> dict[str, Any]:
    """Return a file in which one answer is another, sealed again as somebody would who knows how."""
    content = content or answers()
    given = [dict(each) for each in content["answers"]]
    given[at].update(changes)
    return seal({**content, "answers": given})


def place_of(kind: str) -> int:
    """Return where the file of `answers` has the first question of a kind."""
    return next(at for at, (question, _) in enumerate(arranged(KEY, 5)) if question.kind == kind)


@pytest.mark.parametrize("number", range(24))
def test_a_file_of_every_arrangement_is_read(tmp_path: Path, number: int) -> None:
    paths = write_files(tmp_path, [answers(number)])
    files, notes = read_answers(paths, KEYS)
    assert [(file.name, file.answers.arrangement) for file in files] == [("reader-0.json", number)]
    assert notes == []


def test_over_all_arrangements_each_question_comes_at_each_place_and_each_side_as_often() -> None:
    seen = [arranged(KEY, arrangement) for arrangement in range(24)]
    assert all([question.practice for question, _ in each] == [True] * 2 + [False] * 12 for each in seen)
    asked = [question.id for question in KEY.questions if not question.practice]
    for place in range(2, 14):
        assert sorted(each[place][0].id for each in seen) == sorted(asked * 2)
    for name in asked:
        assert sum(swapped for each in seen for question, swapped in each if question.id == name) == 12


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON (UnicodeDecodeError)"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"format": NaN}', "is no JSON (NaN is no number)"),
        (b'{"format": 1, "format": 1}', "is no JSON ('format' stands in it 2 times)"),
        (b"[]", "is no file of answers"),
        (b'{"format": 1}', "is no file of answers"),
        (b" " * (MAX_BYTES + 1), "has more than 1 MB"),
        (seal({**answers(), "format": 2}), "has format 2; this igbatch reads format 1"),
        ({**answers(), "reader": "me"}, "was changed after it was downloaded"),
        (seal({**answers(), "name": "me"}), "is no file of answers (name: Extra"),
        (seal({**answers(), "reader": "a b"}), "is no file of answers (reader: "),
        (changed(3, ms=-1), "is no file of answers (answers.3.ms: "),
        (
            seal({**answers(), "quiz": "0" * 64}),
            f"belongs to another study or quiz (000000000000); this output has 1 quiz: {KEY.digest[:12]}",
        ),
        (changed(4, question="q999"), "answers 'q999', which the quiz does not ask"),
        (changed(1, question="p0"), "answers 'p0' 2 times"),
        (changed(place_of("trained"), choice="third"), "has the answer 'third', which was not offered"),
        (changed(place_of("trained"), second="1"), "has a second answer, which was not asked for"),
        (changed(place_of("stronger"), second=None), "lacks its second answer"),
        (changed(place_of("stronger"), second="9"), "has the second answer '9', which was not offered"),
        (changed(3, place=4), "does not have its answers in the order of their places, from 0"),
        (seal({**answers(), "arrangement": 4}), "the other way round than its arrangement"),
        (seal({**answers(), "arrangement": 7}), "where arrangement 7 asks"),
        (seal({**answers(), "arrangement": 24}), "has arrangement 24; the quiz has 24"),
        (seal({**answers(), "complete": False}), "says that it is unfinished, but has 14 of 14 answers"),
        (answers(first=9, complete=True), "says that it is complete, but has 9 of 14 answers"),
    ],
)  # fmt: skip
def test_what_no_page_wrote_is_refused_by_name(
    tmp_path: Path, content: dict[str, Any] | bytes, words: str
) -> None:
    assert words in refused(tmp_path, content)[0]


def test_sides_count_where_there_are_two_maps_alone(tmp_path: Path) -> None:
    box = place_of("box")
    paths = write_files(tmp_path, [changed(box, swapped=True)])
    assert len(read_answers(paths, KEYS)[0]) == 1
    trained = place_of("trained")
    other = not answers()["answers"][trained]["swapped"]
    assert "the other way round" in refused(tmp_path, changed(trained, swapped=other))[0]


def test_an_output_without_a_quiz_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path, answers(), keys={}) == [
        f"belongs to another study or quiz ({KEY.digest[:12]}); this output has no quiz"
    ]
    with pytest.raises(AnswersError, match="No such file"):
        read_answers([tmp_path / "none.json"], KEYS)


def test_all_faults_of_all_files_are_told_up_to_ten(tmp_path: Path) -> None:
    two = seal({**changed(4, question="q999"), "complete": True})
    two = changed(5, two, question="q998")
    lines = refused(tmp_path, two, b"", answers(7))
    assert len(lines) == 3
    assert refused(tmp_path, *[b""] * 13)[-1] == "3 more faults"


def test_of_two_exports_of_a_session_the_longer_counts(tmp_path: Path) -> None:
    paths = write_files(tmp_path, [answers(first=6), answers(), answers(), answers(6)])
    files, notes = read_answers(paths, KEYS)
    assert [file.name for file in files] == ["reader-1.json", "reader-3.json"]
    assert [note.split(": ", 1)[1].replace(str(tmp_path), "") for note in notes] == [
        "/reader-1.json continues it, and counts in its place",
        "holds the same answers as /reader-1.json; counted once",
    ]


def test_two_files_of_one_session_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    other = changed(3, answers(first=6), ms=77)
    assert "has the same session" in refused(tmp_path, answers(), other)[0]
    assert "contradicts" in refused(tmp_path, answers(), seal({**answers(first=6), "reader": "b"}))[0]


def test_keys_are_read_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    assert read_keys(output) == {}
    output.put_json(output.path("quiz", f"{KEY.digest}.json"), KEY.model_dump())
    output.put_json(output.path("quiz", "results.json"), {})
    assert read_keys(output) == KEYS
    output.put_json(output.path("quiz", f"{'0' * 64}.json"), KEY.model_dump())
    with pytest.raises(InputError, match="is the key of another quiz"):
        read_keys(output)
    output.put_json(output.path("quiz", f"{'0' * 64}.json"), {})
    with pytest.raises(InputError, match="is no key of a quiz"):
        read_keys(output)


@pytest.mark.parametrize("case", json.loads(ARRANGEMENTS.read_text("utf-8")))
def test_an_arrangement_is_the_pages(case: dict[str, Any]) -> None:
    questions = [
        KeyQuestion.model_construct(id=f"q-{place}", practice=each["practice"], maps=[()] * each["pictures"])
        for place, each in enumerate(case["questions"])
    ]
    key = QuizKey.model_construct(questions=questions)
    for one in case["arranged"]:
        found = arranged(key, one["arrangement"])
        assert [int(question.id[2:]) for question, _ in found] == one["order"]
        sides = [swapped and len(question.maps) == 2 for question, swapped in found]
        assert sides == one["swapped"]
