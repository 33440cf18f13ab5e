"""The page: one HTML file that holds everything it shows, and asks for nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup

from igbatch.report.description import Description
from igbatch.report.randomization.section import ModelView
from igbatch.report.text import Table
from igbatch.report.verdicts import Finding
from igbatch.report.views import BlockView, PictureView

MOST_OPEN = 40
"""Ranges and digests that stand open on the page; more are folded."""


@dataclass(frozen=True)
class GroupView:
    """The blocks of one variant, or of one image, and the figure files that hold the same: (name, path)."""

    title: str
    subtitle: str
    blocks: tuple[BlockView, ...]
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ImageView:
    """One image of the page: its picture, what the variants say of it, its box sums, and its maps.

    `overview` is the path of the figure that has all variants, empty where there is none.
    """

    anchor: str
    name: str
    label: str
    featured: bool
    picture: PictureView
    predictions: Table
    sums: Table | None
    groups: tuple[GroupView, ...]
    overview: str


@dataclass(frozen=True)
class PageContent:
    """All that the template shows, worked out beforehand; notes are empty where there is nothing to say."""

    description: Description
    findings: Sequence[Finding]
    randomization: Sequence[ModelView]
    cautions: Sequence[str]
    plot: str
    aggregates: Table | None
    aggregates_note: str
    images: Sequence[ImageView]
    ranges: Table | None
    quarantine: Table | None
    quarantine_note: str
    left_out: Sequence[str]
    csv_files: Sequence[str]
    csv_note: str
    guide: str


def render_page(content: PageContent) -> str:
    """Return the page as HTML.

    Names from the data are escaped. The page's content security policy allows its own style sheet, by its
    digest, and pictures that it holds itself; no script, and nothing from elsewhere.
    """
    style = resources.files("igbatch.report").joinpath("templates/page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("igbatch.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["numeric"] = lambda cell: cell[:1] in "−0123456789<>–"
    environment.tests["negative"] = lambda cell: cell.startswith("−") and " " not in cell
    template = environment.get_template("index.html.j2")
    return template.render(page=content, most_open=MOST_OPEN, style=Markup(style), style_digest=digest)
