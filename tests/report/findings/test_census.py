from typing import Any

import numpy as np
import pandas as pd
import pytest

from igbatch.report.figures.accuracy import errors
from igbatch.report.findings.census import take_census
from igbatch.report.page.quarantine import take_quarantine
from igbatch.results import scans

TARGETS = ("eagle", "magpie")


@pytest.mark.parametrize("at_once", [1, 3, 1 << 17])
def test_the_census_counts_what_the_whole_table_says(
    drawn: Any, noise: Any, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "SCANNED_ROWS", at_once)
    keys = [(v, f"{i}.png", t) for v in ("trained", "random-1") for i in range(4) for t in TARGETS]
    study = drawn({key: noise(n, 10.0 ** -(n % 12)) for n, key in enumerate(keys)}, gap=0.02, map_error=0.04)
    stats: pd.DataFrame = study.image_stats
    found = take_census(study)
    assert found.rows == found.estimated == len(stats) == 16
    assert found.converged == stats["converged"].sum()
    assert found.negligible == stats["negligible"].sum() > 0
    assert found.largest_error == stats["map_error"].max()
    off = errors(stats, study.study.attribution)
    worst = stats.iloc[int((off["error"] / off["allowed"]).to_numpy().argmax())]
    assert found.worst is not None
    assert found.worst.key == (worst["variant_id"], worst["image_id"], worst["target"])
    assert found.steps == {"random-1": (50, 50), "trained": (50, 50)}
    assert found.seen == {"precision": {"float32"}, "device": {"cpu"}}
    means = stats.groupby(["variant_id", "target"])["score_baseline"].mean()
    assert found.baselines == pytest.approx(means.to_dict())


def test_of_maps_that_are_equally_far_off_the_first_is_named(drawn: Any) -> None:
    maps = {(v, i, t): np.ones((16, 16), np.float32) for v in ("trained", "a") for i in "zb" for t in TARGETS}
    found = take_census(drawn(maps, kinds={"trained": "trained", "a": "random"}, gap=0.5))
    assert found.worst is not None
    assert found.worst.key == ("a", "b", "eagle")


def test_of_no_row_there_is_nothing_to_count(drawn: Any) -> None:
    found = take_census(drawn({}, images=["a"], kinds={"trained": "trained"}))
    assert (found.rows, found.worst, found.steps, found.baselines) == (0, None, {}, {})


@pytest.mark.parametrize(("first", "most"), [(0, 100), (2, 100), (100, 100), (3, 4), (3, 0)])
def test_the_quarantine_is_told_in_its_order(drawn: Any, noise: Any, first: int, most: int) -> None:
    kinds = {"trained": "trained", "random-1": "random"}
    lost = [
        {"variant_id": v, "image_id": f"{n}.png", "target": t, "stage": "image", "error": "gone"}
        for v in kinds
        for n, t in ((3, "magpie"), (1, None), (2, "eagle"), (0, None))
    ]
    study = drawn({}, images=[f"{n}.png" for n in range(4)], kinds=kinds, quarantine=lost)
    whole = study.quarantine
    found = take_quarantine(study, first, most)
    assert found.total == len(whole) == 8
    pd.testing.assert_frame_equal(found.first, whole.head(first), check_dtype=False)
    assert (found.whole is None) == (most < 8)
    if found.whole is not None:
        pd.testing.assert_frame_equal(found.whole, whole)
