"""Numbers of boxes in the gallery, where box_stats has deletions."""

from typing import Any

import pandas as pd
import pytest

from igbatch.report.gallery import numbers


class Boxes:
    """A study of which only box_stats is known."""

    target_names = ("t",)

    def rows_of(self, image_ids: Any, columns: Any, variant_id: str) -> pd.DataFrame:
        return pd.DataFrame(
            {name: ["a", "b"] if name == "image_id" else ["t"] * 2 for name in columns[:4]}
        ).assign(**dict.fromkeys(columns[4:], 1.0))

    def boxes_of(self, image_ids: Any, columns: Any, variant_id: str) -> pd.DataFrame:
        rows = [("a", 0.5, 0.75), ("a", 0.25, 0.5), ("b", 0.5, 1.0), ("b", 0.25, None)]
        frame = pd.DataFrame(rows, columns=["image_id", "sum", "deletion"])
        return frame.assign(
            target="t", box_label="bird", x_min=[0, 20, 0, 20], y_min=0, x_max=[10, 30, 10, 30], y_max=10
        )[columns]


def test_deletion_is_held_against_the_sum_where_every_box_has_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "BOX_COLUMNS", ("sum", "deletion"))
    results: Any = Boxes()
    _, found = numbers.map_values(results, ["a", "b", "c"], "trained")
    assert found["t"]["box", "sum", "bird"] == [0.75, 0.75, None]
    assert found["t"]["box", "deletion", "bird"] == [1.25, None, None]  # no part of an image's boxes
    assert found["t"]["against", "sum", "bird"] == [0.5, None, None]
    assert found["t"]["map", "steps", ""] == [1.0, 1.0, None]
    named = numbers.numbers_of(found["t"])
    assert named["against", "sum", "bird"].title == "deletion less sum, bird boxes"
