"""Tables over many models: box sums against random models, their signs, and what maps resemble."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from igbatch.reduce.randomization.values import SIGNED_SUMS
from igbatch.report.columns import NONE, Cell, Table, TableColumns, number_or_dash, read, share, value, whole
from igbatch.report.randomization.means import INVARIANT, NAMES, Means
from igbatch.report.randomization.statistics import (
    SCALE_FREE,
    SIDES,
    SIGNIFICANT,
    STATISTICS,
    WHOLE_SUM,
    box_name,
    p_text,
    shown_boxes,
    statistic_name,
)
from igbatch.report.randomization.steps import ModelVariants
from igbatch.results import StudyResults
from igbatch.store.schemas import PARTS, SCALES
from igbatch.text import plain

MAX_ROWS = 60

_COMPARED = ("trained (95 % interval)", "mean random model", "trained − random")
_TARGET_MEASURES = (
    "ssim_own", "ssim_pair", "ssim_own_minus_pair", *(f"difference_{scale}" for scale in SCALES), *INVARIANT,
)  # fmt: skip
_EDGES = {
    "sobel_spearman": "Sobel, rank correlation",
    "sobel_ssim": "Sobel, SSIM",
    "canny_spearman": "Canny, rank correlation",
    "canny_ssim": "Canny, SSIM",
    "complexity": "complexity of the map, nats",
    "complexity_rise": "rise of complexity",
}
_LOCATED = {"pointing": "pointing game", "mass": "mass", "rank": "rank", "topk": "top 2 %"}


def _with_ends(center: str, low: str, high: str, digits: int = 3) -> Cell:
    """Write a number with the ends of an interval, where both are there."""

    def write(row: Mapping[str, Any]) -> str:
        texts = [number_or_dash(row[name], digits) for name in (center, low, high)]
        return texts[0] if NONE in texts[1:] else f"{texts[0]} ({texts[1]} to {texts[2]})"

    return write


def _p(row: Mapping[str, Any]) -> str:
    """Write p with its side, and its interval under resampled images where it varies."""
    p = f"{p_text(row['p'])} {SIDES[row['alternative']]}"
    ends = [p_text(row[name]) for name in ("p_low", "p_high")]
    return p if NONE in ends or ends[0] == ends[1] else f"{p} ({' to '.join(ends)})"


_NULLS: TableColumns = {
    "box → target": lambda row: box_name(row).replace(" box → ", " → ").replace("whole map", "map"),
    "statistic": statistic_name,
    "trained (95 % interval)": _with_ends("value", "value_low", "value_high", 2),
    "random (95 % of them)": _with_ends("null_mean", "null_low", "null_high"),
    "effect": value("effect"),
    "p, side (resampled)": _p,
    "adjusted": value("p_adjusted", p_text),
    "sign": share("agreement"),
}

_SIGNS: TableColumns = {
    "hypothesis": lambda row: str(row["hypothesis"]),
    "images": whole("n_images"),
    "mean": value("value"),
    "share of images": share("sign_share"),
    "p, sign test": value("p", p_text),
    "p, signed ranks": value("p_ranks", p_text),
    "adjusted": value("p_adjusted", p_text),
    "random models with p ≤ 5 %": lambda row: f"{row['rejecting']} of {row['models']}",
}


def passed_table(tests: pd.DataFrame) -> Table | None:
    """Return how many tests against random models reached an adjusted p of `SIGNIFICANT`, by statistic.

    Args:
        tests: of `statistics.null_tests`, over the data set and of single images.
    """
    names = pd.Series([statistic_name(row) for row in tests.to_dict("records")], tests.index, dtype=object)
    cells = []
    for name in [*STATISTICS.values(), WHOLE_SUM]:
        own = tests[(names == name).to_numpy()]
        by_image = own["image_id"].notna()
        if len(own):
            scale = "free" if own["family"].str.contains(SCALE_FREE).all() else "bound"
            cells.append((name, scale, _passed(own[~by_image]), _passed(own[by_image])))
    return _table(("statistic", "scale", "over the data set", "image by image"), cells)


def _passed(rows: pd.DataFrame) -> str:
    return f"{(rows['p_adjusted'] <= SIGNIFICANT).sum()} of {len(rows)}" if len(rows) else NONE


def null_table(rows: pd.DataFrame, agreement: Mapping[Any, float]) -> Table | None:
    """Return the tests of a trained model against its null, one row per box, target and statistic.

    Args:
        rows: of `statistics.null_tests`.
        agreement: by target and box label, the share of images whose sum has the expected sign.
    """
    shown = [row for group in shown_boxes(rows)[0] for row in group][:MAX_ROWS]
    for row in shown:
        signed = row["statistic"] in SIGNED_SUMS
        row["agreement"] = agreement.get((row["target"], row["box_label"])) if signed else None
    return read(shown, _NULLS)


def sign_agreement(results: StudyResults, variant_id: str | None) -> Mapping[Any, float]:
    """Return the share of images whose sum in a box has the expected sign, by target and box label."""
    rows = results.aggregates
    rows = rows[(rows["variant_id"] == variant_id) & rows["sign_share"].notna()]
    return rows.set_index(["target", "box_label"])["sign_share"].to_dict()


def sign_table(rows: pd.DataFrame) -> Table | None:
    """Return the paired tests of signs (`sign_rows`), with how many random models they reject."""
    return read(rows[:MAX_ROWS], _SIGNS)


def sign_rows(results: StudyResults, variants: ModelVariants) -> pd.DataFrame:
    """Return the sign tests of a trained model with their signed-rank p, and the count of random models.

    By the exact sign test and Wilcoxon's signed-rank test over the images. Random models are counted where
    the sign test, with its own side, gives p of no more than `SIGNIFICANT`. Columns are those of
    `significance.parquet`, and hypothesis, p_ranks, rejecting, models.
    """
    table, key = results.significance, ["target", "box_label", "statistic", "other_target"]
    signs = table[table["family"] == "signs"].fillna({"other_target": ""}).set_index(key)
    own, sign_tests = signs[signs["variant_id"] == variants.trained], signs[signs["test"] == "sign"]
    ranks = own.loc[own["test"] == "signed_rank", "p"].rename("p_ranks")
    random = sign_tests.loc[sign_tests["variant_id"].isin(variants.random), "p"].groupby(key)
    counts = random.agg(rejecting=lambda p: (p <= SIGNIFICANT).sum(), models="size")
    rows = own[own["test"] == "sign"].join([ranks, counts]).fillna({"rejecting": 0, "models": 0})
    rows = rows.astype({"rejecting": int, "models": int}).reset_index()
    return rows.assign(hypothesis=[_hypothesis(row) for row in rows.to_dict("records")])


def _hypothesis(row: Mapping[Any, Any]) -> str:
    box, target = plain(str(row["box_label"])), plain(str(row["target"]))
    if row["statistic"] == "sum":
        return f"The {box} box counts against {target} (its sum is below 0)"
    return f"The {box} box counts more for {target} than for {plain(str(row['other_target']))}"


def targets_table(means: Means) -> Table | None:
    """Return how alike the two targets' maps of one model are: trained, and the mean random model."""
    found = ((NAMES[each], means.compared(each, comparison="between_targets")) for each in _TARGET_MEASURES)
    return _means_table(("measure", *_COMPARED), found)


