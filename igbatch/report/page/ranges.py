"""Ranges as the page's script gets them: extremes, and high quantiles of |a| for the percentile rule."""

from __future__ import annotations

import numpy as np

from igbatch.reduce.ranges import COLUMNS, RangeSummary, merge
from igbatch.report.page.viewer_data import Range
from igbatch.results import StudyResults

PERCENTILES = tuple(round(90 + step / 10, 1) for step in range(101))
"""Of |a|: those that the percentile rule offers, 90.0 to 100.0."""


def page_range(summary: RangeSummary, expected: int) -> Range | None:
    """Return the range of some maps, of which a complete study has `expected`; None where no map is there.

    Quantiles of |a| come from the histogram, within `histogram.RELATIVE_ERROR`; the last one is exact.
    """
    if not summary.n_maps:
        return None
    return Range(
        minimum=summary.minimum,
        maximum=summary.maximum,
        n_maps=summary.n_maps,
        complete=summary.n_maps == expected,
        quantiles=[summary.magnitude(percentile / 100) for percentile in PERCENTILES],
    )


def raw_range(results: StudyResults) -> Range | None:
    """Return the ends of the raw scale as a range: every quantile is the end."""
    try:
        scale = results.scope_range("raw")
    except KeyError:
        return None
    ends = {name: getattr(scale, name) for name in ("minimum", "maximum", "n_maps", "complete")}
    return Range(**ends, quantiles=[scale.maximum] * len(PERCENTILES))


def variant_range(results: StudyResults, variant_id: str) -> Range | None:
    """Return the range of all maps of a variant."""
    images = int(np.count_nonzero(results.reader.expected(variant_id)))
    return page_range(results.range_of(variant_id), images * len(results.target_names))


def dataset_range(results: StudyResults) -> Range | None:
    """Return the range of all maps of the study."""
    return page_range(merge(map(results.range_of, results.variants["variant_id"])), results.expected_rows)


def ranges_on(results: StudyResults, image_id: str) -> tuple[Range | None, dict[str, Range | None]]:
    """Return the range of all maps of an image, and of those of each of its variants: 4 kB a map are read."""
    rows = results.rows_of([image_id], ["variant_id", *COLUMNS])
    variants, targets = results.reader.variants_of(image_id), len(results.target_names)
    every = page_range(RangeSummary.of_rows(rows), targets * len(variants))
    of = {each: RangeSummary.of_rows(rows[rows["variant_id"] == each]) for each in variants}
    return every, {each: page_range(summary, targets) for each, summary in of.items()}
