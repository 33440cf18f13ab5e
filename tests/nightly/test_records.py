"""The files of nights against the page that describes them."""

import re
from pathlib import Path

from pydantic import BaseModel

from igbatch.nightly.records import Night, Promotion, References, Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "nightly.md").read_text("utf-8")


def test_every_key_of_a_night_stands_in_the_page() -> None:
    section = PAGE.split("## night.json")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE)
    assert documented == [*Night.model_fields, *(f"verdict.{name}" for name in Verdict.model_fields)]


def test_every_key_of_a_reference_stands_in_the_page() -> None:
    (documented,) = re.findall(r"^`reference.json` has (.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    models: tuple[type[BaseModel], ...] = (References, Promotion)
    assert set(re.findall(r"`(\w+)`", documented)) == {
        name for model in models for name in model.model_fields
    }


def test_records_survive_their_file() -> None:
    verdict = Verdict(ended_at="t", exit_code=1, reference="r", last_good=None, failed=("a: b",), words="w")
    night = Night(night="n", study="s", study_digest="d", begun_at="t", run_exit_code=0, verdict=verdict)
    assert Night.model_validate_json(night.model_dump_json()) == night
    assert (night.state, night.good) == ("bad", False)
