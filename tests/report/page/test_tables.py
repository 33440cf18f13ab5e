"""The page's tables against the numbers they are made of."""

from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from igbatch.report.columns import NONE, Table
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.figures.layout import number_table
from igbatch.report.page import tables as page_tables
from igbatch.report.page.csv_tables import csv_tables
from igbatch.report.page.tables import significance_table, sums_table
from igbatch.report.selection import select
from igbatch.terminal import print_box_sums
from igbatch.text import number


def column(table: Table | None, name: str) -> list[str]:
    assert table is not None
    assert {len(row) for row in table.rows} == {len(table.head)}
    place = table.head.index(name)
    return [row[place] for row in table.rows]


def test_box_sums_are_those_of_the_images_shown(small_study: Any) -> None:
    table = sums_table(small_study, select(small_study))
    rows = small_study.box_stats.set_index(["image_id", "variant_id", "box_label", "target"])
    keys = list(zip(*(column(table, name) for name in ("image", "variant", "box", "target")), strict=True))
    assert sorted(keys) == sorted(rows.index)
    stored = rows.loc[keys]
    assert column(table, "sum") == [number(value) for value in stored["sum"]]
    assert column(table, "pixels") == [str(value) for value in stored["pixels"]]
    assert column(table, "image")[0] == "a.png"
    assert table.note == ""


def test_removals_stand_beside_the_sums_where_they_were_measured(
    drawn: Any, noise: Any, small_study: Any, change_study: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = {(variant, "a.png", "eagle"): noise(seed) for seed, variant in enumerate(("random-1", "trained"))}
    removed = {"deletion": 0.25, "deletion_blurred": -0.125}
    results = drawn(maps, targets=("eagle",), featured=["a.png"], removals={"trained": removed})
    table = sums_table(results, select(results))
    assert table is not None
    assert table.head[4:8] == ("sum", "deletion", "deletion, blurred", "share of |a|")
    found = zip(*(column(table, name) for name in ("variant", "deletion", "deletion, blurred")), strict=True)
    assert set(found) == {("trained", "0.250", "−0.125"), ("random-1", NONE, NONE)}
    maps_of = ImageMaps(results, "a.png")
    numbers = {variant: number_table(maps_of, variant, ["eagle"]) for variant in ("trained", "random-1")}
    assert "deletion of box: eagle" in column(numbers["trained"], "target")
    assert "0.250" in column(numbers["trained"], "eagle")
    assert not any("deletion" in line for line in column(numbers["random-1"], "target"))
    print_box_sums(results, Console(width=200))
    printed = capsys.readouterr().out
    assert printed.endswith("after a sum: what the output loses with the baseline in the box\n")
    assert "without the bird" not in printed
    assert printed.count(" / +0.25") == len(results.box_stats) / 2
    names = [name for name, *_ in csv_tables(results, ["a.png"], results.quarantine, 0)]
    assert "deletions" in names
    change_study(results, attribution={"baseline": ["gray", "black"]})
    print_box_sums(results, Console(width=200))
    assert capsys.readouterr().out.endswith(" with a baseline in the box, as the mean over the baselines\n")
    without = sums_table(small_study, select(small_study))
    assert without is not None
    assert "deletion" not in without.head


def test_images_and_variants_that_are_not_shown_have_no_rows_but_a_note(
    small_study: Any, change_study: Any
) -> None:
    change_study(small_study, report={"variants": ["trained"], "max_images": 1})
    table = sums_table(small_study, select(small_study))
    assert set(column(table, "variant")) == {"trained"}
    assert set(column(table, "image")) == {"a.png"}
    assert table.note == "4 rows more, of other variants or beyond, in tables/box_sums.csv."


def test_a_long_table_is_cut_and_says_so(small_study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_tables, "MAX_ROWS", 3)
    table = sums_table(small_study, select(small_study))
    assert table is not None
    assert len(table.rows) == 3
    assert table.note.startswith("13 rows more")


def test_a_study_without_boxes_has_no_box_sums(drawn: Any, noise: Any) -> None:
    results = drawn({("trained", "a.png", "eagle"): noise(1)}, targets=("eagle",), boxes=())
    assert sums_table(results, select(results)) is None
    assert significance_table(results) is None


def test_tests_of_trained_models_come_first(small_study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "test": "signed_rank", "family": "signs", "image_id": None, "box_label": None, "target": "eagle",
        "other_target": None, "statistic": "sum", "alternative": "less", "value": -0.5, "value_low": None,
        "value_high": None, "null_mean": None, "null_low": -0.1, "null_high": 0.1, "p": 0.0123,
        "p_adjusted": 0.2, "null": [1.0],
    }  # fmt: skip
    rows = pd.DataFrame([{**row, "variant_id": name} for name in ("random-1", "trained", "random-2")])
    monkeypatch.setattr(type(small_study), "randomized", True)
    small_study.significance = rows
    table = significance_table(small_study)
    assert column(table, "variant") == ["trained", "random-1", "random-2"]
    assert column(table, "box") == ["whole map"] * 3
    assert column(table, "95 % interval") == ["–"] * 3
    assert column(table, "95 % of random") == ["−0.100 to 0.100"] * 3
    assert column(table, "p") == ["0.012"] * 3
    assert column(table, "test") == ["signed rank"] * 3
    assert table.note == ""
