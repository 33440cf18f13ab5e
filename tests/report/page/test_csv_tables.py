import io
import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from igbatch.report import build as render
from igbatch.report.page import csv_tables as tables
from igbatch.report.page.csv_tables import csv_tables, take_quarantine
from igbatch.results import StudyResults
from igbatch.results.tables import quarantined_maps

CLASSES = ("eagle", "magpie")
Rendered = Callable[..., dict[str, bytes]]


def test_tables_have_every_digit_and_row(small_study: Any, small_files: dict[str, bytes]) -> None:
    sums = pd.read_csv(io.BytesIO(small_files["report/tables/box_sums.csv"]))
    assert len(sums) == len(small_study.box_stats)
    key = ["variant_id", "image_id", "target", "box_id"]
    stored = small_study.box_stats.astype({"box_id": "int64"}).set_index(key)["sum"].sort_index()
    assert sums.set_index(key)["sum"].sort_index().to_numpy().tolist() == stored.to_numpy().tolist()
    assert sums["image_id"].tolist() == sorted(sums["image_id"])
    stats = pd.read_csv(io.BytesIO(small_files["report/tables/image_stats.csv"]))
    assert "histogram" not in stats
    assert len(stats) == 8


def test_the_images_of_a_variant_are_all_in_its_table_as_json(drawn: Any, noise: Any) -> None:
    names = [f'{n}, "x".png' for n in range(1200)]  # a frame would print the first and the last of them
    subsets = {"random-1": names[1:]}
    maps = {(variant, names[5], "eagle"): noise(1) for variant in ("trained", "random-1")}
    study = drawn(maps, images=names, targets=["eagle"], boxes=(), subsets=subsets)
    found = {name: rows for name, rows, _ in csv_tables(study, [], *take_quarantine(study, 1)[:2])}
    table = pd.read_csv(io.StringIO(found["variants"].to_csv(index=False))).set_index("variant_id")
    assert json.loads(table.loc["random-1", "images"]) == names[1:]
    assert pd.isna(table.loc["trained", "images"])
    assert table["layers"].isna().all()


def test_a_table_of_too_many_rows_has_those_of_the_images_shown_and_the_page_says_so(
    drawn: Any, noise: Any, rendered: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No report asks for a whole table at once, either."""

    def every_row(*_: Any) -> None:
        raise AssertionError("all rows were asked for")

    for name in ("image_stats", "box_stats", "quarantine"):
        monkeypatch.setattr(StudyResults, name, property(every_row))
    names = [f"{n}.png" for n in range(6)]
    maps = {("trained", n, t): noise(i) for i, n in enumerate(names[:4]) for t in CLASSES}
    maps |= {("random-1", names[0], t): noise(9) for t in CLASSES}
    place = {"variant_id": "trained", "target": None, "stage": "image", "error": "gone"}
    lost = [{**place, "image_id": name} for name in names[4:]]
    study = drawn(maps, images=names, featured=("2.png", "5.png"), max_images=2, quarantine=lost)
    whole = rendered(study)
    assert "and no others" not in whole["report/index.html"].decode()
    assert "Tables and ranges cover all" in whole["report/index.html"].decode()
    monkeypatch.setattr(tables, "MAX_ROWS", 1)
    monkeypatch.setattr(render, "MAX_ROWS", 1)
    cut = rendered(study)
    assert set(cut) == set(whole)

    def read(files: dict[str, bytes], name: str) -> pd.DataFrame:
        return pd.read_csv(io.BytesIO(files[f"report/tables/{name}.csv"]))

    for name in ("box_sums", "image_stats", "quarantine"):
        every, some = read(whole, name), read(cut, name)
        shown = every[every["image_id"].isin(["2.png", "5.png"])].reset_index(drop=True)
        assert 0 < len(shown) < len(every)
        pd.testing.assert_frame_equal(some, shown)
    page = cut["report/index.html"].decode()
    assert "box_sums.csv, image_stats.csv and quarantine.csv have those of the images shown here" in page
    assert "Means and ranges cover all" in page
    assert "gone" in page


def test_a_map_that_two_rows_put_in_quarantine_counts_once() -> None:
    rows = pd.DataFrame({"image_id": ["a", "a", "b"], "target": [None, "eagle", "magpie"]})
    assert quarantined_maps(rows, 3) == 3 + 1
    assert quarantined_maps(rows[:0], 3) == 0


@pytest.mark.parametrize("most", [0, 3, 4, 7, 8, 100])
def test_the_first_rows_are_held_in_the_order_of_the_quarantine(drawn: Any, most: int) -> None:
    kinds = {"trained": "trained", "random-1": "random"}
    lost = [
        {"variant_id": v, "image_id": f"{n}.png", "target": t, "stage": "image", "error": "gone"}
        for v in kinds
        for n, t in ((3, "magpie"), (1, None), (2, "eagle"), (0, None))
    ]
    study = drawn({}, images=[f"{n}.png" for n in range(4)], kinds=kinds, quarantine=lost)
    rows, total, maps = take_quarantine(study, most)
    assert total == len(study.quarantine) == 8
    assert maps == 2 * (2 + 2 * 2)  # of each variant two rows are of all targets
    pd.testing.assert_frame_equal(rows, study.quarantine.head(most), check_dtype=False)
