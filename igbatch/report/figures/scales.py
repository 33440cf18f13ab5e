"""The colour scales of an image's maps: ranges of any scope, and exact or estimated quantiles of |a|."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from igbatch.errors import InputError
from igbatch.reduce.ranges import COLUMNS, SCOPES, RangeSummary, Scope, merge
from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import DEFAULT, ColorStyle
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.selection import MOST_VARIANTS
from igbatch.results import StudyResults

MAX_MAPS = 8 * MOST_VARIANTS
"""Maps of one image that a quantile is taken from exactly: 19 MB of maps of 224 x 224 pixels."""


def color_scale(
    maps: ImageMaps,
    scope: Scope,
    variant_id: str | None = None,
    targets: Sequence[str] = (),
    style: ColorStyle = DEFAULT,
) -> ColorScale | None:
    """Return the colour scale of some maps of an image; None where no map of the scope is there.

    Args:
        maps: of the image.
        scope: whose range the maps share.
        variant_id, targets: of the maps: one target for `image`, two for `pair`; what the scope does not
            depend on is ignored.
        style: the choices about colours.

    Raises:
        InputError: there is no such scope, or it does not fit the number of targets.
    """
    check_scope(scope)
    if scope == "pair" and len(targets) != 2:
        raise InputError(f"scope 'pair' is for two targets, not {len(targets)}; use image or targets")
    try:
        shared = maps.results.scope_range(
            scope, variant_id=variant_id, image_id=maps.image_id, targets=targets
        )
    except KeyError:
        return None
    scale = ColorScale(shared, style, unit=unit(maps.results))
    if style.rule != "percentile" or scale.raw:
        return scale
    quantile, exact = _quantile(maps, scope, variant_id, targets, style.percentile / 100)
    return ColorScale(shared, style, quantile, exact, scale.unit)


def check_scope(scope: str) -> None:
    """Refuse what is no scope.

    Raises:
        InputError: there is no such scope.
    """
    if scope not in SCOPES:
        raise InputError(f"scope {scope!r} is unknown; use one of {', '.join(SCOPES)}")


def unit(results: StudyResults) -> str:
    """Return the unit of the study's attributions, in words."""
    output = results.study.attribution.output
    return {"logit": "logits", "log-probability": "of log-probability"}.get(output, f"of {output}")


def _quantile(
    maps: ImageMaps, scope: Scope, variant_id: str | None, targets: Sequence[str], q: float
) -> tuple[float, bool]:
    """Return a quantile of |a| over the maps of a scope, and whether it is exact.

    It is from the maps themselves within an image, and from histograms beyond or where they are not there.
    """
    results = maps.results
    if scope in ("variant", "dataset"):
        every = list(results.variants["variant_id"]) if scope == "dataset" else [str(variant_id)]
        return merge(map(results.range_of, every)).magnitude(q), q == 1
    variants = maps.variants if scope == "models" else [str(variant_id)]
    names = targets if scope in ("image", "pair") else results.target_names
    keys = [(variant, name) for variant in variants for name in names if maps.row(variant, name) is not None]
    if len(keys) <= MAX_MAPS:
        found = [values for key in keys if (values := maps.values(*key)) is not None]
        if len(found) == len(keys):
            pixels = np.concatenate([np.abs(values, dtype=np.float64).ravel() for values in found])
            return float(np.quantile(pixels, q)), True
    rows = results.rows_of([maps.image_id], ["variant_id", "target", *COLUMNS])
    kept = rows.set_index(["variant_id", "target"]).index.isin(keys)
    return RangeSummary.of_rows(rows[kept]).magnitude(q), q == 1
