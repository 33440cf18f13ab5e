"""Rendering a report: tables, figures, and the page, handed to whatever stores them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, islice

from matplotlib.figure import Figure

from igbatch.report.figures.dotplot import aggregates_figure
from igbatch.report.figures.draw import draw_sheet
from igbatch.report.figures.encoding import data_uri, figure_png
from igbatch.report.figures.fonts import MissingLetters, on_stderr
from igbatch.report.figures.image_data import ImageMaps, ShownRows
from igbatch.report.figures.layout import Sheet, joint_scope, scope_sheet, sequence_sheet
from igbatch.report.figures.typeset import DPI, missing_letters
from igbatch.report.page.contents import MOST_QUARANTINED, page_content
from igbatch.report.page.csv_tables import MOST_ROWS, tables
from igbatch.report.page.html import Figures, render_page
from igbatch.report.page.quarantine import take_quarantine
from igbatch.report.page.viewer_data import page_data
from igbatch.report.randomization.section import ModelView, randomization_views
from igbatch.report.selection import MOST_PAIRS, Selection, select, variants_on
from igbatch.report.text import file_stem, listing, plain
from igbatch.results import StudyResults

Write = Callable[[str, bytes], None]


def render_report(results: StudyResults, write: Write, say: Callable[[str], None] = on_stderr) -> list[str]:
    """Render a study's report and return the paths of its files, relative to the study's output.

    Rows of statistics are read of the images that are shown. What is told of the whole data set comes from
    the reducer's tables and from scans that hold a few columns of one variant. So memory is that of what is
    shown, of the list of images (some 100 bytes each), of one variant's boxes (some 50 bytes each), and of 4
    bytes for each image, target and variant, up to 256 MiB. Tables of more than `tables.MOST_ROWS` rows hold
    those of the images shown.

    The page holds the raw maps of the images that are shown, and the reader chooses how they look. Featured
    images have the seed's sequence of figures for each variant as files; `igbatch.figure` draws any.

    Args:
        results: a reduced study, complete or not.
        write: stores bytes under a path with `/` between folders, such as `report/figures/aggregates.png`.
        say: is told in one line which letters of figures no font has, if any.
    """
    report = _Report(results, write)
    paths = report.render()
    if line := report.missing.line():
        say(line)
    return paths


class _Report:
    """One report while it is rendered; maps of one image are held at a time, and all of them packed."""

    def __init__(self, results: StudyResults, write: Write) -> None:
        self.results = results
        self.write = write
        self.selection: Selection = select(results)
        self.shown = ShownRows(results, self.selection.images)
        self.paths: list[str] = []
        self.missing = MissingLetters()

    def render(self) -> list[str]:
        """Write everything, the page last: where it is, all that it links to is there."""
        quarantine = take_quarantine(self.results, MOST_QUARANTINED, MOST_ROWS)
        cut = []
        for table in tables(self.results, self.selection.images, quarantine):
            self._put(f"tables/{table.name}", table.content)
            if not table.whole:
                cut.append(table.name)
        plot = ""
        if len(self.results.aggregates):
            plot = data_uri(self._figure("aggregates", aggregates_figure(self.results)), "image/png")
        randomization = self._randomization()
        drawn = self.selection.featured if self.results.study.report.figures else ()
        figures = [self._figures(image_id) for image_id in drawn]
        data = page_data(self.results, self.selection, self.shown)
        content = page_content(
            self.results,
            self.selection,
            quarantine,
            plot,
            data,
            figures,
            randomization,
            cut,
        )
        self._put("index.html", render_page(content).encode("utf-8"))
        return self.paths

    def _randomization(self) -> list[ModelView]:
        def draw(stem: str, figure: Figure) -> tuple[str, int]:
            width = round(figure.get_size_inches()[0] * DPI)
            return data_uri(self._figure(stem, figure), "image/png"), width

        maps = [ImageMaps(self.results, image_id, self.shown) for image_id in self.selection.featured]
        return randomization_views(self.results, maps, draw)

    def _figures(self, image_id: str) -> Figures:
        """Draw the figures of one featured image: the sequence of scopes of each variant, and an overview."""
        maps = ImageMaps(self.results, image_id, self.shown)
        variants = variants_on(self.results, image_id)
        files = [file for variant in variants for file in self._variant(maps, variant)]
        sheet = scope_sheet(maps, joint_scope(self.results.target_names), variants)
        files.append(("all variants in one figure", self._sheet(sheet, file_stem(image_id, "overview"))))
        return Figures(plain(image_id), tuple(files))

    def _variant(self, maps: ImageMaps, variant_id: str) -> list[tuple[str, str]]:
        """Draw the sequence of scopes of one image and variant, of all targets and of pairs of them."""
        targets = self.results.target_names
        pairs = combinations(targets, 2) if len(targets) > 2 else ()
        files = []
        for chosen in (None, *islice(pairs, MOST_PAIRS)):
            sheet = sequence_sheet(maps, variant_id, chosen)
            name = ": ".join([plain(variant_id), *([listing(list(map(plain, chosen)))] if chosen else [])])
            files.append((name, self._sheet(sheet, file_stem(maps.image_id, variant_id, *(chosen or ())))))
        return files

    def _sheet(self, sheet: Sheet, stem: str) -> str:
        self._figure(stem, draw_sheet(sheet))
        return f"figures/{stem}.png"

    def _figure(self, stem: str, figure: Figure) -> bytes:
        content = figure_png(figure)
        self._put(f"figures/{stem}.png", content)
        self.missing.add(f"{stem}.png", missing_letters(figure))
        return content

    def _put(self, name: str, content: bytes) -> None:
        path = f"report/{name}"
        self.write(path, content)
        self.paths.append(path)
