"""Writes and reads the files of an audit in the audited output."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from igbatch.audit import history
from igbatch.audit.junit import junit
from igbatch.audit.markdown import markdown
from igbatch.audit.verdict import Audit
from igbatch.errors import InputError, one_line
from igbatch.store.fingerprint import bytes_digest
from igbatch.store.output import Output

VERDICT = "audit.json"
JUNIT = "audit.xml"
MARKDOWN = "audit.md"
HISTORY = "audit_history.parquet"
"""The history at the time of the audit, its own rows included, so that the page needs only its output."""

MAX_HISTORY_ROWS = 20_000
"""Rows of the history that are kept in an output, the latest: two years of nights, two references."""


def write_audit(
    output: Output, audit: Audit, seconds: Sequence[float], past: pd.DataFrame | None = None
) -> None:
    """Write the files of an audit, `audit.json` last: where it is, the verdict is whole.

    An earlier verdict is removed first, so that files of two audits never stand side by side as one.

    Args:
        output: that was audited, under its lock.
        audit: what was found.
        seconds: how long each comparison took.
        past: rows of the history, those of this audit included; None where none is kept.
    """
    remove_audit(output)
    output.put(output.path(JUNIT), junit(audit, seconds))
    output.put(output.path(MARKDOWN), markdown(audit).encode())
    if past is not None:
        rows = pa.Table.from_pandas(past.tail(MAX_HISTORY_ROWS), history.SCHEMA, preserve_index=False)
        output.put_table(output.path(HISTORY), rows)
    output.put(output.path(VERDICT), verdict_json(audit).encode())


def remove_audit(output: Output) -> None:
    """Remove the files of an audit, the verdict first."""
    for name in (VERDICT, JUNIT, MARKDOWN, HISTORY):
        if output.exists(output.path(name)):
            output.delete(output.path(name))


def verdict_json(audit: Audit) -> str:
    """Return an audit as the text of `audit.json`: ASCII, indented, keys in the order of the schema."""
    return json.dumps(audit.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"


def read_audit(output: Output) -> Audit | None:
    """Return the audit of an output; None where it was not audited.

    Raises:
        InputError: `audit.json` is of another igbatch, or damaged.
    """
    path = output.path(VERDICT)
    if not output.exists(path):
        return None
    try:
        return Audit.model_validate_json(output.read(path))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise InputError(
            one_line(f"{output.uri}: {VERDICT}: {where}: {problem['msg']}; run `igbatch audit` again")
        ) from None


def verdict_digest(output: Output) -> str | None:
    """Return a digest of the verdict that lies in an output, None where there is none."""
    path = output.path(VERDICT)
    return bytes_digest(output.read(path)) if output.exists(path) else None


def read_past(output: Output) -> pd.DataFrame:
    """Return the history that lies in an output, as `history.read` would; no rows where there is none."""
    path = output.path(HISTORY)
    return history.joined([output.read_table(path)] if output.exists(path) else [])
