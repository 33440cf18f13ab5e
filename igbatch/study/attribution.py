"""The section on the integral, and on smoothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from igbatch.study.section import Section, Seed, Steps


class Smoothing(Section):
    """Maps are averaged over `samples` copies of the image with normal noise.

    `noise` is its standard deviation, where black is 0 and white is 1.

    Source: Smilkov et al., *SmoothGrad*, 2017; Hedström et al., *Sanity Checks Revisited*, 2024 (sMPRT).
    """

    samples: Annotated[int, Field(ge=2, le=1000)]
    noise: Annotated[float, Field(gt=0, le=1)] = 0.1
    seed: Seed = 0


class DrawnBaselines(Section):
    """`images` of the data set are the baselines, drawn under `seed` (expected gradients).

    Source: Erion et al., *Improving performance of deep learning models with axiomatic attribution priors and
    expected gradients*, 2021.
    """

    images: Annotated[int, Field(ge=1, le=1000)]
    seed: Seed = 0


Level = Annotated[int, Field(strict=True)]
Listed = Annotated[tuple[str | tuple[Level, Level, Level], ...], Field(min_length=1, max_length=1000)]


def _form(value: Any) -> str | None:
    """Return which form of `baseline` a value of the study file has, None where it has none."""
    if isinstance(value, (dict, DrawnBaselines)):
        return "drawn"
    if isinstance(value, str):
        return "name"
    if isinstance(value, (list, tuple)):
        if len(value) == 3 and not any(isinstance(each, (str, list, tuple, dict)) for each in value):
            return "colour"
        return "listed" if {*map(_form, value)} in ({"name"}, {"colour"}, {"name", "colour"}) else None
    return None


Baseline = Annotated[
    Annotated[str, Tag("name")]
    | Annotated[tuple[int, int, int], Tag("colour")]
    | Annotated[Listed, Tag("listed")]
    | Annotated[DrawnBaselines, Tag("drawn")],
    Discriminator(
        _form,
        custom_error_type="baseline",
        custom_error_message="give a name such as gray, three numbers [r, g, b], a list of these, or a "
        "mapping with `images`, so many of the data set",
    ),
]
"""One baseline by its name or colour, several of these, or images of the data set."""


class AttributionSection(Section):
    """How the integral is taken: baseline, output, quadrature, tolerance and arithmetic."""

    baseline: Baseline = "gray"
    output: Literal["probability", "logit", "log-probability"] = "probability"
    rule: Literal["gauss-legendre", "midpoint", "trapezoid", "left", "right"] = "gauss-legendre"
    steps: Steps = "auto"
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.01
    atol: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-6
    max_steps: Annotated[int, Field(ge=5, le=100_000)] = 2000
    precision: Literal["auto", "float32", "float64", "tensorfloat32", "bfloat16", "float16"] = "float32"
    micro_batch: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = "auto"
    passes: Literal["auto", "eager", "compiled", "captured"] = "auto"
    reproducible: Literal["shard", "image"] = "shard"
    smoothing: Smoothing | None = None
    deletion: Literal["trained", "all", "none"] = "trained"

    @property
    def baselines(self) -> int:
        """How many baselines there are."""
        if isinstance(self.baseline, DrawnBaselines):
            return self.baseline.images
        several = isinstance(self.baseline, tuple) and not isinstance(self.baseline[0], int)
        return len(self.baseline) if several else 1

    @property
    def copies(self) -> int:
        """How many maps a map is the mean of: over noisy copies of the image, or over baselines."""
        return self.smoothing.samples if self.smoothing else self.baselines
