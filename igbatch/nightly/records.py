"""The record of each night (`night.json`) and of the references of a root (`reference.json`).

These models are the schemas of both files, which `docs/nightly.md` describes.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

NIGHT_FILE = "night.json"
REFERENCE_FILE = "reference.json"
FORMAT: Final = 1
"""The version of both files; a change that readers must know of raises it."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Verdict(_Record):
    """How a night ended.

    Attributes:
        ended_at: UTC, ISO 8601 with seconds.
        exit_code: of the night's process: 0 good, 1 not.
        reference: the promoted night at that time; None where none was.
        last_good: the last good night that it was compared with besides; None where there was none.
        failed: names of the checks that failed, each after the role of what it was compared with.
        words: the verdict in a sentence.
    """

    ended_at: str
    exit_code: Literal[0, 1]
    reference: str | None
    last_good: str | None
    failed: tuple[str, ...] = ()
    words: str


class Night(_Record):
    """A night: `night.json` in its output, written as it begins and again after each step.

    Attributes:
        format: version of this schema.
        night: its name, the UTC time at which it began.
        study: name of its study.
        study_digest: of what is computed and how it is audited; a night is resumed under the same only.
        begun_at: UTC, ISO 8601 with seconds.
        run_exit_code: of the run: 0 whole, 1 more rows in quarantine than allowed; None until it has ended.
        verdict: None until it was audited, or found to have nothing to be audited against.
    """

    format: Literal[1] = FORMAT
    night: str
    study: str
    study_digest: str
    begun_at: str
    run_exit_code: Literal[0, 1] | None = None
    verdict: Verdict | None = None

    @property
    def ran(self) -> bool:
        """Return whether its run came to its end."""
        return self.run_exit_code is not None

    @property
    def good(self) -> bool:
        """Return whether it ran whole and passed its audit, if there was one."""
        return self.verdict is not None and self.verdict.exit_code == 0

    @property
    def state(self) -> str:
        """Say how far it came: unfinished, not audited, good or bad."""
        if self.verdict is None:
            return "not audited" if self.ran else "unfinished"
        return "good" if self.good else "bad"


class Promotion(_Record):
    """That a night was made the reference.

    Attributes:
        night: which.
        promoted_at: UTC, ISO 8601 with seconds.
        by: user and machine.
        note: why, in the words of who did it.
        state: of the night at that time.
    """

    night: str
    promoted_at: str
    by: str
    note: str = ""
    state: str = "good"


class References(_Record):
    """The reference and all before it: `reference.json` in the root.

    Attributes:
        format: version of this schema.
        reference: what nights are compared with now.
        earlier: what they were compared with before, the latest first.
    """

    format: Literal[1] = FORMAT
    reference: Promotion
    earlier: tuple[Promotion, ...] = ()
