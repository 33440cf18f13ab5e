"""The colour scales of an image's maps: ranges of any scope, and exact or estimated quantiles of |a|."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from igbatch.errors import InputError
from igbatch.reduce.ranges import SCOPES, RangeSummary, Regions, Scope, columns_of, merge, region_size
from igbatch.reduce.scopes import family_of, first_family
from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import DEFAULT, ColorStyle
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.selection import MAX_VARIANTS
from igbatch.results import StudyResults

FIRST: Regions = "patch 8"
"""What is shown where nobody chose: under the range of the pair 56 % of the attributions of the trained demo
model have a visible colour by patches of 8, 19 % by pixels (docs/dev/measurements.md)."""

MAX_MAPS = 8 * MAX_VARIANTS
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
        variant_id, targets: of the maps: one target for `image`, two for `pair`; beyond, whether they are of
            classes or of which contrast. What the scope does not depend on is ignored.
        style: the choices about colours.

    Raises:
        InputError: there is no such scope, or it does not fit the number of targets.
    """
    check_scope(scope)
    if scope == "pair" and len(targets) != 2:
        raise InputError(f"scope 'pair' is for two targets, not {len(targets)}; use image or targets")
    try:
        shared = maps.results.scope_range(
            scope,
            variant_id=variant_id,
            image_id=maps.image_id,
            targets=targets,
            regions="pixel" if style.rule == "fixed" else style.unit,
        )
    except KeyError:
        return None
    quantile, exact = None, True
    if style.rule == "percentile" and scope != "raw":
        quantile, exact = _quantile(maps, scope, variant_id, targets, style)
    contrast = family_of(maps.results.reader, targets) in maps.results.contrasts
    return ColorScale(shared, style, quantile, exact, unit(maps.results), contrast)


def shown_regions(results: StudyResults) -> Regions:
    """Return the regions that a study is shown by where nobody chose: `FIRST`, pixels where it lacks them."""
    family = first_family(results.reader, results.range_of)
    whole = merge(results.range_of(each, family) for each in results.reader.variant_ids)
    return FIRST if whole.n_maps and whole.of(region_size(FIRST)).n_maps == whole.n_maps else "pixel"


def shown_style(results: StudyResults, style: ColorStyle = DEFAULT) -> ColorStyle:
    """Return a style with the regions that a study is shown by, where it names none."""
    return style if style.regions else replace(style, regions=shown_regions(results))


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
    maps: ImageMaps, scope: Scope, variant_id: str | None, targets: Sequence[str], style: ColorStyle
) -> tuple[float, bool]:
    """Return the style's quantile of |a| over the maps of a scope, and whether it is exact.

    It is from the maps themselves within an image, and from histograms beyond or where they are not there.
    """
    results, q = maps.results, style.percentile / 100
    family = "" if scope in ("image", "pair") else family_of(results.reader, targets)
    if scope in ("variant", "dataset"):
        variants = list(results.variants["variant_id"]) if scope == "dataset" else [str(variant_id)]
        whole = merge(results.range_of(each, family) for each in variants)
        return whole.of(style.size).magnitude(q), q == 1
    rows = maps.stats.index.to_frame()
    if scope != "models":
        rows = rows[rows["variant_id"] == variant_id]
    own = targets if scope in ("image", "pair") else results.reader.families[family]
    rows = rows[rows["target"].isin(own)]
    if len(rows) <= MAX_MAPS:
        found = [
            np.abs(results.partition(key[0], maps.image_id, style.unit).sums(values))
            for key in rows.index
            if (values := maps.values(*key)) is not None
        ]
        if len(found) == len(rows):
            return float(np.quantile(np.concatenate(found, axis=None), q)), True
    every = results.rows_of([maps.image_id], ["variant_id", "target", *columns_of(style.unit)])
    kept = every.set_index(["variant_id", "target"]).index.isin(rows.index)
    return RangeSummary.of_rows(every[kept]).of(style.size).magnitude(q), q == 1
