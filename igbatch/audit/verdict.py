"""What an audit finds: checks with their figures and thresholds, what changed around them, and the verdict.

These models are the schema of `audit.json`, which `docs/audit.md` describes.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

FORMAT = 1
"""The version of `audit.json`; a change that readers must know of raises it."""


class Outcome(StrEnum):
    """How a check ended. `skipped`: the studies hold nothing that it could compare, and its words say why."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Offender(_Record):
    """One of the images that speak most against a check, worst first.

    Attributes:
        image_id: the image.
        variant_id, target: of the map; None where all are meant.
        value: what the check measures there, in its unit.
        words: the same in a few words: "eagle's box 0.41, was 0.69".
    """

    image_id: str
    variant_id: str | None = None
    target: str | None = None
    value: float
    words: str


class CheckPart(_Record):
    """One comparison within a check: a variant and target, a box label, a scope.

    Attributes:
        name: what is compared: "trained, eagle's box -> magpie".
        figure: what is held against the threshold; None where it is not defined.
        now, before: the quantity itself in the audited study and in the reference, where there is one.
        p, effect: of the paired test and its effect size, where there is one.
        n: images that were compared.
        outcome: of this part.
    """

    name: str
    figure: float | None
    now: float | None = None
    before: float | None = None
    p: float | None = None
    effect: float | None = None
    n: int | None = None
    outcome: Outcome


class Check(_Record):
    """One check of an audit.

    Attributes:
        name: of the check, for programs: "box_sums".
        title: what went wrong where it fails, as a phrase: "Box sums changed in size or sign".
        compared: what was compared, and by which measure, in a sentence.
        figure: the worst of its parts; None where nothing could be compared.
        threshold: what the figure may be.
        at_least: the figure must not fall below the threshold; otherwise it must not rise above it.
        unit: of the figure: "of probability", "%", "".
        outcome: passed, failed or skipped.
        words: a sentence with what was found, and its numbers.
        parts: the comparisons it is made of, worst first; at most `MAX_PARTS`.
        offenders: images that speak most against it, worst first; at most `MAX_OFFENDERS`.
    """

    name: str
    title: str
    compared: str
    figure: float | None
    threshold: float | None
    at_least: bool = False
    unit: str = ""
    outcome: Outcome
    words: str
    parts: tuple[CheckPart, ...] = ()
    offenders: tuple[Offender, ...] = ()


MAX_PARTS = 50
MAX_OFFENDERS = 10


class Change(_Record):
    """Something around the numbers that differs, to show a reader why: weights, data, versions."""

    what: str
    before: str
    now: str


class Comparison(_Record):
    """The checks of a study against one reference.

    Attributes:
        role: `reference` (promoted, or named in the call) or `last-good` (the last night that passed).
        uri: of the reference's output.
        study: its name.
        checks: in a fixed order.
        changes: what differs around the numbers.
    """

    role: str
    uri: str
    study: str
    checks: tuple[Check, ...]
    changes: tuple[Change, ...] = ()

    @property
    def passed(self) -> bool:
        """Return whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILED)


class Audit(_Record):
    """A whole audit: `audit.json`.

    Attributes:
        format: version of this schema.
        igbatch: version that made it.
        made_at: UTC, ISO 8601 with seconds.
        uri: of the audited output.
        study: its name.
        comparisons: with each reference, the promoted one first.
    """

    format: int = FORMAT
    igbatch: str
    made_at: str
    uri: str
    study: str
    comparisons: tuple[Comparison, ...]

    @property
    def passed(self) -> bool:
        """Return whether no check of any comparison failed."""
        return all(comparison.passed for comparison in self.comparisons)
