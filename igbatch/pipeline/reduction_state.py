"""Records a digest of the inputs of tables and report, so that they are rebuilt only after a change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from igbatch.pipeline.committed import digest_of
from igbatch.pipeline.packages import imported_packages
from igbatch.pipeline.plan import Plan
from igbatch.store.fingerprint import digest, texts_digest
from igbatch.store.output import Output
from igbatch.store.provenance import NEWER_TABLES
from igbatch.store.provenance import TABLES as ALWAYS

FILE = "derived.json"
TABLES = (*ALWAYS, *NEWER_TABLES, "similarity", "significance", "localization")
"""What a reduction may write besides the lists of images and variants."""


def state_of(plan: Plan) -> str:
    """Return a digest of all that ranges and tables follow from.

    It covers every commit, the images with their etags and labels, the study but for how it is run, what
    its report shows and how it is audited, and the version of igbatch.
    """
    table = plan.images.table
    columns = [table[name].combine_chunks().fill_null("None") for name in ("image_id", "etag", "label")]
    study = plan.resolved.study.model_dump(mode="json", exclude={"run", "report", "audit"})
    return digest(
        {
            "committed": digest({name: digest_of(commits) for name, commits in plan.committed.items()}),
            "images": [texts_digest(column) for column in columns],
            "study": study,
            "igbatch": imported_packages().versions["igbatch"],
        }
    )


def report_state(plan: Plan, state: str) -> str:
    """Return a digest of all that a report follows from: `state` (`state_of`), what it shows, its boxes."""
    shown = {"state": state, "report": plan.resolved.study.report.model_dump(mode="json")}
    counts = plan.images.box_counts
    return digest({**shown, "boxes": counts.record()} if counts else shown)


def read_derived(output: Output) -> dict[str, Any]:
    """Return the states that `ranges` and the tables beside it, `faithfulness` and `report` were made from.

    What is not known is not there. `audit` is the digest of the verdict that the report shows, `tables` are
    those that the last reduction wrote.
    """
    try:
        known = output.read_json(output.path(FILE))
    except ValueError:
        known = None
    return known if isinstance(known, dict) else {}


def keep_derived(output: Output, **made: Any) -> None:
    """Take note of what was made now."""
    output.put_json(output.path(FILE), read_derived(output) | made)


def is_reduced(output: Output, state: str) -> bool:
    """Return whether a study was reduced in a state, and all tables that this wrote are there."""
    known = read_derived(output)
    tables = {*ALWAYS, *known.get("tables", ())}
    return known.get("ranges") == state and tables == set(_there(output, tables))


def keep_reduced(output: Output, state: str) -> None:
    """Take note of the state that the study was reduced in just now, and of the tables that are there."""
    keep_derived(output, ranges=state, tables=_there(output, TABLES))


def _there(output: Output, tables: Iterable[str]) -> list[str]:
    return [name for name in tables if output.exists(output.path(f"{name}.parquet"))]
