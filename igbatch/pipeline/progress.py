"""Progress of a run: a bar on a terminal, plain lines elsewhere (a job's log)."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from igbatch.pipeline.reports import Summary

LINE_SECONDS = 15.0


class TerminalProgress:
    """Shows images done, images/s, time left, and what was quarantined or put back; a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began: float | None = None
        self._last_line = 0.0
        self._bar = Progress(
            TextColumn("attribute"), BarColumn(bar_width=30), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(), TextColumn("{task.fields[notes]}"), console=console, transient=False,
        )  # fmt: skip
        self._task = self._bar.add_task("attribute", total=None, start=False, rate="", notes="")

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self._bar.stop()

    def __call__(self, run: Summary) -> None:
        """Show how far a run is."""
        now = time.monotonic()
        if self._began is None:
            self._began = self._last_line = now
            self._bar.start_task(self._task)
            if self.console.is_terminal:
                self._bar.start()
        under_way = min(run.under_way, run.total - run.images)
        seen = run.images + under_way
        speed = seen / max(1e-9, now - self._began)
        rate = f"{speed:.2f} images/s, {(run.total - seen) / speed:.0f} s left" if seen else "starting"
        notes = [f"{under_way} of them not committed yet"] if under_way else []
        notes += [f"{run.quarantined} rows quarantined"] if run.quarantined else []
        notes += [f"{run.retries} shard{'s' if run.retries > 1 else ''} put back"] if run.retries else []
        told = ", ".join(notes)
        self._bar.update(self._task, total=run.total, completed=seen, rate=rate, notes=told)
        late = now - self._last_line >= LINE_SECONDS and seen
        if not self.console.is_terminal and (late or run.images == run.total):
            self._last_line = now
            line = f"attribute: {seen} of {run.total} images, {rate} {told}"
            self.console.print(line.rstrip(), highlight=False)
