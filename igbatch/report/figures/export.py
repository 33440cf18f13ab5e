"""Figures for print: pages of maps under chosen scopes and styles, as PNG, PDF or SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import combinations, groupby, islice
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from igbatch.errors import InputError
from igbatch.reduce.ranges import Scope
from igbatch.report.color.style import DEFAULT, ColorStyle
from igbatch.report.figures.draw import contact_figure, draw_sheet
from igbatch.report.figures.fonts import missing_line, on_stderr
from igbatch.report.figures.image_data import ImageMaps, ShownRows
from igbatch.report.figures.layout import chosen, row_of, scope_sheet, sequence_sheet, split_targets
from igbatch.report.figures.scales import check_scope, shown_style
from igbatch.report.figures.typeset import DPI, fallbacks, missing_letters
from igbatch.report.selection import select, shown_variants
from igbatch.results import StudyResults
from igbatch.text import count, file_stem, plain

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
    pdf = file_format == "pdf"
    chosen_style = options.style
    options = replace(options, style=shown_style(results, chosen_style))
    pages = contact_sheets(results, options) if options.grid else image_pages(results, options)
    missing: dict[str, set[str]] = {}
    for names, group in groupby(pages, key=lambda page: page.document if pdf else page.names):
        name = f"{file_stem(*names, *chosen_style.changed)}.{file_format}"
        content, missing[name] = _file(file_format, names, group)
        write(f"{FOLDER}/{name}", content)
    if line := missing_line(missing):
        say(line)
    return [f"{FOLDER}/{name}" for name in missing]


def _file(file_format: str, names: Sequence[str], pages: Iterator[PrintedPage]) -> tuple[bytes, set[str]]:
    """Return a file of pages without dates or versions, and the letters that are missing in it.

    Its first page is drawn, so that the fonts are known that the others need too.
    """
    buffer, lost, title = io.BytesIO(), set[str](), ", ".join(map(plain, names))
    metadata: Any = {
        "png": {"Software": None},
        "svg": {"Title": title, "Date": None, "Creator": None},
        "pdf": {"Title": title, "Creator": "igbatch", "Producer": "matplotlib", "CreationDate": None},
    }[file_format]
    # Fonts of type 42 hold TrueType alone: others embedded so cannot be shown by every reader.
    settings: Any = {**_SETTINGS, "pdf.fonttype": 42 if fallbacks().truetype else 3}
    with (
        mpl.rc_context(settings),
        PdfPages(buffer, metadata=metadata) if file_format == "pdf" else nullcontext() as document,
    ):
        for page in pages:
            if document is None:
                page.figure.savefig(buffer, format=file_format, dpi=DPI * PNG_SCALE, metadata=metadata)
            else:
                document.savefig(page.figure)
            lost |= missing_letters(page.figure)
    return buffer.getvalue(), lost


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
    classes, _ = split_targets(maps, targets)
    for variant in variants:
        groups = [targets, *(combinations(classes, 2) if len(classes) > 2 else ())]
        for place, group in enumerate(groups):
            sheet = sequence_sheet(maps, variant, group, options.style)
            names = (maps.image_id, variant, *(group if place or options.targets else ()))
            yield PrintedPage(names, document, draw_sheet(sheet))


def contact_sheets(results: StudyResults, options: PrintOptions) -> Iterator[PrintedPage]:
    """Yield contact sheets of the maps of all images, variants and targets, in this order."""
    assert options.grid is not None
    assert options.page_scope is not None
    (columns, rows), scope, study = options.grid, options.page_scope, results.study.name
    document = (study, f"{scope} {columns}x{rows}", *options.targets)
    targets = chosen(options.targets or None, results.target_names, "target")
    waiting = (
        panel
        for maps in _images(results, options)
        for variant in _variants(maps, options)
        for panel in row_of(maps, scope, variant, targets, options.style).panels
    )
    sheets = iter(lambda: list(islice(waiting, columns * rows)), [])
    for place, panels in enumerate(sheets, start=1):
        title = f"{plain(study)}: {count(len(panels), 'map')}, sheet {place}"
        figure = contact_figure(title, panels, columns, options.style, results.contrasts)
        yield PrintedPage((*document, f"sheet {place:03d}"), document, figure)


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
