"""What the page's script gets of a study: the models that `viewer/src/study_types.ts` is generated from.

`python igbatch/report/viewer/schema.py` writes their JSON schema, `npm run build` the TypeScript.
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field

from igbatch.reduce.ranges import Scope
from igbatch.report.figures.image_data import DrawnBox
from igbatch.report.page.knob_data import Finite, Knobs, Name, PageModel, Time


class RegionRange(PageModel):
    """The smallest and largest value of all regions of the maps of a scope, in units of the output."""

    minimum: float
    maximum: float
    n_maps: int
    complete: bool
    """False while maps of the scope are missing."""
    quantiles: list[float]
    """Of |a| over all regions of the scope's maps, at 90.0, 90.1, ... 100.0 %, from histograms."""


class Range(RegionRange):
    """The range of pixels of the maps of a scope, and of sums over other regions."""

    patches: dict[str, RegionRange]
    """By the size of `RegionChoice`; none where the study was computed before they were kept."""


class Extremes(PageModel):
    """The smallest and largest sum over regions of one map."""

    minimum: float
    maximum: float


class Named(PageModel):
    """What goes by an id; its name is the same as a reader sees it."""

    id: str
    name: Name


class PageTarget(Named):
    """A target of the study."""

    contrast: bool = False
    """The difference of two classes: its maps share ranges with those of the same contrast only."""


class PageVariant(Named):
    """A variant that the page shows of some image."""

    kind: str
    model: Name
    range: Range | None
    """Of all its maps of classes in the study; null where there is none."""
    contrasts: dict[str, Range | None] = Field(default_factory=dict)
    """Of all its maps of each contrast, by the place of the target."""


class FrameLabels(PageModel):
    """Which superpixel or object each pixel of an image is in."""

    block: str
    """Id of the element that holds their numbers."""
    regions: int
    names: list[Name]
    """Of objects, by their numbers; none of superpixels."""


class ModelFrame(PageModel):
    """An image as one model saw it."""

    model: Name
    width: int
    height: int
    picture: str
    """A data URI; empty where the image cannot be read, and `missing` says why."""
    missing: str
    boxes: list[DrawnBox]
    labels: dict[str, FrameLabels] = Field(default_factory=dict)
    """By the size of `RegionChoice`, as far as they are kept."""


class StoredBox(PageModel):
    """What the study stored of one map in one box."""

    box: int
    """Place in the frame's boxes."""
    pixels: int
    sum: float
    share: Finite
    sum_spread: Finite = None
    """Standard deviation of the sum over the baselines; null with one baseline."""
    sign_agreement: Finite = None
    """Share of the baselines under which the sum has its sign; null likewise."""
    deletion: Finite = None
    """What the output loses when the box is filled with the baseline; null where it was not measured."""
    deletion_blurred: Finite = None
    """The same with a blur of the image."""
    true_effect: Finite = None
    """What it loses when a scene is drawn without the bird; null where it was not measured."""


class StoredMap(PageModel):
    """One map: its numbers, and where its values are. Numbers are null where it was not computed."""

    target: int
    """Place in the study's targets."""
    block: str
    """Id of the element that holds its values; empty where it has none, and `missing` says why."""
    scale: float
    """Values are integers times this, in units of the output."""
    missing: str
    class_index: int | None = None
    """The logit that it explains; null where it was not computed, and where it is not of one class."""
    class_name: Name = ""
    """The class that the target is on this image, where its own name does not say it."""
    minimum: Finite = None
    maximum: Finite = None
    sum: Finite = None
    abs_sum: Finite = None
    probability: Finite = Field(None, validation_alias="target_probability")
    score: Finite = None
    score_baseline: Finite = None
    patches: dict[str, Extremes] = Field(default_factory=dict)
    """By the size of `RegionChoice`."""
    gap: Finite = Field(None, validation_alias="convergence_delta")
    steps: int | None = None
    converged: bool | None = None
    marks: list[str]
    """What to be careful about, in words."""
    boxes: list[StoredBox]


class ImageVariant(PageModel):
    """The maps of one variant of an image."""

    variant: int
    """Place in the study's variants."""
    prediction: str
    range: Range | None
    """Of the maps of all classes, of this image and variant."""
    maps: list[StoredMap]
    """One for each target of the study, in its order."""


class StudyImage(Named):
    """One image that the page shows."""

    label: Name
    chosen: Name
    """Why it is shown."""
    range: Range | None
    """Of the maps of all variants and classes, of this image."""
    contrasts: dict[str, Range | None] = Field(default_factory=dict)
    """Of all variants' maps of each contrast, by the place of the target."""
    frames: list[ModelFrame]
    variants: list[ImageVariant]
    """Those that are shown of it, in the order of the study."""


class BoxMean(PageModel):
    """The mean of sums in boxes of one label over the data set, with its 95 % interval."""

    variant: Name = Field(validation_alias="variant_id")
    label: Name = Field(validation_alias="box_label")
    target: Name
    mean: float = Field(validation_alias="mean_sum")
    low: Finite = Field(validation_alias="mean_sum_low")
    high: Finite = Field(validation_alias="mean_sum_high")
    images: int = Field(validation_alias="n_images")


class CheckPoint(PageModel):
    """One audit in a series."""

    at: Time = Field(validation_alias="made_at")
    """ISO 8601, UTC."""
    night: Name
    """Empty where it is none."""
    figure: float
    threshold: Finite
    outcome: str


class CheckSeries(PageModel):
    """The figure of one check over time, against references of one role."""

    role: Name
    check: Name = Field(validation_alias="name")
    title: Name
    unit: Name
    at_least: bool
    """The figure must not fall below the threshold; otherwise it must not rise above it."""
    points: list[CheckPoint]
    """In order of time."""


class PageStudy(PageModel):
    """What the page holds of a study."""

    format: Literal[2] = 2
    name: Name
    unit: str
    """Of attributions, in words: "of probability"."""
    quantile_error: float
    """Bound of the relative error of quantiles from histograms."""
    raw: Range | None
    """The magnitude at the ends of the raw scale, as a range; null where no map is there."""
    dataset: Range | None
    contrasts: dict[str, Range | None] = Field(default_factory=dict)
    """Of all maps of each contrast in the study, by the place of the target."""
    knobs: Knobs
    variants: list[PageVariant]
    targets: list[PageTarget]
    images: list[StudyImage]
    first: list[int]
    """Places of the variants that are shown at first; all where empty."""
    first_regions: int
    """Size of the regions that are shown at first."""
    first_scope: Scope | None = None
    """The scope at first; null: the one that joins an image's targets."""
    noun: str = "variant"
    """What a row of maps is of."""
    aggregates: list[BoxMean]
    """Of boxes over the data set, for the chart."""
    history: list[CheckSeries]
    """Figures of audits over time; empty where no history is kept."""


def json_in_html(study: PageModel) -> str:
    """Return JSON that a script element may hold: ASCII, without `<`, `>` and `&`, whatever the names are.

    Lone surrogates and the line separators U+2028 and U+2029 are escaped too, since all beyond ASCII is.
    """
    text = json.dumps(study.model_dump(), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
