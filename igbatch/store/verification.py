"""The result of a verification, as text and as JSON: damage, and apart from it shortcomings of quality."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from igbatch.errors import one_line
from igbatch.text import count

PRINTED = 50
MAX_NAMED = 10
"""Maps that have not converged and are named: those that are furthest off."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong: what sort of thing, the file or row it was found in, and what was found."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what}"


@dataclass(frozen=True)
class Unconverged:
    """A map that has not converged.

    Attributes:
        variant_id, image_id, target: of its row.
        steps: nodes that it took.
        error: what it is off by, in units of the output, as far as known (docs/results.md, `converged`).
        allowed: what it may be off by, in the same units.
    """

    variant_id: str
    image_id: str
    target: str
    steps: int
    error: float
    allowed: float

    @property
    def times(self) -> float:
        """The error over what is allowed."""
        return self.error / max(self.allowed, 1e-300)

    def __str__(self) -> str:
        place = "/".join((self.variant_id, self.image_id, self.target))
        return (
            f"not converged: {place}: off by {self.error:.3g}, {self.times:.3g} times what is allowed "
            f"({self.steps} steps)"
        )


@dataclass
class Verification:
    """What was found in an output.

    Attributes:
        expected: rows that the study asks for.
        committed: of these, current rows that are there.
        quarantined: of these, rows that are in quarantine.
        allowance: rows that may be in quarantine by the study; None where it sets none.
        superseded: rows that a later attempt has computed again.
        unlisted: rows of images, targets and etags that the study no longer lists.
        shards: committed shards.
        maps: stored maps in them.
        size: bytes of their files.
        pruned: files of maps that were deleted on purpose.
        leftovers: files that no commit of the study's variants names.
        problems: the damage: what is missing, double, changed or contradicts itself.
        unconverged: of the committed rows, those whose map has not converged.
        worst: of these the `MAX_NAMED` that are furthest off, the worst first.
    """

    expected: int = 0
    committed: int = 0
    quarantined: int = 0
    allowance: int | None = None
    superseded: int = 0
    unlisted: int = 0
    shards: int = 0
    maps: int = 0
    size: int = 0
    pruned: int = 0
    leftovers: int = 0
    problems: list[Problem] = field(default_factory=list)
    unconverged: int = 0
    worst: list[Unconverged] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems

    @property
    def shortcomings(self) -> list[str]:
        """What is whole and yet not as good as the study asks for, in words; empty where nothing is."""
        found = []
        if self.unconverged:
            have = "has" if self.unconverged == 1 else "have"
            found.append(f"{self.unconverged} of {count(self.committed, 'map')} {have} not converged")
        if self.allowance is not None and self.quarantined > self.allowance:
            rows = count(self.quarantined, "row")
            are = "is" if self.quarantined == 1 else "are"
            found.append(f"{rows} {are} in quarantine, {self.allowance} allowed")
        return found

    def passes(self, *, quality: bool) -> bool:
        """Tell whether nothing is damaged and, where `quality` is asked for, nothing falls short either."""
        return self.whole and not (quality and self.shortcomings)

    def add_unconverged(self, count: int, worst: Iterable[Unconverged]) -> None:
        """Count maps that have not converged, and keep those that are furthest off."""
        self.unconverged += count
        self.worst = sorted([*self.worst, *worst], key=lambda each: -each.times)[:MAX_NAMED]


def as_text(found: Verification) -> str:
    """Return the damage, the first of it in full, the worst maps, and a line with the verdict."""
    lines = [one_line(problem) for problem in found.problems[:PRINTED]]
    if len(found.problems) > PRINTED:
        lines.append(f"and {len(found.problems) - PRINTED} more (--json prints all)")
    lines += [one_line(each) for each in found.worst]
    if found.unconverged > len(found.worst):
        lines.append(f"not converged: and {found.unconverged - len(found.worst)} more")
    counts = (
        f"{found.committed} of {found.expected} rows committed, {found.quarantined} in quarantine, "
        f"{found.shards} shards, {found.maps} maps, {found.size / 1e6:.1f} MB"
    )
    aside = {
        "superseded rows": found.superseded,
        "rows that the study no longer lists": found.unlisted,
        "files that no commit names": found.leftovers,
        "files of maps pruned": found.pruned,
    }
    beside = "".join(f", {count} {name}" for name, count in aside.items() if count)
    return "\n".join([*lines, f"{_verdict(found)}: {counts}{beside}"])


def _verdict(found: Verification) -> str:
    short = " and ".join(found.shortcomings)
    if found.whole:
        return f"whole, but {short}" if short else "good"
    lost = all(problem.kind == "lost" for problem in found.problems)  # as in a run that was interrupted
    verdict = "incomplete" if lost else f"damaged, {count(len(found.problems), 'problem')}"
    return f"{verdict}, and {short}" if short else verdict


def as_json(found: Verification) -> str:
    """Return a verification as one JSON object, its problems in full, with both verdicts in their own fields.

    `whole` says that nothing is damaged, `shortcomings` in words what is not as good as the study asks for.
    """
    content = {"whole": found.whole, "shortcomings": found.shortcomings, **asdict(found)}
    return json.dumps(content, indent=2, ensure_ascii=False)
