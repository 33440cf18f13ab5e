"""What the page's script gets of a study: the models that `viewer/src/study_types.ts` is generated from.

`python -m igbatch.report.page.viewer_data` writes their JSON schema, `npm run build` the TypeScript.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import GenerateJsonSchema

from igbatch.reduce.ranges import Scope
from igbatch.report.color.wording import Knob, Part, Rule

SCHEMA = Path(__file__).parents[1] / "viewer/study.schema.json"


class PageModel(BaseModel):
    """A part of the page's JSON: no key is missing or unknown, and every number is finite."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class ScopeChoice(PageModel):
    """A scope: which maps share a range, and what that makes comparable."""

    scope: Scope
    title: str
    over: str
    """Whose minimum and maximum it is; `{maps}` stands for the number of maps."""
    compare: str
    beware: str


class RuleChoice(PageModel):
    """How a range becomes the ends of the colour scale."""

    rule: Rule
    title: str
    words: str
    """`{p}` stands for the percentile, in the title too."""


class PartChoice(PageModel):
    """Which values of a map are shown."""

    part: Part
    title: str
    words: str


class PaletteChoice(PageModel):
    """A colour map from the most negative to the most positive, white or gray in its middle."""

    palette: str
    title: str
    colors: list[str]
    """An odd number of colours, each `#rrggbb`."""
    line: str


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
    histogram: str
    """Of a quantile from histograms; `{error}` stands for its bound, as in "15.5 %"."""


class Knobs(PageModel):
    """What a reader chooses of the colours, as `igbatch.report.color.wording.knobs` gives it."""

    scopes: list[ScopeChoice]
    rules: list[RuleChoice]
    parts: list[PartChoice]
    palettes: list[PaletteChoice]
    limits: KnobLimits
    sentences: Sentences


class Range(PageModel):
    """The smallest and largest value of all maps of a scope, in units of the output."""

    minimum: float
    maximum: float
    n_maps: int
    complete: bool
    """False while maps of the scope are missing."""
    quantiles: list[float]
    """Of |a| over all pixels of the scope's maps, at 90.0, 90.1, ... 100.0 %, from histograms."""


class PageVariant(PageModel):
    """A variant that the page shows of some image."""

    id: str
    name: str
    kind: str
    model: str
    range: Range | None
    """Of all its maps in the study; null where there is none."""


class PageTarget(PageModel):
    """A target whose maps the page holds."""

    id: str
    name: str


class DataBox(PageModel):
    """A box of the data set: half-open pixels of the model's input."""

    id: str
    name: str
    color: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int


class ModelFrame(PageModel):
    """An image as one model saw it."""

    model: str
    width: int
    height: int
    picture: str
    """A data URI; empty where the image cannot be read, and `missing` says why."""
    missing: str
    boxes: list[DataBox]


class StoredBox(PageModel):
    """What the study stored of one map in one box."""

    box: int
    """Place in the frame's boxes."""
    pixels: int
    sum: float
    share: float | None


class StoredMap(PageModel):
    """One map: its numbers, and where its values are. Numbers are null where it was not computed."""

    target: int
    """Place in the study's targets."""
    block: str
    """Id of the element that holds its values; empty where it has none, and `missing` says why."""
    scale: float
    """Values are integers times this, in units of the output."""
    missing: str
    minimum: float | None
    maximum: float | None
    sum: float | None
    abs_sum: float | None
    probability: float | None
    score: float | None
    score_baseline: float | None
    gap: float | None
    steps: int | None
    converged: bool | None
    marks: list[str]
    """What to be careful about, in words."""
    boxes: list[StoredBox]


class ImageVariant(PageModel):
    """The maps of one variant of an image."""

    variant: int
    """Place in the study's variants."""
    prediction: str
    range: Range | None
    """Of all targets' maps of this image and variant."""
    maps: list[StoredMap]
    """One for each target of the study, in its order."""


class StudyImage(PageModel):
    """One image that the page shows."""

    id: str
    name: str
    label: str
    chosen: str
    """Why it is shown."""
    range: Range | None
    """Of all variants' and targets' maps of this image."""
    frames: list[ModelFrame]
    variants: list[ImageVariant]
    """Those that are shown of it, in the order of the study."""


class First(PageModel):
    """What is shown at first, as places; all where empty."""

    variants: list[int]
    targets: list[int]


class BoxMean(PageModel):
    """The mean of sums in boxes of one label over the data set, with its 95 % interval."""

    variant: str
    label: str
    target: str
    mean: float
    low: float | None
    high: float | None
    images: int


class CheckPoint(PageModel):
    """One audit in a series."""

    at: str
    """ISO 8601, UTC."""
    night: str
    """Empty where it is none."""
    figure: float
    threshold: float | None
    outcome: str


class CheckSeries(PageModel):
    """The figure of one check over time, against references of one role."""

    role: str
    check: str
    title: str
    unit: str
    at_least: bool
    """The figure must not fall below the threshold; otherwise it must not rise above it."""
    points: list[CheckPoint]
    """In order of time."""


class PageStudy(PageModel):
    """What the page holds of a study."""

    format: Literal[2] = 2
    name: str
    unit: str
    """Of attributions, in words: "of probability"."""
    quantile_error: float
    """Bound of the relative error of quantiles from histograms."""
    raw: Range | None
    """The magnitude at the ends of the raw scale, as a range; null where no map is there."""
    dataset: Range | None
    knobs: Knobs
    variants: list[PageVariant]
    targets: list[PageTarget]
    images: list[StudyImage]
    first: First
    aggregates: list[BoxMean]
    """Of boxes over the data set, for the chart."""
    history: list[CheckSeries]
    """Figures of audits over time; empty where no history is kept."""


class _Schema(GenerateJsonSchema):
    """Every key is there; titles of fields would become names of types in TypeScript."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> str:
    """Return the JSON schema of what the script reads, as text."""
    found = PageStudy.model_json_schema(mode="serialization", schema_generator=_Schema)
    return json.dumps(found, indent=1) + "\n"


def json_in_html(study: PageStudy) -> str:
    """Return JSON that a script element may hold: ASCII, without `<`, `>` and `&`, whatever the names are.

    Lone surrogates and the line separators U+2028 and U+2029 are escaped too, since all beyond ASCII is.
    """
    text = json.dumps(study.model_dump(), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


if __name__ == "__main__":
    SCHEMA.write_text(schema(), "utf-8")
