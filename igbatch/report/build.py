"""Rendering a report: tables, figures, and the page, handed to whatever stores them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import combinations, islice

from matplotlib.figure import Figure

from igbatch.report.color.style import DEFAULT
from igbatch.report.curves import area_rows, curves_view
from igbatch.report.figures.dotplot import aggregates_figure, select_aggregates
from igbatch.report.figures.draw import draw_sheet
from igbatch.report.figures.encoding import data_uri, figure_png
from igbatch.report.figures.fonts import missing_line, on_stderr
from igbatch.report.figures.image_data import ImageMaps, ShownRows
from igbatch.report.figures.layout import joint_scope, scope_sheet, sequence_sheet, split_targets
from igbatch.report.figures.scales import shown_style
from igbatch.report.figures.typeset import DPI, missing_letters
from igbatch.report.findings.boxes import box_findings
from igbatch.report.findings.deletions import deletion_findings
from igbatch.report.findings.similarity import target_likeness
from igbatch.report.findings.summary import cautions, describe, summary_sentences
from igbatch.report.gallery.gather import gallery_of
from igbatch.report.page.audit import study_audit
from igbatch.report.page.csv_tables import MAX_ROWS, NOT_ALWAYS, csv_tables, take_quarantine
from igbatch.report.page.html import render_gallery, render_page
from igbatch.report.page.study_data import page_data
from igbatch.report.page.tables import page_tables
from igbatch.report.quiz.section import quiz_view
from igbatch.report.randomization.section import randomization_views
from igbatch.report.selection import MAX_PAIRS, compared_images, left_out, select, variants_on
from igbatch.results import StudyResults
from igbatch.text import file_stem, listing, plain

Write = Callable[[str, bytes], None]

_MADE = re.compile(
    rf"report/(gallery\.html|tables/({'|'.join(NOT_ALWAYS)})\.csv"
    r"|figures/(aggregates|curves|[a-z0-9-]+-[0-9a-f]{8})\.png)"  # file_stem ends with a digest
)
"""Files that some reports have and others have not."""


def render_report(results: StudyResults, write: Write, say: Callable[[str], None] = on_stderr) -> list[str]:
    """Render a study's report and return the paths of its files, relative to the study's output.

    Rows of statistics are read of the images that are shown. What concerns the whole data set comes from
    the reducer's tables and from scans that hold a few columns of one variant. So memory is that of what is
    shown, of the list of images (some 100 bytes each), of one variant's boxes (some 50 bytes each), and of 4
    bytes for each image, target and variant, up to 256 MiB. Tables of more than `csv_tables.MAX_ROWS` rows
    hold those of the images shown.

    The gallery (`report.gallery`) is of more images: of up to 1,000 where the study says nothing else, their
    numbers, pictures and patch sums of some maps, within 10 MB.

    The page holds the raw maps of the images that are shown, and the reader chooses how they look. Featured
    images have a sequence of figures for each variant as files; `igbatch.figure` draws any.

    Args:
        results: a reduced study, complete or not.
        write: stores bytes under a path with `/` between folders, such as `report/figures/aggregates.png`.
        say: is told in one line which letters of figures no font has, if any.
    """
    files = _Files(write)
    selection = select(results)
    shown = ShownRows(results, selection.images)
    lost, n_lost, n_lost_maps = take_quarantine(results, MAX_ROWS)
    csv: dict[str, bool] = {}
    areas = area_rows(results)
    for name, rows, whole in csv_tables(results, selection.images, lost, n_lost, areas):
        text = rows.to_csv(index=False, lineterminator="\n").encode("utf-8", "surrogatepass")
        files.put(f"tables/{name}.csv", text)
        csv[f"{name}.csv"] = whole
        del rows, text  # the next table is made without them
    plot = files.embedded("aggregates", aggregates_figure(results))[0] if len(results.aggregates) else ""
    featured = [ImageMaps(results, image_id, shown) for image_id in selection.featured]
    randomization = randomization_views(results, featured, files.embedded)
    drawn = featured if results.study.report.figures else []
    figures = {plain(maps.image_id): list(_draw(maps, files)) for maps in drawn}
    findings = [
        *box_findings(results),
        *deletion_findings(results),
        *target_likeness(results, compared_images(results)),
    ]
    lead, facts = describe(results)
    audit, history, problem = study_audit(results)
    quiz, quiz_problem = quiz_view(results, files.embedded)
    problems = [each for each in (problem, quiz_problem) if each]
    means = select_aggregates(results).rows.to_dict("records")
    study, packed = page_data(results, selection, shown, history=history, means=means)
    gallery = gallery_of(results, study, selection)
    if gallery is not None:
        title = plain(results.study.title or results.study.name)
        files.put("gallery.html", render_gallery(gallery, title).encode("utf-8"))
    page = render_page(
        study,
        packed,
        results=results,
        lead=lead,
        facts=facts,
        summary=summary_sentences(results, findings, n_lost_maps),
        findings=findings,
        cautions=cautions(results, n_lost_maps),
        figures=figures,
        gallery=None if gallery is None else gallery.sentences[0],
        guide=DEFAULT.words["guide"],
        plot=plot,
        tables=page_tables(results, selection, lost, n_lost),
        csv=csv,
        audit=audit,
        randomization=randomization,
        curves=curves_view(results, areas, files.embedded),
        quiz=quiz,
        left_out=left_out(results, selection, [name for name, whole in csv.items() if not whole], problems),
    )
    files.put("index.html", page.encode("utf-8"))  # last: all that it links to is there
    if line := missing_line(files.missing):
        say(line)
    return files.paths


def left_over(found: Iterable[str], paths: Collection[str]) -> list[str]:
    """Return which files an earlier report of a study left that the one written now does not have.

    Args:
        found: paths below `report/`, relative to the study's output; those of other names are kept.
        paths: of the files of the report written now (`render_report`).
    """
    return [path for path in found if _MADE.fullmatch(path) and path not in paths]


class _Files:
    """The files of a report, as they are written: their paths, and the letters that no font has."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.paths: list[str] = []
        self.missing: dict[str, set[str]] = {}

    def put(self, name: str, content: bytes) -> None:
        path = f"report/{name}"
        self.write(path, content)
        self.paths.append(path)

    def figure(self, stem: str, figure: Figure) -> tuple[str, bytes]:
        """Write a figure; return its path, relative to the page, and its content."""
        path, content = f"figures/{stem}.png", figure_png(figure)
        self.put(path, content)
        self.missing[f"{stem}.png"] = missing_letters(figure)
        return path, content

    def embedded(self, stem: str, figure: Figure) -> tuple[str, int]:
        """Write a figure; return it as a data URI, and its width on the page."""
        width = round(figure.get_size_inches()[0] * DPI)
        return data_uri(self.figure(stem, figure)[1], "image/png"), width


def _draw(maps: ImageMaps, files: _Files) -> Iterator[tuple[str, str]]:
    """Draw the figures of one featured image; yield their names and paths, an overview last.

    Of each variant one shows its maps under one scope after the other: of all targets, of pairs of classes.
    """
    targets, _ = split_targets(maps, maps.results.target_names)
    style = shown_style(maps.results)
    variants = variants_on(maps.results, maps.image_id)
    pairs = list(islice(combinations(targets, 2), MAX_PAIRS)) if len(targets) > 2 else []
    for variant_id in variants:
        for chosen in (None, *pairs):
            titles = [maps.title(variant_id, each) for each in chosen or ()]
            name = ": ".join([plain(variant_id), *([listing(titles)] if titles else [])])
            figure = draw_sheet(sequence_sheet(maps, variant_id, chosen, style))
            yield name, files.figure(file_stem(maps.image_id, variant_id, *(chosen or ())), figure)[0]
    figure = draw_sheet(scope_sheet(maps, joint_scope(targets), variants, style=style))
    yield "all variants in one figure", files.figure(file_stem(maps.image_id, "overview"), figure)[0]
