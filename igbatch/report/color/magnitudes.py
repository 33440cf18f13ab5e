"""Quantiles of |a| for the percentile rule: exact from the maps of one image, from histograms beyond."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from igbatch.reduce.ranges import COLUMNS, RangeSummary, merge
from igbatch.report.color.scale import Magnitude
from igbatch.report.color.scope import Normalization
from igbatch.report.color.style import Look
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.selection import MOST_VARIANTS

MOST_MAPS = 8 * MOST_VARIANTS
"""Maps of one image that a quantile is taken from exactly: 19 MB of maps of 224 x 224 pixels."""


def magnitude_of(
    maps: ImageMaps, normalization: Normalization | None, look: Look, variant_id: str, targets: Sequence[str]
) -> Magnitude | None:
    """Return the percentile of |a| over the maps of a normalization; None where the look's rule needs none.

    Args:
        maps: of the image.
        normalization: whose range the maps share; one of the image's scopes, the variant's, or the study's.
        look: its percentile, 90 to 100.
        variant_id, targets: of the maps; what the scope does not depend on is ignored.
    """
    if normalization is None or look.rule != "percentile" or normalization.kind == "raw":
        return None
    kind = normalization.kind
    results = maps.results
    if kind == "variant":
        return _estimate(results.range_of(variant_id), look)
    if kind == "dataset":
        return _estimate(merge(map(results.range_of, results.variants["variant_id"])), look)
    variants = maps.variants if kind == "models" else [variant_id]
    names = targets if kind in ("image", "pair") else results.target_names
    keys = [(variant, name) for variant in variants for name in names if maps.row(variant, name) is not None]
    if len(keys) <= MOST_MAPS:
        found = [values for key in keys if (values := maps.values(*key)) is not None]
        if len(found) == len(keys):
            every = np.concatenate([np.abs(values, dtype=np.float64).ravel() for values in found])
            return Magnitude(float(np.quantile(every, look.percentile / 100)), True)
    rows = results.rows_of([maps.image_id], ["variant_id", "target", *COLUMNS])
    mine = rows.set_index(["variant_id", "target"]).index.isin(keys)
    return _estimate(RangeSummary.of_rows(rows[mine]), look)


def _estimate(summary: RangeSummary, look: Look) -> Magnitude:
    """Estimate the percentile from a histogram; at 100 % it is the largest magnitude, exactly."""
    return Magnitude(summary.magnitude(look.percentile / 100), exact=look.percentile == 100)
