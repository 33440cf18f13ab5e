"""What a run shows of its progress, on a terminal and in a log."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from igbatch.pipeline import progress
from igbatch.pipeline.progress import TerminalProgress
from igbatch.pipeline.reports import Summary

RUN = Summary(total=100)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> tuple[TerminalProgress, io.StringIO, list[float]]:
    """Progress in a log, what it wrote, and a clock that is set by hand."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
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
        "attribute: 20 of 100 images, 1.00 images/s, 80 s left 20 of them not committed yet",
        "attribute: 40 of 100 images, 1.00 images/s, 60 s left 40 of them not committed yet",
        "attribute: 53 of 100 images, 0.53 images/s, 89 s left "
        "3 of them not committed yet, 2 rows quarantined",
        "attribute: 100 of 100 images, 1.00 images/s, 0 s left 2 rows quarantined",
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
        "attribute: 10 of 100 images, 0.50 images/s, 180 s left 10 of them not committed yet"
    ]
