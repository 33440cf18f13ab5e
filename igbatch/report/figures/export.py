"""Figures for print: pages of maps under chosen normalizations and looks, as PNG, PDF or SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, groupby
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from igbatch.errors import InputError
from igbatch.report.color.scope import KINDS, Normalizations
from igbatch.report.color.style import DEFAULT, Look
from igbatch.report.figures.canvas import DPI, fallbacks, missing_letters
from igbatch.report.figures.contact_sheet import Cell, contact_figure
from igbatch.report.figures.draw import draw_sheet
from igbatch.report.figures.fonts import MissingLetters, on_stderr
from igbatch.report.figures.image_data import ImageMaps, ShownRows
from igbatch.report.figures.sheets import chosen, overview_sheet, row_of, said_of, seed_sheet
from igbatch.report.selection import select, shown_variants
from igbatch.report.text import count, file_stem, plain
from igbatch.results import StudyResults

FORMATS = ("png", "pdf", "svg")
FOLDER = "report/print"
PNG_SCALE = 3
"""Dots of a PNG file for each pixel of the page: 300 dots an inch."""

MOST_ROWS = 6
"""Variants on a page of one normalization; more go on the next."""

MOST_SIDE = 20
"""Columns or rows of a contact sheet."""

_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "igbatch"}
# Text stays text, and the same study gives the same bytes.


@dataclass(frozen=True)
class Order:
    """What is to be printed.

    Attributes:
        look: range rule, palette and all else about colours.
        normalization: one of `KINDS`; None is the seed's sequence of raw, own, joint and study.
        images: those that the report shows where none is named.
        variants, targets: those of the image that the report shows, and all targets, where none is named.
        grid: columns and rows of a contact sheet; None lays out a page for each image and variant.

    Raises:
        InputError: there is no such normalization, or the grid is out of bounds.
    """

    look: Look = DEFAULT
    normalization: str | None = None
    images: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.normalization not in (None, *KINDS):
            raise InputError(
                f"normalization {self.normalization!r} is unknown; use one of {', '.join(KINDS)}"
            )
        if self.grid is not None and not all(1 <= side <= MOST_SIDE for side in self.grid):
            raise InputError(f"grid {self.grid[0]}x{self.grid[1]}: give 1 to {MOST_SIDE} columns and rows")

    @property
    def kind(self) -> str | None:
        """The normalization that pages are of; None where it is the sequence.

        Where the ends are set, one page shows it all; a contact sheet is for comparing maps, so that they
        share the range of the study where nobody said otherwise.
        """
        if self.normalization is None and self.look.rule == "fixed":
            return "raw"
        return "dataset" if self.normalization is None and self.grid else self.normalization


@dataclass(frozen=True)
class Page:
    """A page: the names of its file, and of the document that it is of where a format holds many pages."""

    names: tuple[str, ...]
    document: tuple[str, ...]
    figure: Figure


def grid_of(text: str) -> tuple[int, int]:
    """Return the columns and rows of a grid such as `4x3`.

    Raises:
        InputError: the text is none.
    """
    found = re.fullmatch(r"(\d{1,3})[x×](\d{1,3})", text.strip().lower())
    if found is None:
        raise InputError(f"grid {text!r}: give columns x rows, such as 4x3")
    return int(found[1]), int(found[2])


def order_of(
    *,
    symmetric: bool = False,
    rule: str | None = None,
    grid: str | None = None,
    normalization: str | None = None,
    images: Sequence[str] = (),
    variants: Sequence[str] = (),
    targets: Sequence[str] = (),
    **choices: Any,
) -> Order:
    """Return the order that the options of `igbatch report --format` make.

    `symmetric` is another name for a rule, as zennit's `imgify` has it; `choices` are those of `Look.of`.

    Raises:
        InputError: a choice is wrong, or two of them exclude each other.
    """
    others = (rule not in (None, "symmetric"), choices.get("ends"), choices.get("percentile") is not None)
    if symmetric and any(others):
        raise InputError("--symmetric is a range rule: leave it out, or --rule, --range and --percentile")
    look = Look.of(rule="symmetric" if symmetric else rule, **choices)
    cells = None if grid is None else grid_of(grid)
    return Order(look, normalization, tuple(images), tuple(variants), tuple(targets), cells)


def print_figures(
    results: StudyResults,
    order: Order,
    file_format: str,
    write: Callable[[str, bytes], None],
    say: Callable[[str], None] = on_stderr,
) -> list[str]:
    """Draw the pages of an order and return the paths of their files, relative to the study's output.

    PNG and SVG have a file a page; PDF has a document an image, or one of all contact sheets. One page is
    held at a time, with the maps of its images.

    Args:
        results: an opened study.
        order: what is to be printed.
        file_format: one of `FORMATS`.
        write: stores bytes under a path with `/` between folders.
        say: is told in one line which letters no font has, if any.

    Raises:
        InputError: there is no such format, or the study has no such image, variant or target.
    """
    if file_format not in FORMATS:
        raise InputError(f"format {file_format!r} is unknown; use one of {', '.join(FORMATS)}")
    paths, missing = [], MissingLetters()

    def put(names: Sequence[str], content: bytes, lost: set[str]) -> None:
        paths.append(f"{FOLDER}/{file_stem(*names, *order.look.changed)}.{file_format}")
        write(paths[-1], content)
        missing.add(paths[-1].removeprefix(f"{FOLDER}/"), lost)

    pages = contact_sheets(results, order) if order.grid else image_pages(results, order)
    if file_format == "pdf":
        for names, document in groupby(pages, key=lambda page: page.document):
            put(names, *_document(names, document))
    else:
        for page in pages:
            content = _png(page.figure) if file_format == "png" else _svg(page)
            put(page.names, content, missing_letters(page.figure))
    if line := missing.line():
        say(line)
    return paths


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI * PNG_SCALE, metadata={"Software": None})
    return buffer.getvalue()


def _svg(page: Page) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        metadata = {"Title": _title(page.names), "Date": None, "Creator": None}
        page.figure.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()


def _document(names: Sequence[str], pages: Iterator[Page]) -> tuple[bytes, set[str]]:
    """Return pages as one PDF without dates or versions, and the letters that are missing in it."""
    buffer, lost = io.BytesIO(), set[str]()
    metadata = {"Title": _title(names), "Creator": "igbatch", "Producer": "matplotlib", "CreationDate": None}
    first = next(pages)  # which names the fonts that the others need too
    # Fonts of type 42 hold TrueType alone: others embedded so cannot be shown by every reader.
    settings = {**_SETTINGS, "pdf.fonttype": 42 if fallbacks().truetype else 3}
    with mpl.rc_context(settings), PdfPages(buffer, metadata=metadata) as document:
        for page in chain([first], pages):
            document.savefig(page.figure)
            lost |= missing_letters(page.figure)
    return buffer.getvalue(), lost


def _title(names: Sequence[str]) -> str:
    return ", ".join(map(plain, names))


def image_pages(results: StudyResults, order: Order) -> Iterator[Page]:
    """Yield the pages of each image: the sequence by variant and pair, or one normalization."""
    normalizations = Normalizations(results)
    for maps in _images(results, order):
        variants = _variants(maps, order)
        document = tuple(filter(None, (maps.image_id, order.kind, *order.targets)))
        if order.kind is None:
            yield from _sequence(maps, normalizations, variants, order, document)
            continue
        for start in range(0, len(variants), MOST_ROWS):
            some = variants[start : start + MOST_ROWS]
            sheet = overview_sheet(maps, normalizations, order.kind, some, order.targets or None, order.look)
            part = (f"part {start // MOST_ROWS + 1}",) if len(variants) > MOST_ROWS else ()
            yield Page((*document, *part), document, draw_sheet(sheet))


def _sequence(
    maps: ImageMaps,
    normalizations: Normalizations,
    variants: Sequence[str],
    order: Order,
    document: tuple[str, ...],
) -> Iterator[Page]:
    """Yield the seed's sequence of each variant, and of each pair where there are more than two targets."""
    targets = chosen(order.targets or None, maps.results.target_names, "target")
    for variant in variants:
        groups = [targets, *(combinations(targets, 2) if len(targets) > 2 else ())]
        for place, group in enumerate(groups):
            sheet = seed_sheet(maps, normalizations, variant, group, order.look)
            names = (maps.image_id, variant, *(group if place or order.targets else ()))
            yield Page(names, document, draw_sheet(sheet))


