"""Sentences from templates: typed values go in, lines of plain text come out.

The words of a section stand in one template below `templates/`, written as prose: a line break in a template
is a space, a blank line parts paragraphs, and these may be the items of a list (`paragraphs | listing`). The
text is plain, without markup: a terminal prints it as it is, JSON holds it, and the page's template, which
escapes every string, shows it. So nothing here escapes, and no name from the data can inject anything: what a
template prints has passed `text.plain`, and is never read as a template itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from numbers import Integral
from typing import Any

import jinja2
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from igbatch.text import count, decimals, listing, number, ordinal, percent, plain, whole_percent

FILTERS: dict[str, Callable[..., str]] = {
    "number": number,
    "decimals": decimals,
    "percent": percent,
    "whole_percent": whole_percent,
    "count": count,
    "ordinal": ordinal,
    "listing": listing,
    "plain": plain,
    "thousands": lambda n: f"{n:,}",
    "are": lambda n: "is" if n == 1 else "are",
    "capital": lambda text: text[:1].upper() + text[1:],
}
"""How templates write numbers and names, on the page too."""


def render(template: str, **values: Any) -> str:
    """Return what a template says of some values as one line; empty where it says nothing.

    Raises:
        jinja2.UndefinedError: it names a value that is not there.
        TypeError: it prints a value that is neither text nor a whole number, which takes a filter.
    """
    return " ".join(sentences(template, **values))


def sentences(template: str, **values: Any) -> list[str]:
    """Return the paragraphs of a template, one line each, without those that are empty."""
    return _lines(_environment().get_template(template).render(values))


def parts(template: str, **values: Any) -> dict[str, str]:
    """Return the texts that a template names, one line each: `{% set name %}…{% endset %}` at its top level.

    Names that begin with an underscore are the template's own.
    """
    module = _environment().get_template(template).make_module(values)
    named = {name: text for name, text in vars(module).items() if name[0] != "_" and isinstance(text, str)}
    return {name: " ".join(_lines(text)) for name, text in named.items()}


def _lines(text: str) -> list[str]:
    lines = (re.sub(" +", " ", line).strip(" ") for line in text.split("\n"))
    return [line for line in lines if line]


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("igbatch.report", "templates"),
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        finalize=_printed,
        extensions=[_Prose],
    )
    environment.filters |= FILTERS | {"paragraphs": _lines}
    return environment


def _printed(value: Any) -> str:
    """Return what a template prints for a value; of a number that is not whole, a filter says how."""
    if isinstance(value, jinja2.Undefined | str):
        return plain(str(value))
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"a template prints {value!r} as it is; write it by a filter, such as number or percent")


class _Prose(Extension):
    """Reads templates as prose: a line break is a space, blank lines are one line break."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        for token in stream:
            if token.type == "data":
                yield Token(token.lineno, "data", re.sub(r"\s*\n\s*", _break, token.value))
            else:
                yield token


def _break(space: re.Match[str]) -> str:
    return "\n" if space[0].count("\n") > 1 else " "
