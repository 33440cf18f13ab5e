"""Lists the nights of a root, as a table, as JSON, and as an exit code for schedulers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from igbatch.errors import UnfinishedError
from igbatch.nightly.records import Night
from igbatch.nightly.root import NightlyRoot
from igbatch.store.pruned import pruned_at


@dataclass(frozen=True)
class Listed:
    """A night as it is listed.

    Attributes:
        night: its name.
        uri: of its output.
        record: what is written down of it; None where nothing is.
        reference: whether it is the reference.
        pruned_at: when its maps were pruned; None where they were not.
    """

    night: str
    uri: str
    record: Night | None
    reference: bool
    pruned_at: str | None

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        record = self.record.model_dump(mode="json") if self.record else None
        return {**vars(self), "record": record, "state": self.state}

    @property
    def state(self) -> str:
        """Say how far it came, as `Night.state` does."""
        return self.record.state if self.record else "unfinished"


def list_nights(root: NightlyRoot, since: datetime | None = None) -> list[Listed]:
    """List the nights of a root in order of time; with `since` only those that ended then or later."""
    reference = root.reference
    since = since.replace(tzinfo=since.tzinfo or UTC) if since else None
    return [
        Listed(name, root.uri_of(name), record, name == reference, pruned_at(root.night_output(name)))
        for name, record in root.records().items()
        if since is None
        or (record and record.verdict and datetime.fromisoformat(record.verdict.ended_at) >= since)
    ]


def exit_code(nights: list[Listed]) -> int:
    """Return the exit code of the last night that ended, 3 where none did."""
    codes = [each.record.verdict.exit_code for each in nights if each.record and each.record.verdict]
    return codes[-1] if codes else UnfinishedError.exit_code


def print_nights(nights: list[Listed], console: Console) -> None:
    """Print one line a night, and the words of the last verdict."""
    table = Table()
    for name in ("night", "study", "state", "maps", "checks that failed"):
        table.add_column(name, overflow="fold")
    for each in nights:
        verdict = each.record.verdict if each.record else None
        state = f"{each.state}, the reference" if each.reference else each.state
        maps = f"pruned {each.pruned_at[:10]}" if each.pruned_at else "kept"
        failed = ", ".join(verdict.failed) if verdict else ""
        study = each.record.study if each.record else "?"
        table.add_row(*map(Text, (each.night, study, state, maps, failed)))
    console.print(table)
