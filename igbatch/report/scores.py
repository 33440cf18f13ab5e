"""Scores of images, by which a report chooses what to show: columns of `image_summary`, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.report.text import number, plain
from igbatch.results import StudyResults

WORDS: dict[str, str] = {
    "box-contrast": "the largest difference between targets of the sums in one box of the trained model",
    "worst-convergence": "the largest error of a map for what is allowed",
    "disagreement": "the largest difference between the trained model's maps and random ones'",
}
"""What `report.others` of a study file names."""

_COLUMNS = {
    "box-contrast": ["box_contrast", "box_contrast_variant_id", "box_contrast_label"],
    "worst-convergence": ["convergence_ratio", "convergence_variant_id", "convergence_target"],
    "disagreement": [
        "disagreement", "disagreement_measure", "disagreement_target", "disagreement_label",
    ],
}  # fmt: skip
"""The score of each rule, and what it is of."""

_MEASURES = {
    "spearman": "distance of trained and random maps",
    "share": "difference of trained and random models in the share of |a|",
    "net_share": "difference of trained and random models in the net share of |a|",
}


class Scores:
    """A score for each image: `values`, float64 [images], in the order of the study, NaN where it has none.

    Args:
        results: a reduced study.
        rule: one of `WORDS`.
    """

    def __init__(self, results: StudyResults, rule: str) -> None:
        self.rule = rule
        self._table = results.image_scores(_COLUMNS[rule])
        self._several = int((results.variants["kind"] == "trained").sum()) > 1
        self.values: NDArray[np.float64] = self._table.column(0).to_numpy()

    def order(self) -> NDArray[np.int64]:
        """Return the places of all images, largest score first; equal ones as listed, those without last."""
        return np.argsort(-self.values, kind="stable")  # NaN comes last

    def reason(self, place: int, rank: int) -> str:
        """Say why the image at a place is shown; `rank` is its place in `order`. Empty without a score."""
        row = self._table.slice(place, 1).to_pylist()[0]
        of = {name: plain(text) for name, text in row.items() if isinstance(text, str)}
        value = float(self.values[place])
        if np.isnan(value):
            return ""
        if self.rule == "worst-convergence":
            told = f"{of['convergence_variant_id']}, {of['convergence_target']}"
            return f"{_nth(rank)}error for what is allowed: {number(value, 2)} times as much ({told})"
        if self.rule == "box-contrast":
            who = f", {of['box_contrast_variant_id']}" if self._several else ""
            return f"{_nth(rank)}box contrast: {number(value)} ({of['box_contrast_label']}'s box{who})"
        return f"{_nth(rank)}{_MEASURES[row['disagreement_measure']]}: {number(value)} ({_apart(of)})"


def _apart(of: dict[str, Any]) -> str:
    """Say what trained and random models are compared on."""
    if "disagreement_target" not in of:
        return "1 less the mean rank correlation"
    target = str(of["disagreement_target"])
    return f"{of['disagreement_label']}'s box for {target}" if "disagreement_label" in of else target


def _nth(rank: int) -> str:
    if rank == 0:
        return "largest "
    nth = rank + 1
    ending = "th" if nth % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(nth % 10, "th")
    return f"{nth}{ending} largest "
