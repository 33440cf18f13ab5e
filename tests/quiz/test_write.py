"""The command: a page for readers, a key that stays, one line for whatever is wrong."""

import re
from pathlib import Path

from helpers import Command

from igbatch.quiz.key import QuizKey
from igbatch.store.output import Output


def test_a_page_is_written_and_its_key_stays(call: Command, written: Output, tmp_path: Path) -> None:
    done = call("quiz", written.uri, "--out", "quiz.html", "--questions", 4)
    assert done.code == 0, done.err
    page = (tmp_path / "quiz.html").read_text("utf-8")
    (path,) = Path(written.uri, "quiz").iterdir()
    key = QuizKey.model_validate_json(path.read_bytes())
    assert path.stem == key.digest
    assert key.digest in page
    assert len(key.questions) == 4 + 4
    said = done.out.splitlines()
    assert said[-1].startswith("quiz of 4 questions and 4 to practise on")
    assert "No question on “changed”" in done.out
    assert re.search(r"kind: 1 box, 1 stronger, 1 targets and 1 trained", done.out)


def test_what_is_wrong_is_one_line_and_nothing_is_written(
    call: Command, written: Output, tmp_path: Path
) -> None:
    call("quiz", written.uri, "--out", "no/quiz.html").refused("there is no folder no")
    assert "is a directory" in call("quiz", written.uri, "--out", written.uri).err
    call("quiz", "nowhere", "--out", "quiz.html").refused("nowhere")
    call("quiz", written.uri, "--out", "quiz.html", "--against", "nowhere").refused("nowhere")
    assert "200" in call("quiz", written.uri, "--out", "quiz.html", "--questions", 201).err
    assert not Path(written.uri, "quiz").exists()
    assert not (tmp_path / "quiz.html").exists()
