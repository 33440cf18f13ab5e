"""What the scripts of page and gallery get of the choices about colours, and what all their models have.

Models may be made of rows of tables: they take the columns that they name, names from the data become one
visible line, and a number that is not there or not finite becomes null.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict

from igbatch.reduce.ranges import Scope
from igbatch.report.color.wording import ChoiceWords, Knob, RangeRule, ScopeWords, ValuePart
from igbatch.text import plain


def finite(value: Any) -> float | None:
    """Return a number that JSON can hold: None where there is none, or where it is not finite."""
    return None if value is None or pd.isna(value) or not math.isfinite(value) else float(value)


Name = Annotated[str, BeforeValidator(lambda name: plain(str(name)))]
Finite = Annotated[float | None, BeforeValidator(finite)]
Time = Annotated[str, BeforeValidator(lambda at: at.isoformat().replace("+00:00", "Z"))]


class PageModel(BaseModel):
    """A part of the page's JSON: no key is missing, and every number is finite."""

    model_config = ConfigDict(
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        populate_by_name=True,
        json_schema_serialization_defaults_required=True,
    )


@dataclass(frozen=True, kw_only=True)
class ScopeChoice(ScopeWords):
    """A scope: which maps share a range, and what that makes comparable."""

    scope: Scope


@dataclass(frozen=True)
class RuleChoice(ChoiceWords):
    """How a range becomes the ends of the colour scale; `{p}` in its words is the percentile."""

    rule: RangeRule


@dataclass(frozen=True)
class PartChoice(ChoiceWords):
    """Which values of a map are shown."""

    part: ValuePart


class PaletteChoice(PageModel):
    """A colour map from the most negative to the most positive, white or gray in its middle."""

    palette: str
    title: str
    colors: list[str]
    """An odd number of colours, each `#rrggbb`."""


class KnobLimits(PageModel):
    """The numbers of a colour style."""

    percentile: Knob
    level: Knob
    contour: Knob
    blur: Knob
    opacity: Knob


class Sentences(PageModel):
    """What is said of ranges."""

    missing: str
    """Of an incomplete one; `{maps}` stands for the number of maps that are there."""
    missing_of: str
    """Where others beside it have their own; `{named}` stands for names, each with its number of maps."""
    histogram: str
    """Of a quantile from histograms; `{error}` stands for its bound, as in "15.5 %"."""
    contrast: str
    """Of maps of contrasts under a joint range."""
    lacking: str
    """Why regions are not there to choose; empty where all are."""


@dataclass(frozen=True)
class RegionChoice(ChoiceWords):
    """What of a map has one colour: a pixel (size 1), that of a blurred map, or a region with its sum.

    `label` stands behind that of a scope; `one` and `many` are nouns.
    """

    size: int
    """Its side in pixels; 0 stands for superpixels, -1 for objects, -2 for a blurred map."""
    label: str
    one: str
    many: str


class Knobs(PageModel):
    """What a reader chooses of the colours, as `igbatch.report.color.wording.knobs` gives it."""

    scopes: list[ScopeChoice]
    regions: list[RegionChoice]
    """Those that the study has ranges of; pixels first."""
    rules: list[RuleChoice]
    parts: list[PartChoice]
    palettes: list[PaletteChoice]
    limits: KnobLimits
    sentences: Sentences
