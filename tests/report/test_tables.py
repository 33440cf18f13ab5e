import io
from collections.abc import Callable
from typing import Any

import pandas as pd

Rendered = Callable[..., dict[str, bytes]]


def test_tables_have_every_digit_and_row(small_study: Any, rendered: Rendered) -> None:
    files = rendered(small_study)
    sums = pd.read_csv(io.BytesIO(files["report/tables/box_sums.csv"]))
    assert len(sums) == len(small_study.box_stats)
    key = ["variant_id", "image_id", "target", "box_id"]
    stored = small_study.box_stats.astype({"box_id": "int64"}).set_index(key)["sum"].sort_index()
    assert sums.set_index(key)["sum"].sort_index().to_numpy().tolist() == stored.to_numpy().tolist()
    assert sums["image_id"].tolist() == sorted(sums["image_id"])
    stats = pd.read_csv(io.BytesIO(files["report/tables/image_stats.csv"]))
    assert "histogram" not in stats
    assert len(stats) == 8
