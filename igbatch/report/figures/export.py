"""Figures for print: pages of maps under chosen scopes and styles, as PNG, PDF or SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, groupby, islice
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from igbatch.errors import InputError
from igbatch.reduce.ranges import Scope
from igbatch.report.color.style import DEFAULT, ColorStyle
from igbatch.report.figures.contact_sheet import contact_figure
from igbatch.report.figures.draw import draw_sheet
from igbatch.report.figures.fonts import MissingLetters, on_stderr
from igbatch.report.figures.image_data import ImageMaps, Panel, ShownRows
from igbatch.report.figures.layout import chosen, row_of, scope_sheet, sequence_sheet, statement
from igbatch.report.figures.scales import check_scope
from igbatch.report.figures.typeset import DPI, fallbacks, missing_letters
from igbatch.report.selection import select, shown_variants
from igbatch.report.text import count, file_stem, plain
from igbatch.results import StudyResults

FORMATS = ("png", "pdf", "svg")
FOLDER = "report/print"
PNG_SCALE = 3
"""Dots of a PNG file for each pixel of the page: 300 dots an inch."""

MAX_ROWS = 6
"""Variants on a page of one scope; more go on the next."""

MAX_SIDE = 20
"""Columns or rows of a contact sheet."""

_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "igbatch"}
# Text stays text, and the same study gives the same bytes.


@dataclass(frozen=True)
class PrintOptions:
    """What is to be printed.

    Attributes:
        style: range rule, palette and all else about colours.
        scope: whose range the colours stand for; None is the sequence of raw, image, joint and dataset.
        images: those that the report shows where none is named.
        variants, targets: those of the image that the report shows, and all targets, where none is named.
        grid: columns and rows of a contact sheet; None lays out a page for each image and variant.

    Raises:
        InputError: there is no such scope, or the grid is out of bounds.
    """

    style: ColorStyle = DEFAULT
    scope: Scope | None = None
    images: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.scope is not None:
            check_scope(self.scope)
        if self.grid is not None and not all(1 <= side <= MAX_SIDE for side in self.grid):
            raise InputError(f"grid {self.grid[0]}x{self.grid[1]}: give 1 to {MAX_SIDE} columns and rows")

    @property
    def page_scope(self) -> Scope | None:
        """The scope that pages are of; None where it is the sequence.

        Where the ends are set, one page shows it all; a contact sheet is for comparing maps, so that they
        share the range of the study where no scope is named.
        """
        if self.scope is None and self.style.rule == "fixed":
            return "raw"
        return "dataset" if self.scope is None and self.grid else self.scope


@dataclass(frozen=True)
class PrintedPage:
    """A page: the names of its file, and of the document that it is of where a format holds many pages."""

    names: tuple[str, ...]
    document: tuple[str, ...]
    figure: Figure


def print_options(
    *,
    symmetric: bool = False,
    rule: str | None = None,
    grid: str | None = None,
    scope: Scope | None = None,
    images: Sequence[str] = (),
    variants: Sequence[str] = (),
    targets: Sequence[str] = (),
    **choices: Any,
) -> PrintOptions:
    """Return what the options of `igbatch report --format` mean.

    `symmetric` is another name for a rule, as zennit's `imgify` has it; `choices` are those of
    `ColorStyle.of`; a grid is columns x rows, such as `4x3`.

    Raises:
        InputError: a choice is wrong, or two of them exclude each other.
    """
    others = (rule not in (None, "symmetric"), choices.get("ends"), choices.get("percentile") is not None)
    if symmetric and any(others):
        raise InputError("--symmetric is a range rule: leave it out, or --rule, --range and --percentile")
    style = ColorStyle.of(rule="symmetric" if symmetric else rule, **choices)
    sides = None if grid is None else re.fullmatch(r"(\d{1,3})[x×](\d{1,3})", grid.strip().lower())
    if grid is not None and sides is None:
        raise InputError(f"grid {grid!r}: give columns x rows, such as 4x3")
    cells = None if sides is None else (int(sides[1]), int(sides[2]))
    return PrintOptions(style, scope, tuple(images), tuple(variants), tuple(targets), cells)


def print_figures(
    results: StudyResults,
    options: PrintOptions,
    file_format: str,
    write: Callable[[str, bytes], None],
    say: Callable[[str], None] = on_stderr,
) -> list[str]:
    """Draw pages and return the paths of their files, relative to the study's output.

    PNG and SVG have a file a page; PDF has a document an image, or one of all contact sheets. One page is
    held at a time, with the maps of its images.

    Args:
        results: an opened study.
        options: what is to be printed.
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
        paths.append(f"{FOLDER}/{file_stem(*names, *options.style.changed)}.{file_format}")
        write(paths[-1], content)
        missing.add(paths[-1].removeprefix(f"{FOLDER}/"), lost)

    pages = contact_sheets(results, options) if options.grid else image_pages(results, options)
    if file_format == "pdf":
        for names, document in groupby(pages, key=lambda page: page.document):
            put(names, *_pdf(names, document))
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


