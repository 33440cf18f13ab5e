"""The history of audits: the figures of every check over time, one small Parquet file an audit."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa

from igbatch.audit.verdict import Audit
from igbatch.store.fingerprint import bytes_digest
from igbatch.store.output import Output

SCHEMA = pa.schema([
    ("made_at", pa.timestamp("ms", "UTC")), ("night", pa.string()), ("study", pa.string()),
    ("igbatch", pa.string()), ("role", pa.string()), ("reference", pa.string()), ("check", pa.string()),
    ("figure", pa.float64()), ("threshold", pa.float64()), ("at_least", pa.bool_()), ("outcome", pa.string()),
    ("unit", pa.string()),
])  # fmt: skip
"""One row a check. `figure` and `threshold` are null where there is none; `reference` is the URI of it."""

READERS = 8


def append(uri: str, audit: Audit, night: str = "") -> None:
    """Add the figures of an audit to a history, in a file of its own; the same audit again adds nothing.

    Args:
        uri: folder of the history, created where it is missing.
        audit: whose checks become rows.
        night: name of the night that was audited; empty where it is none of a nightly root.

    Raises:
        InputError: the place cannot be opened, or its URI carries credentials.
    """
    history = Output(uri)
    name = f"{_moment(audit):%Y%m%dT%H%M%SZ}-{bytes_digest(audit.model_dump_json().encode())[:12]}.parquet"
    history.put_table(history.path(name), rows_of(audit, night))


def rows_of(audit: Audit, night: str = "") -> pa.Table:
    """Return the rows of one audit, under `SCHEMA`."""
    shared = {"made_at": _moment(audit), "night": night, "study": audit.study, "igbatch": audit.igbatch}
    rows = [
        {
            **shared, "role": comparison.role, "reference": comparison.uri, "check": check.name,
            "figure": check.figure, "threshold": check.threshold, "at_least": check.at_least,
            "outcome": str(check.outcome), "unit": check.unit,
        }
        for comparison in audit.comparisons
        for check in comparison.checks
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def read(uri: str, *own: pa.Table) -> pd.DataFrame:
    """Return all rows of a history, with `own` ones, in order of time; none where there is no history yet.

    A file that is being written, or is no file of a history, is left out.

    Raises:
        InputError: the place cannot be opened, or its URI carries credentials.
    """
    history = Output(uri)
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda info: _read(history, info.path), history.files())
        return joined([*(table for table in found if table is not None), *own])


def joined(tables: Iterable[pa.Table]) -> pd.DataFrame:
    """Return rows of several tables under `SCHEMA` as one frame, in order of time; the same row once."""
    whole: pd.DataFrame = pa.concat_tables([SCHEMA.empty_table(), *tables]).to_pandas()
    return whole.drop_duplicates().sort_values("made_at", kind="stable", ignore_index=True)


def _read(history: Output, path: str) -> pa.Table | None:
    name = path.rpartition("/")[2]
    if name.startswith(".") or not name.endswith(".parquet"):
        return None
    try:
        return history.read_table(path).select(SCHEMA.names).cast(SCHEMA)
    except (OSError, KeyError, pa.ArrowException):
        return None


def _moment(audit: Audit) -> datetime:
    return datetime.fromisoformat(audit.made_at).astimezone(UTC)
