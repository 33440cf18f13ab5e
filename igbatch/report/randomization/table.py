"""The seed's table over many models: box sums against random models, their signs, and what maps resemble."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from igbatch.reduce.randomization.values import SIGNED
from igbatch.report.randomization.means import INVARIANT, NAMES, Mean, Means
from igbatch.report.randomization.statistics import (
    SIDES,
    SIGNIFICANT,
    box_name,
    p_text,
    shown_boxes,
    statistic_name,
)
from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.text import Table, number_or_dash, percent, plain
from igbatch.results import StudyResults
from igbatch.store.schemas import PARTS, SCALES

MOST_ROWS = 60

_TARGET_MEASURES = (
    "ssim_own", "ssim_pair", "ssim_own_minus_pair", *(f"difference_{scale}" for scale in SCALES), *INVARIANT,
)  # fmt: skip
_EDGES = {
    "sobel_spearman": "Sobel, rank correlation",
    "sobel_ssim": "Sobel, SSIM",
    "canny_spearman": "Canny, rank correlation",
    "canny_ssim": "Canny, SSIM",
}
_LOCATED = {"pointing": "pointing game", "mass": "mass", "rank": "rank", "topk": "top 2 %"}


def null_table(rows: pd.DataFrame, agreement: Mapping[tuple[str, str], float]) -> Table | None:
    """Return the tests of a trained model against its null, one row per box, target and statistic.

    Args:
        rows: of `statistics.null_tests`.
        agreement: by target and box label, the share of images whose sum has the expected sign.
    """
    groups, _ = shown_boxes(rows)
    head = (
        "box → target", "statistic", "trained (95 % interval)", "random (95 % of them)", "effect",
        "p, side (resampled)", "adjusted", "sign",
    )  # fmt: skip
    cells = [
        (
            _place(row), statistic_name(row), _with_ends(row, "value", "value_low", "value_high", 2),
            _with_ends(row, "null_mean", "null_low", "null_high"), number_or_dash(row["effect"]), _p(row),
            p_text(row["p_adjusted"]), _agreement(row, agreement),
        )
        for group in groups for row in group
    ]  # fmt: skip
    return Table(head, tuple(cells[:MOST_ROWS])) if cells else None


def sign_agreement(results: StudyResults, variant_id: str) -> dict[tuple[str, str], float]:
    """Return the share of images whose sum in a box has the expected sign, by target and box label."""
    rows = results.aggregates
    rows = rows[(rows["variant_id"] == variant_id) & rows["sign_share"].notna()]
    keys = zip(rows["target"], rows["box_label"], strict=True)
    return {(str(t), str(b)): float(share) for (t, b), share in zip(keys, rows["sign_share"], strict=True)}


def sign_table(results: StudyResults, variants: ModelVariants) -> Table | None:
    """Return the paired tests of signs of the trained model, with how many random models they reject.

    By the exact sign test and Wilcoxon's signed-rank test over the images. Random models are counted where
    the sign test, with its own side, gives p of no more than 5 %.
    """
    rows = sign_rows(results, variants)
    if not rows:
        return None
    head = (
        "question", "images", "mean", "share of images", "p, sign test", "p, signed ranks", "adjusted",
        "random models with p ≤ 5 %",
    )  # fmt: skip
    cells = [
        (
            row["question"], f"{row['n_images']:,}", number_or_dash(row["value"]), percent(row["sign_share"]),
            p_text(row["p"]), p_text(row["p_ranks"]), p_text(row["p_adjusted"]),
            f"{row['rejecting']} of {row['models']}",
        )
        for row in rows
    ]  # fmt: skip
    return Table(head, tuple(cells[:MOST_ROWS]))


def sign_rows(results: StudyResults, variants: ModelVariants) -> list[dict[Any, Any]]:
    """Return the sign tests of a trained model with their signed-rank p, and the count of random models.

    Keys are the columns of `significance.parquet`, and question, p_ranks, rejecting, models.
    """
    table = results.significance
    signs = table[table["family"] == "signs"]
    key = ["target", "box_label", "statistic"]
    own = signs[(signs["variant_id"] == variants.trained)].assign(
        other=lambda t: t["other_target"].fillna("")
    )
    ranks = own[own["test"] == "signed_rank"].set_index([*key, "other"])["p"]
    random = signs[signs["variant_id"].isin(variants.random) & (signs["test"] == "sign")]
    random = random.assign(other=random["other_target"].fillna(""))
    by_key = dict(iter(random.groupby([*key, "other"], sort=False)))
    rows: list[dict[Any, Any]] = []
    for row in own[own["test"] == "sign"].to_dict("records"):
        place = tuple(row[name] for name in [*key, "other"])
        others = by_key.get(place, random.iloc[:0])
        rejecting = int((others["p"] <= SIGNIFICANT).sum())
        more = {"p_ranks": ranks.get(place), "rejecting": rejecting, "models": len(others)}
        rows.append({**row, **more, "question": _question(row)})
    return rows


def _question(row: Mapping[Any, Any]) -> str:
    box, target = plain(str(row["box_label"])), plain(str(row["target"]))
    if row["statistic"] == "sum":
        return f"The {box} box counts against {target} (its sum is below 0)"
    other = plain(str(row["other_target"]))
    return f"The {box} box counts more for {target} than for {other}"


def targets_table(means: Means, variants: ModelVariants) -> Table | None:
    """Return how alike the two targets' maps of one model are: trained, and the mean random model."""
    rows = []
    for measure in _TARGET_MEASURES:
        trained = variants.trained and means.likeness(variants.trained, "between_targets", measure)
        cells = (
            trained or None,
            means.random_likeness("between_targets", measure),
            means.likeness_gap("between_targets", measure),
        )
        if any(cells):
            rows.append((NAMES[measure], *map(_mean, cells)))
    return _table(("measure", "trained (95 % interval)", "mean random model", "trained − random"), rows)