def _svg(page: PrintedPage) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        metadata = {"Title": _title(page.names), "Date": None, "Creator": None}
        page.figure.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()


def _pdf(names: Sequence[str], pages: Iterator[PrintedPage]) -> tuple[bytes, set[str]]:
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


def image_pages(results: StudyResults, options: PrintOptions) -> Iterator[PrintedPage]:
    """Yield the pages of each image: the sequence by variant and pair, or one scope."""
    scope, style = options.page_scope, options.style
    for maps in _images(results, options):
        variants = _variants(maps, options)
        document = tuple(filter(None, (maps.image_id, scope, *options.targets)))
        if scope is None:
            yield from _sequences(maps, variants, options, document)
            continue
        for start in range(0, len(variants), MAX_ROWS):
            some = variants[start : start + MAX_ROWS]
            sheet = scope_sheet(maps, scope, some, options.targets or None, style)
            part = (f"part {start // MAX_ROWS + 1}",) if len(variants) > MAX_ROWS else ()
            yield PrintedPage((*document, *part), document, draw_sheet(sheet))


def _sequences(
    maps: ImageMaps, variants: Sequence[str], options: PrintOptions, document: tuple[str, ...]
) -> Iterator[PrintedPage]:
    """Yield the sequence of each variant, and of each pair where there are more than two targets."""
    targets = chosen(options.targets or None, maps.results.target_names, "target")
    for variant in variants:
        groups = [targets, *(combinations(targets, 2) if len(targets) > 2 else ())]
        for place, group in enumerate(groups):
            sheet = sequence_sheet(maps, variant, group, options.style)
            names = (maps.image_id, variant, *(group if place or options.targets else ()))
            yield PrintedPage(names, document, draw_sheet(sheet))


def contact_sheets(results: StudyResults, options: PrintOptions) -> Iterator[PrintedPage]:
    """Yield contact sheets of the maps of all images, variants and targets, in this order."""
    assert options.grid is not None
    columns, rows = options.grid
    study = results.study.name
    document = (study, f"{options.page_scope} {columns}x{rows}", *options.targets)
    waiting = _panels(results, options)
    drawn = 0
    while panels := list(islice(waiting, columns * rows)):
        drawn += 1
        scale = next((panel.scale for panel in panels if panel.scale is not None), None)
        facts = () if scale is None else statement(scale)
        title = f"{plain(study)}: {count(len(panels), 'map')}, sheet {drawn}"
        figure = contact_figure(title, facts, panels, columns, options.style)
        yield PrintedPage((*document, f"sheet {drawn:03d}"), document, figure)


def _panels(results: StudyResults, options: PrintOptions) -> Iterator[Panel]:
    assert options.page_scope is not None
    targets = chosen(options.targets or None, results.target_names, "target")
    for maps in _images(results, options):
        for variant in _variants(maps, options):
            yield from row_of(maps, options.page_scope, variant, targets, options.style).panels


def _images(results: StudyResults, options: PrintOptions) -> Iterator[ImageMaps]:
    names = list(dict.fromkeys(options.images)) or list(select(results).images)
    for name, place in zip(names, results.listing.places_of(names), strict=True):
        if place < 0:
            raise InputError(f"image {name!r} is not in the study; images.parquet lists its ids")
    shown = ShownRows(results, names)
    for name in names:
        yield ImageMaps(results, name, shown)


def _variants(maps: ImageMaps, options: PrintOptions) -> list[str]:
    known = [str(each) for each in maps.results.variants["variant_id"]]
    if options.variants:
        return chosen(tuple(dict.fromkeys(options.variants)), known, "variant")
    return shown_variants(maps.results, maps.variants) or known[:1]
