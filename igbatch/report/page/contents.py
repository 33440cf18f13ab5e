"""What the page shows beside the maps, gathered: sentences, tables to read, and notes on what is left out."""

from __future__ import annotations

from collections.abc import Sequence

from igbatch.report.color.style import DEFAULT
from igbatch.report.findings.caveats import cautions
from igbatch.report.findings.find import find
from igbatch.report.findings.summary import five_sentences
from igbatch.report.page.about import describe
from igbatch.report.page.audit import audit_view
from igbatch.report.page.csv_tables import cut_note, randomization_files
from igbatch.report.page.html import Figures, PageContent
from igbatch.report.page.quarantine import Quarantine
from igbatch.report.page.tables import (
    aggregates_note,
    aggregates_table,
    quarantine_table,
    ranges_table,
    significance_table,
    sums_table,
)
from igbatch.report.page.viewer_data import PageData
from igbatch.report.randomization.section import ModelView
from igbatch.report.selection import Selection, compared_images, left_out
from igbatch.results import StudyResults

MOST_QUARANTINED = 200
CSV_FILES = ("box_sums", "aggregates", "image_stats", "ranges", "quarantine", "variants")


def page_content(
    results: StudyResults,
    selection: Selection,
    quarantine: Quarantine,
    plot: str,
    data: PageData,
    figures: Sequence[Figures],
    randomization: Sequence[ModelView],
    cut: Sequence[str],
) -> PageContent:
    """Gather what the page shows.

    Args:
        results: a reduced study.
        selection: what is shown.
        quarantine: of the study, its first `MOST_QUARANTINED` rows at least.
        plot: the aggregates figure as a data URI, or empty.
        data: what the page's script shows.
        figures: for print, by image.
        randomization: what a randomization study shows; empty where it is none.
        cut: names of CSV tables that hold rows of these images only.
    """
    totals = results.totals
    where = "the study's folder quarantine" if "quarantine.csv" in cut else "tables/quarantine.csv"
    findings = find(results, compared_images(results))
    sums, sums_note = sums_table(results, selection)
    tests, tests_note = significance_table(results)
    lost, lost_note = quarantine_table(quarantine, MOST_QUARANTINED, where)
    audit, audit_problem = audit_view(results)
    return PageContent(
        description=describe(results, totals),
        findings=findings,
        summary=five_sentences(results, findings, totals, quarantine.total),
        randomization=randomization,
        cautions=cautions(results, totals, quarantine.total),
        plot=plot,
        aggregates=aggregates_table(results),
        aggregates_note=aggregates_note(results),
        data=data,
        figures=figures,
        ranges=ranges_table(results),
        quarantine=lost,
        quarantine_note=lost_note,
        sums=sums,
        sums_note=sums_note,
        significance=tests,
        significance_note=tests_note,
        audit=audit,
        left_out=[*left_out(results, selection, cut), *data.left_out, *filter(None, [audit_problem])],
        csv_files=(*CSV_FILES, *(randomization_files(results) if randomization else ())),
        csv_note=cut_note(cut),
        guide=DEFAULT.guide,
    )
