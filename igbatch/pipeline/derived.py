"""What was made from the committed rows, and from which state of them, so that it is made once."""

from __future__ import annotations

from typing import Any, Literal

from igbatch.pipeline.packages import imported_packages
from igbatch.pipeline.plan import Plan
from igbatch.store.fingerprint import digest, texts_digest
from igbatch.store.output import Output
from igbatch.store.provenance import TABLES as ALWAYS

FILE = "derived.json"
TABLES = (*ALWAYS, "similarity", "significance", "localization")
"""What a reduction may write besides the lists of images and variants."""
Made = Literal["ranges", "faithfulness", "report", "audit"]


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
            "committed": plan.state,
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


class Derived:
    """The states that what is derived was made from; None where that is not known."""

    def __init__(self, output: Output) -> None:
        self._output = output
        try:
            known = output.read_json(output.path(FILE))
        except ValueError:
            known = None
        self._known: dict[str, Any] = known if isinstance(known, dict) else {}

    def known(self, what: Made) -> str | None:
        """Return the state that `ranges.parquet` and the tables beside it, or others, were made from.

        Of `audit`, the digest of the verdict that `report/` shows; None where it shows none.
        """
        state: str | None = self._known.get(what)
        return state

    @property
    def whole(self) -> bool:
        """Whether all tables are there: those of every study, and those that the last reduction wrote."""
        tables = {*ALWAYS, *self._known.get("tables", ())}
        return all(self._output.exists(self._output.path(f"{name}.parquet")) for name in tables)

    def keep_reduced(self, state: str) -> None:
        """Take note of the state that the study was reduced in just now, and of the tables that are there."""
        there = [name for name in TABLES if self._output.exists(self._output.path(f"{name}.parquet"))]
        self._known["tables"] = there
        self.keep(ranges=state)

    def keep(self, **states: str | None) -> None:
        """Take note of what was made now."""
        self._known |= states
        self._output.put_json(self._output.path(FILE), self._known)
