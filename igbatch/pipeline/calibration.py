"""The calibration: what `auto` comes to on one kind of device (precision, micro-batch, form of the passes).

It is measured once for a study and kind of device, on the study's own images and models, kept in `study.json`
and used again on resume and growth, so that a study's numbers do not depend on when they were computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from torch import nn

from igbatch.attribution import Example, Settings
from igbatch.attribution.averaging import settings_of_copies
from igbatch.attribution.calibrate import (
    arithmetic_error,
    choose_graphs,
    choose_micro_batch,
    choose_precision,
)
from igbatch.attribution.precision import PRECISIONS
from igbatch.errors import InputError
from igbatch.pipeline.messages import Calibration
from igbatch.study import AttributionSection

SAFE_MICRO_BATCH = 4
"""The micro-batch where nothing could be measured."""


class Sample(NamedTuple):
    """A variant's model and steps, and a few of the study's images for it."""

    model: nn.Module
    steps: int | Literal["auto"]
    examples: Sequence[Example]


def uncalibrated(study: AttributionSection) -> Calibration:
    """Return what shards without a single usable image run with; nothing of it is worth keeping."""
    precision = "float32" if study.precision == "auto" else study.precision
    return Calibration(precision, 0.0 if PRECISIONS[precision].exact else 1.0, SAFE_MICRO_BATCH)


def settings_of(
    study: AttributionSection, steps: int | Literal["auto"], calibration: Calibration | None = None
) -> Settings:
    """Return how a variant's integrals are taken; what is not calibrated yet is left at the defaults.

    Where maps are means, over noisy copies or baselines, these are the integrals that are averaged.
    """
    settings = Settings(
        **study.model_dump(include={"rule", "tolerance", "atol", "max_steps", "output"}),
        steps=steps,
        precision="float32" if study.precision == "auto" else study.precision,
        micro_batch=None if study.micro_batch == "auto" else study.micro_batch,
        together=study.reproducible == "shard",
    )
    if study.copies > 1:
        settings = settings_of_copies(settings, study.copies)
    if calibration is None:
        return settings
    return replace(
        settings,
        precision=calibration.precision,
        arithmetic_error=calibration.arithmetic_error,
        micro_batch=settings.micro_batch or calibration.micro_batch,
    )


def calibrate_device(
    study: AttributionSection, samples: Sequence[Sample], ahead: int | None = None, sharing: int = 1
) -> Calibration:
    """Measure what the study leaves open, where so many workers share a device.

    The first sample is of the variant with most nodes, a trained one where there is any. A precision has to
    do for the others too. `ahead` images are to be computed, added over variants, where that is known: trials
    take a fifth of their time at most, and nothing is compiled for a few.
    """
    model, steps, examples = samples[0]
    settings = settings_of(study, steps)
    precision, error, reasons = _precision(study, samples, settings, ahead)
    settings = replace(settings, precision=precision, arithmetic_error=error)
    micro_batch = settings.micro_batch
    if micro_batch is None:
        choice = choose_micro_batch(model, examples[0], settings, sharing)
        micro_batch = choice.size
        reasons.append(f"micro_batch {choice.reason}")
    settings = replace(settings, micro_batch=micro_batch)
    graphs, reason = choose_graphs(model, examples[0], settings, study.passes, ahead or 0)
    kept = tuple(filter(None, [*reasons, reason]))
    return Calibration(precision, error, micro_batch, kept, graphs.form, study.passes)


def _precision(
    study: AttributionSection, samples: Sequence[Sample], settings: Settings, ahead: int | None
) -> tuple[str, float, list[str]]:
    """Return the precision, the error to be reckoned with, and why."""
    if study.precision != "auto":
        error = max(_error(sample, settings) for sample in samples)
        if not math.isfinite(error):
            raise InputError(
                f"attribution.precision: {study.precision}: maps of the first images are not finite in it; "
                "use bfloat16 or float32"
            )
        return settings.precision, error, []
    model, _, examples = samples[0]
    choice = choose_precision(model, examples, settings, ahead, others=len(samples) - 1)
    error = choice.error
    if choice.precision != "float32":
        chosen = replace(settings, precision=choice.precision)
        error = max([error, *(_error(sample, chosen) for sample in samples[1:])])
        if error > settings.tolerance / 2:
            reason = f"{choice.precision} is {error:.1%} off for a randomized variant"
            return "float32", 0.0, [f"precision float32: {reason}; {choice.reason}"]
    return choice.precision, error, [f"precision {choice.precision}: {choice.reason}"]


def _error(sample: Sample, settings: Settings) -> float:
    return arithmetic_error(sample.model, sample.examples, replace(settings, steps=sample.steps))
