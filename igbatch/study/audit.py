"""The sections on audits: thresholds, faithfulness, curves, who is notified, and what nights keep."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from igbatch.study.section import Section, SeededSample

Fraction = Annotated[float, Field(ge=0, le=1)]
Bound = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Faithfulness(Section):
    """On how many images, drawn under a seed, infidelity and maximum sensitivity are measured, and how.

    `variants` are those whose maps are measured: the trained ones, all, or some by id. `perturbations` are
    drawn for each image; `radius` is that of maximum sensitivity, where black is 0 and white is 1. Both
    measures are captum's (docs/measures.md).
    """

    images: SeededSample = SeededSample(sample=4)
    variants: Literal["trained", "all"] | tuple[str, ...] = "trained"
    perturbations: Annotated[int, Field(ge=1, le=1000)] = 10
    radius: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.02


MAX_CURVE_IMAGES = 1000
CurveRegions = Literal["pixel", "patch 4", "patch 8", "patch 16", "patch 32", "superpixels"]
Fill = Literal["baseline", "blurred"]


class Curves(Section):
    """For how many images, drawn under a seed, curves of deletion and insertion are measured, and how.

    `variants` are those whose maps give the order: the trained ones, all, or some by id. `regions` are
    what is removed or inserted, in `steps` equal parts; `fills` what stands where a region is removed.
    `random_orders` are drawn for each image under the sample's seed.
    """

    images: SeededSample = SeededSample(sample=8)
    variants: Literal["trained", "all"] | tuple[str, ...] = "trained"
    regions: Annotated[tuple[CurveRegions, ...], Field(min_length=1)] = ("patch 16",)
    steps: Annotated[int, Field(ge=1, le=1000)] = 20
    random_orders: Annotated[int, Field(ge=1, le=100)] = 5
    fills: Annotated[tuple[Fill, ...], Field(min_length=1)] = ("baseline", "blurred")

    @field_validator("images")
    @classmethod
    def _not_too_many(cls, images: SeededSample) -> SeededSample:
        if images.sample > MAX_CURVE_IMAGES:
            raise ValueError(f"curves are of a sample: give at most {MAX_CURVE_IMAGES} images")
        return images

    @field_validator("regions", "fills")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("one of them is there twice; name each once")
        return names


class Thresholds(Section):
    """What an audit lets pass, by check; null turns a check off.

    Attributes:
        convergence: the share of converged maps may fall by so much.
        completeness: the completeness gap may grow by this factor.
        predictions: share of images whose predicted class may change.
        probabilities: mean change of a target's probability.
        largest_probability: largest change of a target's probability.
        box_sums: change of the mean sum in boxes, of their mean |sum|.
        box_signs: share of sums in boxes that may change their sign.
        deletions: change of the mean loss without boxes, of its mean size.
        ranges: change of a joint minimum or maximum, of the range's width.
        similarity: median rank correlation of maps, at least.
        distance: median relative L2 distance of maps.
        localization: fall of the share of |a| in a target's own box, of what it was.
        sanity: the sanity ratio may fall to so much of what it was.
        infidelity, sensitivity: mean of each may grow by this factor.
        curves: change of a mean area under curves, of the mean |F(image) - F(fill)|.
        quarantine: the share of rows that are missing may grow by so much.
    """

    convergence: Fraction | None = 0.01
    completeness: Bound | None = 1.5
    predictions: Fraction | None = 0.01
    probabilities: Fraction | None = 0.01
    largest_probability: Fraction | None = 0.1
    box_sums: Bound | None = 0.1
    box_signs: Fraction | None = 0.05
    deletions: Bound | None = 0.1
    ranges: Bound | None = 0.2
    similarity: Annotated[float, Field(ge=-1, le=1)] | None = 0.95
    distance: Bound | None = 0.2
    localization: Fraction | None = 0.1
    sanity: Bound | None = 0.7
    infidelity: Bound | None = 1.5
    sensitivity: Bound | None = 1.5
    curves: Bound | None = 0.05
    quarantine: Fraction | None = 0.001


class Webhook(Section):
    """A chat that is notified of each audit. `variable` names the environment variable that holds its URL."""

    variable: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    when: Literal["always", "failed"] = "always"


class Retain(Section):
    """Of how many of the last nights the maps are kept; a night prunes those of older ones at its end.

    Maps of the reference and of the last good night stay, and statistics of all nights do.
    """

    maps: Annotated[int, Field(ge=1)]


class AuditSection(Section):
    """How a study is audited against a reference, who is notified, and what nights keep."""

    thresholds: Thresholds = Thresholds()
    faithfulness: Faithfulness | None = None
    curves: Curves | None = None
    webhook: Webhook | None = None
    retain: Retain | None = None
