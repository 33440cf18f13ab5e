"""An audit that nobody made: one check of each outcome, against two references."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.audit.verdict import Audit, Change, Check, Comparison, Offender, Outcome, Part


def make_audit(name: str = "eagle", failed: bool = True, **changes: Any) -> Audit:
    """Make an audit whose names from the data all hold `name`; without `failed` nothing fails."""
    offender = Offender(
        image_id=name, variant_id="trained", target="eagle", value=0.28, words=f"{name}: 0.41"
    )
    part = Part(name=f"trained, {name}", figure=0.5, now=1.0, before=2.0, n=3, outcome=Outcome.FAILED)
    sums = Check(
        name="box_sums",
        title="Box sums changed",
        compared=f"Sums in the boxes of {name}.",
        figure=0.5 if failed else 0.05,
        threshold=0.1,
        outcome=Outcome.FAILED if failed else Outcome.PASSED,
        words=f"The box of {name} fell.",
        parts=(part,) if failed else (),
        offenders=(offender,) if failed else (),
    )
    alike = Check(
        name="similarity", title="Maps differ", compared="Maps.", figure=0.99, threshold=0.95,
        at_least=True, unit="of 1", outcome=Outcome.PASSED, words="Alike.",
    )  # fmt: skip
    sanity = Check(
        name="sanity", title="Sanity ratio fell", compared="Ratios.", figure=None, threshold=0.7,
        outcome=Outcome.SKIPPED, words="No random variant.",
    )  # fmt: skip
    comparisons = (
        Comparison(
            role="reference", uri="/nights/old", study=name, checks=(sums, alike, sanity),
            changes=(Change(what="weights", before=name, now="other"),),
        ),
        Comparison(role="last-good", uri="/nights/good", study=name, checks=(alike,)),
    )  # fmt: skip
    values = {
        "igbatch": "0.1.0", "made_at": "2026-11-26T02:03:04Z", "uri": "/nights/new", "study": name,
        "comparisons": comparisons,
    }  # fmt: skip
    return Audit(**{**values, **changes})


@pytest.fixture
def audit_of() -> Callable[..., Audit]:
    """Make an audit: `audit_of(name, failed=True, **fields)`."""
    return make_audit
