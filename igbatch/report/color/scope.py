"""Normalizations: which range a map's colours stand for, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from igbatch.errors import InputError
from igbatch.reduce.ranges import SCOPES, Scope
from igbatch.report.color.wording import MISSING_WORDS, SCOPE_WORDS
from igbatch.report.text import count, number
from igbatch.results import StudyResults

KINDS = SCOPES
"""`raw`, which is no normalization at all, and the scopes whose minimum and maximum maps may share."""


@dataclass(frozen=True)
class Normalization:
    """The range that colours stand for, in units of the output.

    Attributes:
        kind: one of `KINDS`.
        minimum, maximum: the range; of kind `raw`, the ends of the study's one scale.
        n_maps: how many maps the range was taken from.
        complete: False while maps of the scope are missing.
        title: a few words, as of a complete range; `heading` is what to show.
        phrase: the normalization in words, as of a complete range; `label` is what to show under a map.
        words: sentences that say what was done and what may be compared.
    """

    kind: Scope
    minimum: float
    maximum: float
    n_maps: int
    complete: bool
    title: str
    phrase: str
    words: str

    @property
    def heading(self) -> str:
        """The title, which says so where the range is incomplete."""
        joint = self.complete or self.kind == "raw"
        return self.title if joint else f"Incomplete: {self.title[:1].lower()}{self.title[1:]}"

    @property
    def label(self) -> str:
        """The normalization in a few words for the line under a map."""
        return self.phrase if self.complete or self.kind == "raw" else f"incomplete: {self.phrase}"

    @property
    def caution(self) -> str:
        """A sentence that says so where maps of the scope are missing; empty otherwise."""
        if self.complete:
            return ""
        if self.kind == "raw":
            return f"Maps are missing; the scale was taken from the {count(self.n_maps, 'map')} there."
        return MISSING_WORDS.format(maps=count(self.n_maps, "map"))

    @property
    def gain(self) -> float:
        """The largest magnitude of the range: the ends of a colour scale that is symmetric around zero."""
        return max(abs(self.minimum), abs(self.maximum))


class Normalizations:
    """The normalizations of a study's maps; those of the whole study are worked out once."""

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.unit = unit(results)
        self._shared: dict[tuple[str, str | None], Normalization | None] = {}

    def of(
        self,
        kind: Scope,
        *,
        variant_id: str | None = None,
        image_id: str | None = None,
        targets: Sequence[str] = (),
    ) -> Normalization | None:
        """Return the normalization of some maps; None where none of the maps is there.

        `targets` are those of the maps: one for `image`, two for `pair`; other kinds take in all targets.

        Raises:
            InputError: there is no such kind, or it does not fit the number of targets.
        """
        if kind not in KINDS:
            raise InputError(f"normalization {kind!r} is unknown; use one of {', '.join(KINDS)}")
        if kind == "pair" and len(targets) != 2:
            raise InputError(
                f"normalization 'pair' is for two targets, not {len(targets)}; use image or targets"
            )
        if kind not in ("raw", "variant", "dataset"):
            return self._scope(kind, variant_id, image_id, targets)
        key = (kind, variant_id if kind == "variant" else None)
        if key not in self._shared:
            self._shared[key] = self._raw if kind == "raw" else self._scope(*key, None, targets)
        return self._shared[key]

    def _scope(
        self, kind: Scope, variant_id: str | None, image_id: str | None, targets: Sequence[str]
    ) -> Normalization | None:
        try:
            found = self.results.scope_range(kind, variant_id=variant_id, image_id=image_id, targets=targets)
        except KeyError:
            return None
        words = _say(kind, found.n_maps)
        return Normalization(kind, found.minimum, found.maximum, found.n_maps, found.complete, *words)

    @cached_property
    def _raw(self) -> Normalization | None:
        try:
            found = self.results.scope_range("raw")
        except KeyError:
            return None
        scale = found.maximum
        words = (
            f"Not normalized. One scale for the whole study: the colours end at −{number(scale, 1)} and "
            f"+{number(scale, 1)} {self.unit} a pixel. Every map may be compared with every other."
        )
        phrase = f"not normalized, scale ±{number(scale, 1)}"
        title = SCOPE_WORDS["raw"].title
        return Normalization("raw", -scale, scale, found.n_maps, found.complete, title, phrase, words)


def unit(results: StudyResults) -> str:
    """Return the unit of the study's attributions, in words."""
    output = results.study.attribution.output
    return {"logit": "logits", "log-probability": "of log-probability"}.get(output, f"of {output}")


def _say(kind: Scope, n_maps: int) -> tuple[str, str, str]:
    """Return title, phrase and words of a scope's range."""
    said = SCOPE_WORDS[kind]
    if kind == "image":
        phrase = "per-map range"
        return (
            said.title,
            phrase,
            f"Each map is normalized by its own minimum and maximum. Compare {said.compare}. {said.beware}",
        )
    over = said.over.format(maps=count(n_maps, "map"))
    return (
        said.title,
        f"{said.title[:1].lower()}{said.title[1:]}",
        f"Normalized by the smallest minimum and the largest maximum of {over}. Compare {said.compare}.",
    )