def likeness_table(means: Means) -> Table | None:
    """Return how alike random models' maps are to each other's and to the trained model's."""
    head = ("measure", "random models to each other", "random models to the trained one")
    sides = ("between_random", "to_trained")
    found = ((name, [means.random(each, comparison=side) for side in sides]) for each, name in NAMES.items())
    return _means_table(head, found)


def edges_table(means: Means, targets: Sequence[str]) -> Table | None:
    """Return how alike absolute maps and edges are, and how much more complex random maps are."""
    found = (
        (name, plain(target), means.compared(measure, target=target))
        for measure, name in _EDGES.items()
        for target in targets
    )
    return _means_table(("measure", "target", *_COMPARED), found)


def located_table(means: Means, targets: Sequence[str]) -> Table | None:
    """Return how maps lie in known boxes, by part of their mass."""
    found = (
        (
            f"{plain(box)} box → {plain(target)}",
            part,
            name,
            means.compared(f"{part}_{measure}", target=target, box_label=box),
        )
        for box, target in [place for place in means.boxes if place[0] in targets] or means.boxes
        for part in PARTS
        for measure, name in _LOCATED.items()
    )
    return _means_table(("box → target", "part", "measure", *_COMPARED), found)


def _means_table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Table | None:
    """Return a table of names and means, without rows that have no mean."""
    cells = [
        (*names, *(NONE if mean is None else mean.text for mean in means))
        for *names, means in rows
        if any(means)
    ]
    return _table(head, cells)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table | None:
    return Table(head, tuple(rows[:MAX_ROWS])) if rows else None
