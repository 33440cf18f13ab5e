"""What a run shows on a terminal: its progress, the table of box sums, a trained model among random ones."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from igbatch import terminal
from igbatch.pipeline.messages import RunSummary
from igbatch.report import selection
from igbatch.results import StudyResults, open_study
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.terminal import TerminalProgress, print_box_sums, print_randomization


def test_box_sums_are_printed_of_the_featured_images_without_reading_others(
    computed: Output, monkeypatch: pytest.MonkeyPatch, change_study: Callable[..., None]
) -> None:
    whole = open_study(computed.uri).box_stats
    results = open_study(computed.uri)

    def refuse(*_: Any) -> None:
        raise AssertionError("all rows were asked for")

    for name in ("image_stats", "box_stats", "images"):
        monkeypatch.setattr(StudyResults, name, property(refuse))
    for featured in ([], ["double-00002"], ["nothing"]):
        change_study(results, report={"featured": featured})
        console = Console(file=io.StringIO(), width=200)
        print_box_sums(results, console)
        assert isinstance(console.file, io.StringIO)
        text = console.file.getvalue()
        shown = whole[whole["image_id"].isin(featured or ["double-00001"])]
        if not len(shown):
            assert "no visible boxes on the featured images" in text
        else:
            assert "inside boxes, 1 of 3 images" in text
            assert "box sums of other images are in the study's box_stats" in text
        for row in shown.itertuples():
            assert f"{row.sum:+.3g}" in text
            assert str(row.image_id) in text


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_of_many_variants_the_first_of_each_kind_are_printed(
    computed: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = open_study(computed.uri)
    console = Console(file=io.StringIO(), width=100)
    monkeypatch.setattr(selection, "MAX_VARIANTS", 1)
    print_box_sums(results, console)
    kept, *others = list(results.variants["variant_id"])
    assert f"│ {kept} " in printed(console)
    assert not any(f"│ {other} " in printed(console) for other in others)
    assert f"{len(others)} more variants are not shown; report/tables/box_sums.csv" in printed(console)


def test_targets_are_rows_where_their_columns_would_not_fit(
    computed: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = open_study(computed.uri)
    first, second = results.target_names
    wide, narrow = (Console(file=io.StringIO(), width=width) for width in (200, 50))
    print_box_sums(results, wide)
    (head,) = [line for line in printed(wide).splitlines() if line.startswith("┃")]
    assert head.replace("┃", " ").split()[-4:] == ["target", first, "target", second]
    print_box_sums(results, narrow)
    sums = open_study(computed.uri).box_stats.query("image_id == 'double-00001'")
    lines = printed(narrow).splitlines()
    for row in sums.itertuples():
        assert any(f"│ {row.target} " in line and f"{row.sum:+.3g}" in line for line in lines)
    assert max(len(line) for line in lines if line[0] in "┏┃┡│├└") == 50
    monkeypatch.setattr(terminal, "_MAX_TARGETS", 1)
    print_box_sums(results, few := Console(file=io.StringIO(), width=50))
    assert f"│ {second} " not in printed(few)
    assert "1 more target not shown; report/tables/box_sums.csv has all" in printed(few)


def test_a_study_without_boxes_says_so(computed: Output) -> None:
    results = open_study(computed.uri)
    results.__dict__["aggregates"] = results.aggregates[:0]
    results.boxes_of = lambda *_: open_study(computed.uri).box_stats[:0]  # type: ignore[method-assign]
    console = Console(file=io.StringIO(), width=200)
    print_box_sums(results, console)
    assert printed(console) == "no visible boxes in the study: no box sums to show\n"


def test_the_trained_model_among_random_ones_fits_100_columns(computed: Output) -> None:
    results = open_study(computed.uri)
    console = Console(file=io.StringIO(), width=100)
    print_randomization(results, console)
    assert printed(console) == ""  # no randomization study
    row = dict.fromkeys(schemas.SIGNIFICANCE.names) | {
        "test": "null", "family": "scale-free", "variant_id": "trained", "target": "magpie",
        "box_label": "eagle", "statistic": "sum_over_change", "alternative": "less", "n_null": 30,
        "value": -26.19, "null_low": -8.6e-5, "null_high": 0.228, "p": 1 / 31, "p_adjusted": 0.04,
    }  # fmt: skip
    results.__dict__["significance"] = pd.DataFrame([row, {**row, "statistic": "contains_peak"}])
    results.__class__ = type("Randomized", (StudyResults,), {"randomized": True})
    print_randomization(results, console)
    text = printed(console)
    assert "trained among 30 random models" in text
    (line,) = [line for line in text.splitlines() if "eagle box -> magpie" in line]
    for cell in ("sum / |F - F0|", "-26.2", "-8.6e-05 to +0.23", "0.032 below", "0.04"):
        assert cell in line
    assert max(map(len, text.splitlines())) <= 100


# Progress

RUN = RunSummary(total=100)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> tuple[TerminalProgress, io.StringIO, list[float]]:
    """Progress in a log, what it wrote, and a clock that is set by hand."""
    clock = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: clock[0])
    text = io.StringIO()
    shown = TerminalProgress(Console(file=text, width=200))
    shown(RUN)
    return shown, text, clock


def test_a_log_tells_of_images_within_a_long_shard(
    log: tuple[TerminalProgress, io.StringIO, list[float]],
) -> None:
    shown, text, clock = log
    for seconds, images in ((5.0, 5), (20.0, 20), (21.0, 21), (40.0, 40)):
        clock[0] = seconds
        shown(replace(RUN, under_way=images))
    shown(RUN)
    clock[0] = 50.0
    half = replace(RUN, images=50, quarantined=2)
    shown(half)
    clock[0] = 100.0
    shown(replace(half, under_way=3))  # was answered before the last shard was committed
    shown(replace(half, images=100, under_way=3))
    assert text.getvalue().splitlines() == [
        "attribute: 20 of 100 pairs (image, variant), 1.00 pairs/s, 80 s left, 20 of them not committed yet",
        "attribute: 40 of 100 pairs (image, variant), 1.00 pairs/s, 60 s left, 40 of them not committed yet",
        "attribute: 53 of 100 pairs (image, variant), 0.53 pairs/s, 89 s left, "
        "3 of them not committed yet, 2 rows quarantined",
        "attribute: 100 of 100 pairs (image, variant), 1.00 pairs/s, 0 s left, 2 rows quarantined",
    ]


def test_images_of_a_worker_that_was_lost_are_no_longer_counted(
    log: tuple[TerminalProgress, io.StringIO, list[float]],
) -> None:
    shown, text, clock = log
    shown(replace(RUN, under_way=40))
    shown(RUN)
    clock[0] = 20.0
    shown(replace(RUN, under_way=10))
    assert text.getvalue().splitlines() == [
        "attribute: 10 of 100 pairs (image, variant), 0.50 pairs/s, 180 s left, 10 of them not committed yet"
    ]
