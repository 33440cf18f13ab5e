"""Normalizations: which range a map's colours stand for, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from igbatch.errors import InputError
from igbatch.reduce.ranges import SCOPES, RangeSummary
from igbatch.report.text import count, number
from igbatch.results import StudyResults

KINDS = ("raw", *SCOPES)
"""`raw`, which is no normalization at all, and the scopes whose minimum and maximum maps may share."""

RAW_QUANTILE = 0.999


@dataclass(frozen=True)
class ScopeWords:
    """A normalization in words.

    Attributes:
        title: a few words, as for a list of choices.
        over: whose minimum and maximum the range is; `{maps}` stands for the number of maps, as in "3 maps".
        compare: which maps may be compared, after the word "compare".
        beware: a sentence that says what it makes incomparable; empty where that is nothing.
    """

    title: str
    over: str
    compare: str
    beware: str


SCOPE_WORDS: dict[str, ScopeWords] = {
    "raw": ScopeWords("Raw values", "the whole study", "every map of the study with every other", ""),
    "image": ScopeWords(
        "Each map by itself",
        "the map itself",
        "shapes only",
        "Strengths may not be compared between any two maps, since every map fills its own scale.",
    ),
    "pair": ScopeWords(
        "Joint range of the pair",
        "both maps",
        "the two with each other",
        "Each pair has a range of its own: do not compare between variants or images.",
    ),
    "targets": ScopeWords(
        "Joint range of all targets",
        "the {maps} of this image and variant",
        "these with each other",
        "Each variant has a range of its own here: do not compare between variants or images.",
    ),
    "models": ScopeWords(
        "Joint range of all variants",
        "the {maps} of this image, all variants and targets",
        "these with each other",
        "Each image has a range of its own: do not compare between images.",
    ),
    "variant": ScopeWords(
        "Joint range of the variant",
        "all {maps} of the variant in the study",
        "maps of the variant with each other",
        "Each variant has a range of its own: do not compare between variants.",
    ),
    "dataset": ScopeWords(
        "Joint range of the study", "all {maps} of the study", "every map of the study with every other", ""
    ),
}
"""What is said of each of `KINDS`, in figures and on the page."""


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

    kind: str
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
        there = count(self.n_maps, "map")
        return f"Maps are missing: this is the range of the {there} there, not the joint one."

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
        kind: str,
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
        self, kind: str, variant_id: str | None, image_id: str | None, targets: Sequence[str]
    ) -> Normalization | None:
        try:
            found = self.results.scope_range(kind, variant_id=variant_id, image_id=image_id, targets=targets)
        except KeyError:
            return None
        words = _say(kind, found.n_maps)
        return Normalization(kind, found.minimum, found.maximum, found.n_maps, found.complete, *words)

    @cached_property
    def _raw(self) -> Normalization | None:
        summaries = [self.results.scans.summary(each) for each in self.results.variants["variant_id"]]
        n_maps = sum(summary.n_maps for summary in summaries)
        if not n_maps:
            return None
        scale = raw_scale(summaries)
        words = (
            f"Not normalized. One scale for the whole study: the colours end at −{number(scale, 1)} and "
            f"+{number(scale, 1)} {self.unit} a pixel. Every map may be compared with every other."
        )
        phrase = f"not normalized, scale ±{number(scale, 1)}"
        complete = n_maps == self.results.expected_rows
        title = SCOPE_WORDS["raw"].title
        return Normalization("raw", -scale, scale, n_maps, complete, title, phrase, words)


def unit(results: StudyResults) -> str:
    """Return the unit of the study's attributions, in words."""
    output = results.study.attribution.output
    return {"logit": "logits", "log-probability": "of log-probability"}.get(output, f"of {output}")


def raw_scale(summaries: Iterable[RangeSummary]) -> float:
    """Return the magnitude at the ends of a study's raw scale, in units of the output.

    It is the smallest 1, 2 or 5 times a power of ten that is no less than the `RAW_QUANTILE` quantile of |a|
    over all pixels of that variant where the quantile is largest: any number of variants with maps of nearly
    nothing leaves the scale as it is. 0 where all maps are zero.

    Args:
        summaries: of the maps of each variant; at least one has a map.
    """
    return round_up(max(summary.magnitude(RAW_QUANTILE) for summary in summaries if summary.n_maps))


def round_up(value: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is no less than a value; 0 of 0."""
    if value <= 0:
        return 0.0
    power = math.floor(math.log10(value))
    candidates = [float(f"{digit}e{exponent}") for exponent in (power, power + 1) for digit in (1, 2, 5)]
    return next(candidate for candidate in candidates if candidate >= value)


def _say(kind: str, n_maps: int) -> tuple[str, str, str]:
    """Return title, phrase and words of a scope's range."""
    said = SCOPE_WORDS[kind]
    if kind == "image":
        phrase = "own minimum and maximum"
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
