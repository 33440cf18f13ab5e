"""The page's viewer in a frame of its own, for a cell of a notebook, and as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path

from igbatch.errors import InputError
from igbatch.report.page.html import render_view
from igbatch.report.page.viewer_data import PageStudy
from igbatch.text import count, plain

MAX_MAPS = 100
"""Maps that one view holds: 10 MB of maps of 224 x 224 pixels."""

HEIGHT = 900
"""Of the frame, in pixels; the reader may drag its lower edge."""


@dataclass(frozen=True)
class EmbeddedViewer:
    """Maps in the viewer of the report page. A notebook shows it, `save` writes it to a file.

    Attributes:
        html: the document: it holds all that it shows, and loads nothing from anywhere.
        title: what it shows, in a few words.
        height: of the frame in a notebook, in pixels.
    """

    html: str
    title: str
    height: int = HEIGHT

    def __repr__(self) -> str:
        return f"<{plain(self.title)}: shown by a notebook, or written by .save('view.html')>"

    def _repr_html_(self) -> str:
        """Return a frame that holds the document.

        It is sandboxed: its script has an origin of its own, and reaches neither the notebook nor a network.
        """
        style = f"width: 100%; height: {self.height}px; border: 0; resize: vertical; overflow: hidden"
        return (
            f'<iframe sandbox="allow-scripts" title="{escape(plain(self.title))}" style="{style}" '
            f'srcdoc="{escape(self.html)}"></iframe>'
        )

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the document to a local file, and return its path. Links, PNG and CSV work there."""
        place = Path(path)
        place.write_text(self.html, "utf-8")
        return place


def view_of(study: PageStudy, maps: Mapping[str, str], title: str, height: int) -> EmbeddedViewer:
    """Return the viewer of what the script gets, and packed maps by the ids of their elements."""
    return EmbeddedViewer(render_view(study, maps, title), title, height)


def check_view(maps: int, height: int, fewer: str) -> None:
    """Refuse more maps than a view holds, and a height that is none; `fewer` says what to leave out.

    Raises:
        InputError: they are too many, or the height is none.
    """
    if maps > MAX_MAPS:
        raise InputError(f"{count(maps, 'map')}: a view holds at most {MAX_MAPS}; {fewer}")
    if isinstance(height, bool) or not isinstance(height, int) or not 100 <= height <= 10_000:
        raise InputError(f"height {height!r}: give a whole number of pixels, 100 to 10000")
