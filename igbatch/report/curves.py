"""The section of the page on curves of deletion and insertion: a statement, the curves, and their areas."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from igbatch.report.columns import (
    Row,
    Table,
    TableColumns,
    in_order,
    name,
    number_or_dash,
    read,
    share,
    whole,
)
from igbatch.report.figures.typeset import DPI, FAINT, INK, finish
from igbatch.report.findings.contrasts import MIN_TO_JUDGE
from igbatch.report.findings.model import variants_of_kind
from igbatch.report.selection import shown_variants
from igbatch.report.sentences import sentences
from igbatch.results import StudyResults
from igbatch.statistics.curves import curve_areas, mean_curve
from igbatch.study import DYNAMIC_TARGETS
from igbatch.text import count, number, plain, shorten

WIDTH, ROW = 7.0, 2.1
"""Of a figure, and of a row of its panels, in inches."""
MAX_PANELS = 6
"""Rows of panels; the table has all."""
MAX_TABLE = 200
"""Rows of the table on the page; its CSV file has all."""
COLORS = ("#0072b2", "#d55e00", "#009e73", "#8a4f7d")
"""Of variants, told apart with any colour vision (after Okabe & Ito 2008)."""
TEXT, SMALL = 8.0, 7.2  # points
KINDS = ("deletion", "insertion")
FILLS = {"baseline": "the baseline", "blurred": "a blur"}

Draw = Callable[[str, Figure], tuple[str, int]]
"""Stores a figure under a file's stem; returns it as a data URI, and its width on the page."""


class CurvesView(NamedTuple):
    """What the page shows of curves.

    Attributes:
        paragraphs: sentences before the figure.
        source, width: the figure as a data URI, and its width in pixels.
        path: of its file, relative to the page.
        alt: what it shows, in words.
        table: areas.
    """

    paragraphs: tuple[str, ...]
    source: str
    width: int
    path: str
    alt: str
    table: Table | None


def area_rows(results: StudyResults) -> pd.DataFrame | None:
    """Return the mean areas of a study in its order (`curve_areas`); None where it has no curves."""
    if not results.has("curves") or _valid_curves(results).empty:
        return None
    found = curve_areas(_valid_curves(results).drop(columns=["fractions", "outputs"]))
    orders = {
        "variant_id": results.reader.variant_ids,
        "target": results.target_names,
        "regions": list(found["regions"].unique()),
        "fill": list(FILLS),
        "kind": list(KINDS),
    }
    return in_order(found, orders).reset_index(drop=True)


def _valid_curves(results: StudyResults) -> pd.DataFrame:
    """Return the curves that tell one order from another: an image that is one region has a single step."""
    curves = results.curves
    return curves[curves["steps"] > 1]


def curves_view(results: StudyResults, areas: pd.DataFrame | None, draw: Draw) -> CurvesView | None:
    """Prepare the section; None of a study without curves.

    Args:
        results: a reduced study.
        areas: its `area_rows`.
        draw: stores a figure.
    """
    if areas is None:
        return None
    settings = results.study.audit.curves
    assert settings is not None
    trained = areas[areas["variant_id"].isin(variants_of_kind(results, "trained"))]
    others = areas[~areas["variant_id"].isin(trained["variant_id"])]
    repeated = repeated_targets(results)
    paragraphs = sentences(
        "curves/section.j2",
        settings=settings,
        fills=[FILLS[each] for each in settings.fills],
        images=int(results.curves["image_id"].nunique()),
        single=int(results.curves.loc[results.curves["steps"] == 1, "image_id"].nunique()),
        trained=_counted(trained, repeated),
        others=_counted(others, repeated),
        repeated=[plain(target) for target in repeated],
        min_images=MIN_TO_JUDGE,
    )
    source, width = draw("curves", curves_figure(results, areas))
    alt = "Curves of deletion and insertion; the table below has the areas under them"
    rows = areas.head(MAX_TABLE)
    left = len(areas) - len(rows)
    note = f"{count(left, 'row')} more in tables/curve_areas.csv." if left else ""
    return CurvesView(tuple(paragraphs), source, width, "figures/curves.png", alt, read(rows, _AREAS, note))


def repeated_targets(results: StudyResults) -> list[str]:
    """Return targets whose curves follow from those of another one, so that their areas count nothing new.

    They are the same class on every image, as `predicted` is where it is `eagle` throughout, or the mirror of
    a contrast, whose order is the same read backwards.
    """
    keys = ["target_index", "other_index"]
    rows = _valid_curves(results)[["variant_id", "image_id", "target", *keys]].drop_duplicates()
    low, high = np.sort(rows[keys].astype("float64").fillna(-1).to_numpy(), axis=1).T
    rows = rows.assign(low=low, high=high)
    seen, repeated = set(), []
    for target in sorted(results.target_names, key=lambda name: DYNAMIC_TARGETS.fullmatch(name) is not None):
        own = rows.loc[rows["target"] == target, ["variant_id", "image_id", "low", "high"]]
        keys_of_target = frozenset(own.itertuples(index=False, name=None))
        if keys_of_target and keys_of_target in seen:
            repeated.append(target)
        seen.add(keys_of_target)
    return repeated