def contact_sheets(results: StudyResults, order: Order) -> Iterator[Page]:
    """Yield contact sheets of the maps of all images, variants and targets, in this order."""
    assert order.grid is not None
    columns, rows = order.grid
    size = columns * rows
    waiting: list[Cell] = []
    said: tuple[str, ...] = ()
    drawn = 0
    for cell, words in _cells(results, order):
        said = said or words
        waiting.append(cell)
        if len(waiting) == size:
            drawn += 1
            yield _contact_sheet(results, order, waiting, said, drawn)
            waiting = []
    if waiting:
        yield _contact_sheet(results, order, waiting, said, drawn + 1)


def _cells(results: StudyResults, order: Order) -> Iterator[tuple[Cell, tuple[str, ...]]]:
    """Yield maps with what is said of their normalization."""
    assert order.kind is not None
    normalizations = Normalizations(results)
    targets = chosen(order.targets or None, results.target_names, "target")
    for maps in _images(results, order):
        for variant in _variants(maps, order):
            row = row_of(maps, normalizations, order.kind, variant, targets, order.look)
            for panel in row.panels:
                boxes = maps.boxes_seen_by(variant)
                yield Cell(maps.image_id, panel, boxes), () if panel.scale is None else said_of(panel.scale)


def _contact_sheet(
    results: StudyResults, order: Order, cells: Sequence[Cell], said: Sequence[str], number: int
) -> Page:
    assert order.grid is not None
    study = results.study.name
    columns, rows = order.grid
    document = (study, f"{order.kind} {columns}x{rows}", *order.targets)
    title = f"{plain(study)}: {count(len(cells), 'map')}, sheet {number}"
    figure = contact_figure(title, said, cells, columns, order.look)
    return Page((*document, f"sheet {number:03d}"), document, figure)


def _images(results: StudyResults, order: Order) -> Iterator[ImageMaps]:
    names = list(dict.fromkeys(order.images)) or list(select(results).images)
    for name, place in zip(names, results.listing.places_of(names), strict=True):
        if place < 0:
            raise InputError(f"image {name!r} is not in the study; images.parquet lists its ids")
    shown = ShownRows(results, names)
    for name in names:
        yield ImageMaps(results, name, shown)


def _variants(maps: ImageMaps, order: Order) -> list[str]:
    known = [str(each) for each in maps.results.variants["variant_id"]]
    if order.variants:
        return chosen(tuple(dict.fromkeys(order.variants)), known, "variant")
    return shown_variants(maps.results, maps.variants) or known[:1]
