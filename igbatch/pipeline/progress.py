"""Progress of a run: a bar on a terminal, plain lines elsewhere (a job's log)."""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LINE_SECONDS = 15.0


class Listener(Protocol):
    """What a run tells while it goes on."""

    def start(self, images: int) -> None:
        """So many images are left, counted once for each variant."""

    def advance(self, images: int, quarantined: int) -> None:
        """A shard of so many images is committed, and so many of its rows are in quarantine."""

    def under_way(self, images: int) -> None:
        """So many images are attributed of shards that are not committed yet."""

    def retried(self) -> None:
        """A shard was put back after its worker was lost."""


class TerminalProgress:
    """Shows images done, images/s, time left, and what was quarantined or put back; a context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.done = self.total = self.quarantined = self.retries = self._under_way = 0
        self.began = self.last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("attribute"), BarColumn(bar_width=30), MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(), TextColumn("{task.fields[notes]}"), console=console, transient=False,
        )  # fmt: skip
        self._task = self._bar.add_task("attribute", total=None, rate="", notes="", start=True)

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self._bar.stop()

    def start(self, images: int) -> None:
        """Begin with so many images to go through their variants."""
        self.total = images
        self.began = self.last_line = time.monotonic()
        self._bar.reset(self._task, total=images)
        if self.console.is_terminal:
            self._bar.start()

    def advance(self, images: int, quarantined: int) -> None:
        """Count a committed shard."""
        self.done += images
        self._under_way = max(0, self._under_way - images)
        self.quarantined += quarantined
        self._show(last=self.done == self.total)

    def under_way(self, images: int) -> None:
        """Show images of shards that are not committed yet."""
        self._under_way = min(images, self.total - self.done)
        self._show()

    def retried(self) -> None:
        """Count a shard that was put back."""
        self.retries += 1
        self._bar.update(self._task, notes=self._notes())

    def _show(self, last: bool = False) -> None:
        if last:
            self._under_way = 0
        seen = self.done + self._under_way
        self._bar.update(self._task, completed=seen, rate=self._rate(), notes=self._notes())
        late = time.monotonic() - self.last_line >= LINE_SECONDS
        if not self.console.is_terminal and (last or (late and seen)):
            self.last_line = time.monotonic()
            text = f"attribute: {seen} of {self.total} images, {self._rate()} {self._notes()}"
            self.console.print(text.rstrip(), highlight=False)

    def _rate(self) -> str:
        elapsed = max(1e-9, time.monotonic() - self.began)
        seen = self.done + self._under_way
        if not seen:
            return "starting"
        rate = seen / elapsed
        return f"{rate:.2f} images/s, {(self.total - seen) / rate:.0f} s left"

    def _notes(self) -> str:
        notes = [f"{self._under_way} of them not committed yet"] if self._under_way else []
        notes += [f"{self.quarantined} rows quarantined"] if self.quarantined else []
        notes += [f"{self.retries} shard{'s' if self.retries > 1 else ''} put back"] if self.retries else []
        return ", ".join(notes)
