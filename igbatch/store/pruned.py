"""Maps that were deleted on purpose, and the marker that distinguishes them from lost ones.

Commits keep naming the files of maps that are gone; statistics, boxes and quarantine stay whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyarrow import fs

from igbatch.errors import InputError
from igbatch.store.output import Output

MARKER = "pruned.json"
KIND = "attributions"


def pruned_at(output: Output) -> str | None:
    """Return when the maps of an output were pruned (UTC), None where they were not.

    Raises:
        InputError: the marker is damaged.
    """
    try:
        marker = output.read_json(output.path(MARKER))
        return None if marker is None else str(marker["pruned_at"])
    except (ValueError, LookupError, TypeError):
        raise InputError(f"{output.uri}: {MARKER} is damaged; delete it, and prune again") from None


def prune_maps(output: Output, files: list[fs.FileInfo], now: str) -> None:
    """Delete files of maps. The marker is written first, so that no reader takes what goes for lost.

    Args:
        output: of a finished study, under its lock.
        files: of `KIND`, as `Output.files` lists them.
        now: UTC, ISO 8601.
    """
    before: Any = output.read_json(output.path(MARKER)) or {}
    marker = {
        "pruned_at": before.get("pruned_at", now),
        "files": before.get("files", 0) + len(files),
        "bytes": before.get("bytes", 0) + sum(info.size or 0 for info in files),
    }
    output.put_json(output.path(MARKER), marker)
    delete_files(output, files)


def delete_files(output: Output, files: Iterable[fs.FileInfo]) -> None:
    """Delete files that may be gone already."""
    for info in files:
        with suppress(FileNotFoundError):
            output.delete(info.path)


def inside(output: Output, info: fs.FileInfo) -> bool:
    """Tell whether a listed file lies below its output for real, through no link that leads out of it."""
    if not output.local:
        return True
    root = Path(output.path()).resolve()
    return Path(info.path).parent.resolve().is_relative_to(root) and not Path(info.path).is_symlink()
