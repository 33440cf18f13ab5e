"""The page: one HTML file that holds everything it shows, and asks for nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup

from igbatch.report.findings.model import Finding
from igbatch.report.page.about import Description
from igbatch.report.page.audit import AuditView
from igbatch.report.page.csv_tables import MAX_ROWS
from igbatch.report.page.raw_maps import WORDS
from igbatch.report.page.study_data import PageData
from igbatch.report.page.viewer_data import json_in_html
from igbatch.report.randomization.section import Statement
from igbatch.report.sentences import FILTERS
from igbatch.report.text import Table

MAX_OPEN = 40
"""Ranges and digests that stand open on the page; more are folded."""

STYLES = ("page.css", "viewer.css", "tables.css")
SCRIPT = "viewer.js"
"""Bundled from `viewer/src` by `npm run build` there."""


@dataclass(frozen=True)
class Page:
    """What the page's templates show, each part as it was made; None or empty where a study has none of it.

    Attributes:
        about: the study in words.
        summary: what it found and what to be careful about, a sentence each.
        data: what the page's script shows: the maps and their numbers.
        figures: for print, name and path of each, by image; `guide` says how to read them.
        plot: the aggregates figure as a data URI, for readers without script.
        tables: to read, by name: aggregates, sums, significance, ranges, quarantine.
        csv: whether each file of tables is whole, by name; others have rows of the images shown alone.
        left_out: what the page does not show, in sentences.
    """

    about: Description
    summary: Sequence[str]
    findings: Sequence[Finding]
    cautions: Sequence[str]
    data: PageData
    figures: Mapping[str, Sequence[tuple[str, str]]]
    guide: str
    plot: str
    tables: dict[str, Table | None]
    csv: dict[str, bool]
    audit: AuditView | None
    randomization: Mapping[str, Sequence[Statement]]
    left_out: Sequence[str]


def render_page(page: Page) -> str:
    """Return the page as HTML.

    Names from the data are escaped. The page's content security policy allows its own style sheet and its own
    script, by their digests, and pictures that it holds or makes itself; nothing from elsewhere, and no text
    that is run as code.
    """
    style, script = "\n".join(map(_template, STYLES)), _template(SCRIPT)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("igbatch.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS | {"number_columns": number_columns}
    environment.tests["negative"] = lambda cell: cell.startswith("−") and " " not in cell
    return environment.get_template("index.html.j2").render(
        page=page,
        max_open=MAX_OPEN,
        max_rows=MAX_ROWS,
        precision=WORDS,
        megabytes=sum(len(text) for _, text in page.data.maps) / 1e6,
        study_json=Markup(json_in_html(page.data.study)),
        style=Markup(style),
        style_digest=_digest(style),
        script=Markup(script),
        script_digest=_digest(script),
    )


def number_columns(table: Table) -> set[int]:
    """Return the columns whose cells are numbers, dashes among them; the first one names its row."""
    columns = enumerate(zip(*table.rows, strict=True))
    return {
        place
        for place, cells in columns
        if place
        and any(cell != "–" for cell in cells)
        and all(cell[:1] in "−0123456789<>–" for cell in cells)
    }


def _template(name: str) -> str:
    return resources.files("igbatch.report").joinpath(f"templates/{name}").read_text("utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