def _counted(areas: pd.DataFrame, repeated: list[str]) -> dict[str, int]:
    """Count mean areas: all, those that are judged, surely better and surely worse than random orders."""
    areas = areas[~areas["target"].isin(repeated)]
    areas = areas.where(areas["n_images"] >= MIN_TO_JUDGE)
    low, high = areas["gain_low"].to_numpy(np.float64), areas["gain_high"].to_numpy(np.float64)
    return {
        "all": len(areas),
        "told": int(np.isfinite(low).sum()),
        "better": int((low > 0).sum()),
        "worse": int((high < 0).sum()),
    }


def _with_interval(column: str) -> Callable[[Row], str]:
    """Write a mean with its interval in brackets."""

    def write(row: Row) -> str:
        ends = row[f"{column}_low"], row[f"{column}_high"]
        span = "" if any(map(pd.isna, ends)) else f" ({number(ends[0])} to {number(ends[1])})"
        return number_or_dash(row[column]) + span

    return write


def _random(row: Row) -> str:
    spread = row["random_spread"]
    return number_or_dash(row["random_area"]) + ("" if pd.isna(spread) else f" ± {number(spread, 2)}")


_AREAS: TableColumns = {
    "variant": name("variant_id"),
    "target": name("target"),
    "curve": name("kind"),
    "regions": name("regions"),
    "fill": name("fill"),
    "images": whole("n_images"),
    "mean area": _with_interval("area"),
    "random orders": _random,
    "better by": _with_interval("gain"),
    "better in": share("gain_share"),
}


def curves_figure(results: StudyResults, areas: pd.DataFrame) -> Figure:
    """Return mean curves with their 95 % bands: a row of panels for each target, regions and fill.

    Of each variant that is shown there is the order of attribution, a line, and random orders, dashed.
    """
    variants = shown_variants(results, list(areas["variant_id"].unique()))[: len(COLORS)]
    shown = areas[areas["variant_id"].isin(variants)]
    groups = list(shown[["target", "regions", "fill"]].drop_duplicates().itertuples(index=False, name=None))
    drawn = groups[:MAX_PANELS]
    title, *caption = sentences(
        "curves/figure.j2",
        left_out=len(groups) - len(drawn),
        others=areas["variant_id"].nunique() - len(variants),
        output=results.study.attribution.output,
    )
    figure = Figure((WIDTH, 1.3 + ROW * len(drawn)), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.06)  # type: ignore[union-attr, call-arg]
    figure.suptitle(title, x=0.012, ha="left", size=10, weight="bold", color=INK)
    words = "\n\n".join(fill(paragraph, 112) for paragraph in caption)
    figure.supxlabel(words, x=0.012, ha="left", size=TEXT, color=FAINT)
    panels = figure.subplots(len(drawn), 2, sharex=True, sharey="row", squeeze=False)
    curves = _valid_curves(results)
    for line, (target, regions, filled) in zip(panels, drawn, strict=True):
        own = curves[
            (curves["target"] == target) & (curves["regions"] == regions) & (curves["fill"] == filled)
        ]
        for axes, kind in zip(line, KINDS, strict=True):
            _draw_panel(axes, own[own["kind"] == kind], variants)
            heading = f"{plain(target)}: {kind} by {regions}, fill: {filled}"
            axes.set_title(shorten(heading, 60), loc="left", size=TEXT, weight="bold")
        line[0].set_ylabel(results.study.attribution.output, size=SMALL, color=FAINT)
    for axes, kind in zip(panels[-1], ("removed", "put back"), strict=True):
        axes.set_xlabel(f"share of the pixels {kind}", size=SMALL, color=FAINT)
    dashed = Line2D([], [], color=FAINT, linewidth=1.1, linestyle=(0, (4, 3)), label="random orders")
    lines = [
        Line2D([], [], color=color, linewidth=1.6, label=shorten(plain(each), 28))
        for each, color in zip(variants, COLORS, strict=False)
    ]
    figure.legend(
        handles=[*lines, dashed], loc="outside upper right", ncols=len(lines) + 1, frameon=False,
        fontsize=TEXT,
    )  # fmt: skip
    return finish(figure)


def _draw_panel(axes: Axes, rows: pd.DataFrame, variants: list[str]) -> None:
    """Draw the curves of one kind, target, regions and fill."""
    axes.tick_params(labelsize=SMALL, length=3, color=FAINT, pad=2)
    axes.grid(color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color="#9a9a9a", linewidth=0.6)
    axes.set_xlim(0, 1)
    styles: dict[str, dict[str, Any]] = {
        "random": {"linewidth": 1.1, "linestyle": (0, (4, 3))},
        "attribution": {"linewidth": 1.6},
    }
    for (variant_id, color), order in product(zip(variants, COLORS, strict=False), styles):
        own = rows[(rows["variant_id"] == variant_id) & (rows["order"] == order)]
        if len(own):
            at, mean, low, high = mean_curve(*(own[each].tolist() for each in _CURVE))
            axes.fill_between(
                at, low, high, color=color, alpha=0.08 if order == "random" else 0.2, linewidth=0
            )
            axes.plot(at, mean, color=color, **styles[order])


_CURVE = ("fractions", "outputs", "image_id")
