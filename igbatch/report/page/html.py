"""The page: one HTML file that holds everything it shows, and loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from igbatch.audit.words import headline
from igbatch.report.columns import Table
from igbatch.report.gallery.gather import Gallery
from igbatch.report.page.audit import audit_table, role
from igbatch.report.page.csv_tables import MAX_ROWS
from igbatch.report.page.viewer_data import PageStudy, json_in_html
from igbatch.report.sentences import FILTERS
from igbatch.store.encoding import LARGEST

MAX_OPEN = 40
"""Ranges and digests that stand open on the page; more are folded."""

STYLES = ("page.css", "viewer.css", "tables.css")
SCRIPT = "viewer.js"
"""Bundled from `viewer/src` by `npm run build` there."""
GALLERY_STYLES = ("page.css", "gallery.css")
GALLERY_SCRIPT = "gallery.js"


def render_page(study: PageStudy, maps: Mapping[str, str], **parts: Any) -> str:
    """Return the page as HTML.

    Names from the data are escaped. The page's content security policy allows its own style sheet and its own
    script, by their digests, and pictures that it holds or makes itself; nothing from elsewhere, and no text
    that is run as code.

    Args:
        study: what the page's script shows.
        maps: packed maps, by the ids of their elements.
        parts: what `templates/index.html.j2` shows, by the names that it lists.

    Raises:
        jinja2.UndefinedError: a part is missing.
    """
    return _render(
        "index.html.j2",
        SCRIPT,
        STYLES,
        **parts,
        study=study,
        maps=maps,
        max_open=MAX_OPEN,
        max_rows=MAX_ROWS,
        steps=2 * LARGEST,
        study_json=Markup(json_in_html(study)),
    )


def render_view(study: PageStudy, maps: Mapping[str, str], title: str) -> str:
    """Return the viewer alone as an HTML document, under the same policy as the page."""
    data = Markup(json_in_html(study))
    return _render("view.html.j2", SCRIPT, STYLES, title=title, study=study, maps=maps, study_json=data)


def render_gallery(gallery: Gallery, title: str) -> str:
    """Return the gallery's page as HTML, under the same policy."""
    return _render(
        "gallery.html.j2",
        GALLERY_SCRIPT,
        GALLERY_STYLES,
        title=title,
        gallery=gallery,
        study_json=Markup(json_in_html(gallery.study)),
    )


def _render(template: str, script: str, styles: Sequence[str], **values: Any) -> str:
    style, content = Markup("\n".join(map(_template, styles))), Markup(_template(script))
    return _environment().get_template(template).render(**values, style=style, script=content)


@cache
def _environment() -> jinja2.Environment:
    """Return what holds the templates; it keeps those that it has compiled."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("igbatch.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = (number_columns, role, audit_table, headline, digest)
    environment.filters |= FILTERS | {each.__name__: each for each in own}
    environment.tests["negative"] = lambda cell: cell.startswith("−") and " " not in cell
    return environment


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


def digest(text: str) -> str:
    """Return the SHA-256 of a text as a content security policy names it, in base64."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
