"""The section on the integral, and on smoothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from igbatch.study.section import Section, Seed, Steps


class Smoothing(Section):
    """Maps are averaged over `samples` copies of the image with normal noise.

    `noise` is its standard deviation, where black is 0 and white is 1.

    Source: Smilkov et al., *SmoothGrad*, 2017; Hedström et al., *Sanity Checks Revisited*, 2024 (sMPRT).
    """

    samples: Annotated[int, Field(ge=2, le=1000)]
    noise: Annotated[float, Field(gt=0, le=1)] = 0.1
    seed: Seed = 0


class AttributionSection(Section):
    """How the integral is taken: baseline, output, quadrature, tolerance and arithmetic."""

    baseline: str | tuple[int, int, int] = "gray"
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