def likeness_table(means: Means) -> Table | None:
    """Return how alike random models' maps are to each other's and to the trained model's."""
    rows = []
    for measure, name in NAMES.items():
        cells = [means.random_likeness(which, measure) for which in ("between_random", "to_trained")]
        if any(cells):
            rows.append((name, *map(_mean, cells)))
    return _table(("measure", "random models to each other", "random models to the trained one"), rows)


def edges_table(means: Means, variants: ModelVariants, targets: Sequence[str]) -> Table | None:
    """Return how alike absolute maps and edges are, and how much more complex random maps are."""
    rows = []
    names = {**_EDGES, "complexity": "complexity of the map, nats", "complexity_rise": "rise of complexity"}
    for measure, name in names.items():
        for target in targets:
            cells = (
                means.of_maps("variant", target, measure, variants.trained),
                means.of_maps("random_mean", target, measure),
                means.of_maps("trained_minus_random", target, measure),
            )
            if any(cells):
                rows.append((name, plain(target), *map(_mean, cells)))
    return _table(
        ("measure", "target", "trained (95 % interval)", "mean random model", "trained − random"), rows
    )


def located_table(means: Means, variants: ModelVariants, targets: Sequence[str]) -> Table | None:
    """Return how maps lie in known boxes, by part of their mass."""
    rows = []
    boxes = [(box, target) for box, target in means.boxes if box in targets] or means.boxes
    for box, target in boxes:
        for part in PARTS:
            for measure, name in _LOCATED.items():
                column = f"{part}_{measure}"
                cells = (
                    means.located("variant", target, box, column, variants.trained),
                    means.located("random_mean", target, box, column),
                    means.located("trained_minus_random", target, box, column),
                )
                if any(cells):
                    rows.append((f"{plain(box)} box → {plain(target)}", part, name, *map(_mean, cells)))
    head = (
        "box → target",
        "part",
        "measure",
        "trained (95 % interval)",
        "mean random model",
        "trained − random",
    )
    return _table(head, rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table | None:
    found = tuple(rows)[:MOST_ROWS]
    return Table(head, found) if found else None


def _mean(mean: Mean | None) -> str:
    return "–" if mean is None else mean.text


def _with_ends(row: Mapping[Any, Any], value: str, low: str, high: str, digits: int = 3) -> str:
    told = [number_or_dash(row[name], digits) for name in (value, low, high)]
    return told[0] if "–" in told[1:] else f"{told[0]} ({told[1]} to {told[2]})"


def _place(row: Mapping[Any, Any]) -> str:
    """Return box and target of a test, where the head of the column says what they are."""
    return box_name(row).replace(" box → ", " → ").replace("whole map", "map")


def _p(row: Mapping[Any, Any]) -> str:
    """Write p with the side that was asked for, and its interval under resampled images where it varies."""
    said = f"{p_text(row['p'])} {SIDES[str(row['alternative'])]}"
    ends = [p_text(row[name]) for name in ("p_low", "p_high")]
    return said if "–" in ends or ends[0] == ends[1] else f"{said} ({' to '.join(ends)})"


def _agreement(row: Mapping[Any, Any], agreement: Mapping[tuple[str, str], float]) -> str:
    share = agreement.get((str(row["target"]), str(row["box_label"])))
    return "–" if share is None or row["statistic"] not in SIGNED else percent(share)
