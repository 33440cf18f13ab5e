"""`audit.md`: an audit in short, for a chat or the summary of a CI run."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from igbatch.audit import words
from igbatch.audit.verdict import Audit
from igbatch.text import count, plain

MAX_SHOWN = 5
"""Offenders of a failed check, and changes; `audit.json` has more."""

_SPECIAL = re.compile(r"[\\`*_\[\]<>&|~#:@$^]|(?<=www)\.", re.IGNORECASE)
"""What begins emphasis, links, code or mathematics inside a line, in CommonMark or GitHub's Markdown."""
_LEADING = re.compile(r"^([-+=]|\d+(?=[.)]))")
"""What begins a list or a heading at the start of a line."""
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def markdown(audit: Audit) -> str:
    """Return an audit as Markdown with tables (GitHub's): verdict, checks, worst images, what changed."""
    return _template().render(audit=audit, words=words, count=count, most=MAX_SHOWN)


def escape(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line; control characters become �.

    `<`, `>` and `&` become entities, since readers of Markdown differ in how they take HTML; other signs
    that would mean something gets a backslash, so that texts stay readable where Markdown is shown as it is.
    """
    line = plain(" ".join(text.split()))
    escaped = _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), line)
    return _LEADING.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", escaped)


@cache
def _template() -> jinja2.Template:
    """Return the template, which escapes all that it prints but what is marked as safe."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("igbatch.audit", "templates"), undefined=jinja2.StrictUndefined,
        finalize=_printed, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template("audit.md.j2")


def _printed(value: Any) -> str:
    return value if isinstance(value, Markup) else escape(str(value))
