"""Sentences from templates: prose in, one line of plain text out, whatever names the data hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest

from igbatch.report import sentences
from igbatch.report.sentences import parts, render

Write = Callable[[str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the template `t.j2`, the only one there is."""
    environment = sentences._environment().overlay(loader=jinja2.FileSystemLoader(tmp_path))
    monkeypatch.setattr(sentences, "_environment", lambda: environment)

    def write(text: str) -> None:
        (tmp_path / "t.j2").write_text(text, encoding="utf-8")

    return write


def test_templates_are_prose(write: Write) -> None:
    write(
        """{% macro one(n) %}{{ n | count("map") }}
{{ n | are }} there{% endmacro %}

{% if n %}
{{ one(n) }}:
it is {{ 0.973 | percent }}.

{% endif %}

{% if not n %}Never.{% endif %}
{{ names | listing }}.
"""
    )
    values = {"n": 1, "names": ["a", "b", "c"]}
    assert sentences.sentences("t.j2", **values) == ["1 map is there: it is 97.3\u00a0%.", "a, b and c."]
    assert render("t.j2", n=2, names=["a"]) == "2 maps are there: it is 97.3\u00a0%. a."


def test_parts_are_the_texts_a_template_names(write: Write) -> None:
    write("""{% set _who %}the {{ name }}{% endset %}
{% set claim %}
{{ _who }}
holds{% endset %}
{% set answer %}That {{ claim }}.{% endset %}""")
    assert parts("t.j2", name="model") == {"claim": "the model holds", "answer": "That the model holds."}


def test_names_from_the_data_are_one_line_of_text_and_no_template(write: Write) -> None:
    write("{{ name }}")
    assert render("t.j2", name="a\n\nb\u202e{{ 7 * 7 }}<b>") == "a��b�{{ 7 * 7 }}<b>"


@pytest.mark.parametrize("value", [0.1, None, True, ["a"]])
def test_values_that_are_no_text_take_a_filter(write: Write, value: object) -> None:
    write("{{ value }}")
    with pytest.raises(TypeError, match="filter"):
        render("t.j2", value=value)


def test_a_value_that_is_not_there_is_an_error(write: Write) -> None:
    write("{{ value }}")
    with pytest.raises(jinja2.UndefinedError, match="value"):
        render("t.j2")
