"""Settling what `auto` means on one kind of device: arithmetic, micro-batch, who may share it.

It is measured once a study and kind of device, on the study's own images and models, kept in `study.json`
and used again on resume and growth, so that a study's numbers do not depend on when they were computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from igbatch.attribution import Example, Settings, default_micro_batch
from igbatch.attribution.pool import whole_rows
from igbatch.attribution.probe import (
    arithmetic_error,
    choose_micro_batch,
    choose_precision,
    rows_are_alike,
)
from igbatch.study import Attribution

Sample = tuple[nn.Module, Sequence[Example]]
"""A variant's model, and a few of the study's images for it."""


@dataclass(frozen=True)
class Settled:
    """What all workers on one kind of device run with.

    Attributes:
        precision: a key of `igbatch.attribution.PRECISIONS`.
        arithmetic_error: relative L2 error of a map to be reckoned with because of it.
        micro_batch: the most rows that go through the model together.
        mixed: whether nodes of several images may share a micro-batch without a map's bits depending on it.
        row_milliseconds: time of a row, as far as it was measured.
        reasons: what was measured, one sentence for each choice.
    """

    precision: str
    arithmetic_error: float
    micro_batch: int
    mixed: bool
    row_milliseconds: float | None = None
    reasons: tuple[str, ...] = ()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Settled | None:
        """Return what `study.json` holds of an earlier run, None where that run settled nothing."""
        names = [name for name in cls.__dataclass_fields__ if name in record]
        if "precision" not in names:
            return None
        known = cls(**{name: record[name] for name in names})
        return replace(known, reasons=tuple(known.reasons))


def settle(study: Attribution, samples: Sequence[Sample]) -> Settled:
    """Measure what the study leaves open.

    Args:
        study: the study's `attribution` section.
        samples: the first is the one that is asked the most of: the trained model where there is one.
            An arithmetic has to do for the others too.
    """
    model, examples = samples[0]
    settings = Settings(
        rule=study.rule,
        steps=study.steps,
        tolerance=study.tolerance,
        atol=study.atol,
        max_steps=study.max_steps,
        output=study.output,
        precision="float32" if study.precision == "auto" else study.precision,
        micro_batch=None if study.micro_batch == "auto" else study.micro_batch,
    )
    precision, error, reasons = _precision(study, samples, settings)
    settings = replace(settings, precision=precision, arithmetic_error=error)
    milliseconds = None
    if study.micro_batch == "auto":
        choice = choose_micro_batch(model, examples[0], settings)
        settings = replace(settings, micro_batch=choice.rows)
        milliseconds = round(choice.row_seconds * 1e3, 2)
        reasons.append(f"micro_batch {choice.reason}")
    mixed = rows_are_alike(model, examples[0], settings)
    if not mixed:
        reasons.append("images do not share micro-batches: a row's bits depend on its place here")
    rows = settings.micro_batch or default_micro_batch(examples[0].image.device)
    return Settled(precision, error, whole_rows(rows), mixed, milliseconds, tuple(reasons))


def _precision(
    study: Attribution, samples: Sequence[Sample], settings: Settings
) -> tuple[str, float, list[str]]:
    """Return the precision, the error to be reckoned with, and why."""
    if study.precision != "auto":
        errors = [arithmetic_error(model, examples, settings) for model, examples in samples]
        return settings.precision, max(errors), []
    model, examples = samples[0]
    choice = choose_precision(model, examples, settings)
    error = choice.error
    if choice.precision != "float32":
        chosen = replace(settings, precision=choice.precision)
        error = max([error, *(arithmetic_error(model, examples, chosen) for model, examples in samples[1:])])
        if error > settings.tolerance / 2:
            reason = f"{choice.precision} is {error:.1%} off for a randomized variant"
            return "float32", 0.0, [f"precision float32: {reason}; {choice.reason}"]
    return choice.precision, error, [f"precision {choice.precision}: {choice.reason}"]
