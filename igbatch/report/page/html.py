"""The page: one HTML file that holds everything it shows, and asks for nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup

from igbatch.report.findings.model import Finding
from igbatch.report.page.about import Description
from igbatch.report.page.audit import AuditView
from igbatch.report.page.raw_maps import WORDS
from igbatch.report.page.viewer_data import PageData
from igbatch.report.randomization.section import ModelView
from igbatch.report.text import Table

MOST_OPEN = 40
"""Ranges and digests that stand open on the page; more are folded."""

STYLES = ("page.css", "viewer.css", "tables.css")
SCRIPT = "viewer.js"
"""Bundled from `viewer/src` by `npm run build` there."""


@dataclass(frozen=True)
class Figures:
    """Figure files of one image: (name, path) of each, the path relative to the page."""

    image: str
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PageContent:
    """All that the template shows, worked out beforehand; notes are empty where there is nothing to say.

    Attributes:
        description: the study in words.
        summary: what it found and what to be careful about, a sentence each.
        data: what the page's script shows: the maps and their numbers.
        figures: for print, by image.
        sums, sums_note: sums in the boxes of the images shown.
        audit: the verdict against references; None where the study was not audited.
        plot: the aggregates figure as a data URI, for readers without script.
    """

    description: Description
    findings: Sequence[Finding]
    randomization: Sequence[ModelView]
    cautions: Sequence[str]
    data: PageData
    figures: Sequence[Figures]
    plot: str
    aggregates: Table | None
    aggregates_note: str
    ranges: Table | None
    quarantine: Table | None
    quarantine_note: str
    left_out: Sequence[str]
    csv_files: Sequence[str]
    csv_note: str
    guide: str
    summary: Sequence[str] = ()
    sums: Table | None = None
    sums_note: str = ""
    significance: Table | None = None
    significance_note: str = ""
    audit: AuditView | None = None


def render_page(content: PageContent) -> str:
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
    environment.filters["number_columns"] = number_columns
    environment.tests["negative"] = lambda cell: cell.startswith("−") and " " not in cell
    return environment.get_template("index.html.j2").render(
        page=content,
        most_open=MOST_OPEN,
        precision=WORDS,
        megabytes=sum(len(text) for _, text in content.data.maps) / 1e6,
        study_json=Markup(content.data.study),
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
    file = resources.files("igbatch.report").joinpath(f"templates/{name}")
    return file.read_text("utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
