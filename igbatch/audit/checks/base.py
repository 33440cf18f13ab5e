"""The base class of checks: takes variants one at a time, and compares each figure with the threshold.

It holds the figures of all comparisons, and the `MAX_OFFENDERS` worst images.
"""

from __future__ import annotations

import heapq
import tomllib
from importlib.resources import files
from typing import Any, ClassVar

import jinja2
import numpy as np
from numpy.typing import NDArray

from igbatch.audit.pairs import Pairing, VariantPair
from igbatch.audit.verdict import MAX_OFFENDERS, MAX_PARTS, Check, CheckPart, Offender, Outcome
from igbatch.audit.words import short_number

WORDING = tomllib.loads(files(__package__).joinpath("wording.toml").read_text("utf-8"))
"""The texts of each check, by its name."""

_TEMPLATES = jinja2.Environment(
    loader=jinja2.DictLoader(
        {f"{name}.{key}": text for name in WORDING for key, text in WORDING[name].items()}
    ),
    undefined=jinja2.StrictUndefined,
)
_TEMPLATES.filters["short"] = short_number


class AuditCheck:
    """One check while variants are added to it.

    `take` is called with each variant that both studies have, then `result` once.

    Args:
        pairing: of the two studies.
        threshold: what the figure may be; None where the check is turned off.

    Attributes:
        name: of its threshold in `study.Thresholds`, and of its words in `wording.toml`.
        at_least: the figure must not fall below the threshold; otherwise it must not rise above it.
        trained_only: only trained variants are checked.
    """

    name: ClassVar[str]
    at_least: ClassVar[bool] = False
    trained_only: ClassVar[bool] = True

    def __init__(self, pairing: Pairing, threshold: float | None) -> None:
        self.pairing = pairing
        self.off = threshold is None
        self.threshold = threshold or 0.0
        self.wording: dict[str, str] = WORDING[self.name]
        self.parts: list[CheckPart] = []
        self.offenders: list[Offender] = []

    def take(self, pair: VariantPair) -> None:
        """Take one variant, if it is one of those that are checked."""
        if not self.off and (pair.trained or not self.trained_only):
            self.add(pair)

    def add(self, pair: VariantPair) -> None:
        """Make the parts that one variant gives."""

    def finish(self) -> None:
        """Make the parts that need all variants to have been seen."""

    def facts(self) -> dict[str, Any]:
        """Return what the sentence names besides the worst part."""
        return {}

    def missing(self) -> str:
        """Say why there is nothing to compare."""
        if not self.pairing.n_images:
            return "the studies have no image in common"
        if not self.pairing.targets:
            return "the studies have no target in common"
        if not any(kind == "trained" for _, kind in self.pairing.kinds.values()):
            return "the studies have no trained variant in common"
        return self.wording["nothing"]

    def add_part(
        self,
        name: str,
        figure: float | None,
        *,
        now: float | None = None,
        before: float | None = None,
        n: int | None = None,
    ) -> None:
        """Note a comparison; it fails where its figure is on the wrong side of the threshold."""
        if figure is None:
            outcome = Outcome.SKIPPED
        else:
            good = figure >= self.threshold if self.at_least else figure <= self.threshold
            outcome = Outcome.PASSED if good else Outcome.FAILED
        self.parts.append(CheckPart(name=name, figure=figure, now=now, before=before, n=n, outcome=outcome))

    def add_offenders(
        self,
        values: NDArray[np.float64],
        images: NDArray[np.int64] | None = None,
        *,
        variant_id: str | None = None,
        target: str | None = None,
        least: float = 0.0,
        **details: Any,
    ) -> None:
        """Note the images with the largest values [n] above `least`; NaN stands for none.

        `images` are places among the common images, by default the values' own. `details` are what
        their words name: of an array [n] the image's own value.
        """
        if len(self.offenders) == MAX_OFFENDERS:  # others are not among the largest
            least = max(least, self.offenders[-1].value)
        above = np.flatnonzero(values > least)
        for place in above[np.argsort(-values[above], kind="stable")[:MAX_OFFENDERS]].tolist():
            own = {
                name: each[place] if isinstance(each, np.ndarray) else each for name, each in details.items()
            }
            self.offenders.append(
                Offender(
                    image_id=self.pairing.image_id(place if images is None else int(images[place])),
                    variant_id=variant_id,
                    target=target,
                    value=float(values[place]),
                    words=self.say("offender", own),
                )
            )
        self.offenders = heapq.nlargest(MAX_OFFENDERS, self.offenders, key=lambda each: each.value)

    def say(self, key: str, values: dict[str, Any]) -> str:
        """Return a sentence of the check: its template `key` of `wording.toml`."""
        return _TEMPLATES.get_template(f"{self.name}.{key}").render(values)

    def result(self) -> Check:
        """Return what was found."""
        about: dict[str, Any] = {
            "name": self.name, "title": self.wording["title"], "compared": self.wording["compared"],
            "unit": self.wording.get("unit", ""), "at_least": self.at_least,
            "figure": None, "threshold": None if self.off else self.threshold,
        }  # fmt: skip
        if self.off:
            words = f"Turned off: audit.thresholds.{self.name} is null."
            return Check(**about, outcome=Outcome.SKIPPED, words=words)
        self.finish()
        compared = sorted((part for part in self.parts if part.figure is not None), key=self._badness)
        if not compared:
            words = f"Nothing to compare: {self.missing()}."
            return Check(**about, outcome=Outcome.SKIPPED, words=words)
        worst_part = compared[0]
        about |= {"figure": worst_part.figure, "outcome": worst_part.outcome, "parts": compared[:MAX_PARTS]}
        words = self.say("found", worst_part.model_dump() | self.facts())
        return Check(**about, words=words, offenders=tuple(self.offenders))

    def _badness(self, part: CheckPart) -> tuple[bool, float]:
        """Return a key that sorts parts that failed first, and of these and of others the worst."""
        figure = part.figure or 0.0
        return part.outcome is not Outcome.FAILED, figure if self.at_least else -figure
