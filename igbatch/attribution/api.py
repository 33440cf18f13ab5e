"""Integrated Gradients of image classifiers: the call, its checks, and its result."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .calibrate import arithmetic_error as measured_error
from .calibrate import choose_graphs, choose_precision
from .contrasts import NONE
from .engine import NUMBERS, attribute, micro_batch_of
from .errors import AttributionError, is_whole
from .frozen import Model
from .graphs import FORMS, Graphs
from .precision import PRECISIONS
from .settings import DEFAULT_MAX_STEPS, Example, Settings

Baseline = Tensor | np.ndarray | float
"""A number (Python's or NumPy's), an array or a tensor; of any real type but bool."""


@dataclass(frozen=True, eq=False)
class AttributionResult:
    """Maps of N images and K targets, with what is known of their quality; tensors on the images' device.

    All numbers but ``steps`` and ``converged`` are in units of the output (``map_error`` is relative).

    Attributes:
        attributions: float32 [N, K, H, W], channels summed; [N, K, C, H, W] where channels were kept.
        scores: float64 [N, K], the output at the image.
        baseline_scores: float64 [N, K], the output at the baseline.
        convergence_delta: float64 [N, K], sum of the map - (score - baseline score); 0 if exact.
        steps: int64 [N, K], the nodes that the map was computed from.
        map_error: float64 [N, K], a bound of the map's relative L2 error, met by 99 % of maps; NaN where it
            was not estimated.
        converged: bool [N, K], whether the map's error, as far as known, is within the tolerance.
        micro_batch: the most batch rows that went through the model together.
    """

    attributions: Tensor
    scores: Tensor
    baseline_scores: Tensor
    convergence_delta: Tensor
    steps: Tensor
    map_error: Tensor
    converged: Tensor
    micro_batch: int


def integrated_gradients(
    model: Model,
    images: Tensor,
    targets: Sequence[int] | Tensor,
    baseline: Baseline,
    *,
    rule: str = "gauss-legendre",
    steps: int | Literal["auto"] = 50,
    tolerance: float = 0.01,
    output: str = "probability",
    precision: str = "float32",
    micro_batch: int | None = None,
    keep_channels: bool = False,
    atol: float = 1e-6,
    max_steps: int = DEFAULT_MAX_STEPS,
    arithmetic_error: float | None = None,
    passes: str = "eager",
    contrasts: Sequence[tuple[int, int]] = (),
) -> AttributionResult:
    """Return the Integrated Gradients of images for several targets, from one forward pass a node.

    A map is the sum over nodes a, with weights w, of ``w * (x - x') * dF/dx (x' + a (x - x'))``: x is the
    image, x' the baseline, F the target's output. Outputs and sums over nodes are computed in float64, paths
    and products in the type of the model's passes. The same call (the same images in the same order, kind of
    device, number of threads and ``micro_batch``) gives the same bits; with other images beside it, a map
    changes by no more than its error. Beyond images and result, memory grows with ``micro_batch``, and with
    neither steps, images nor targets.

    Args:
        model: any callable from preprocessed images [batch, C, H, W] to logits [batch, classes]. A module
            runs in evaluation mode with frozen parameters, and is put back as it was; a callable runs as is.
        images: floating [N, C, H, W], preprocessed, on the model's device.
        targets: K class indices for all images, or an integer tensor [N, K].
        baseline: preprocessed like the images; a number, or a tensor or array that broadcasts to them.
        rule: a key of ``RULES``, for a number of steps.
        steps: the number of nodes; "auto": as many as each map needs for ``tolerance``, up to ``max_steps``.
        tolerance: where steps are "auto", the relative L2 error of a map that is allowed, and its
            completeness gap beside its absolute sum. With a number of steps a map has converged when
            ``abs(convergence_delta) <= tolerance * abs(score - baseline score) + atol``: errors that cancel
            are not seen.
        output: a key of ``OUTPUTS``: what is explained.
        precision: a key of ``PRECISIONS``: the arithmetic of the model's passes; "auto": the cheapest that
            fits within ``tolerance``, as measured on the first images; float32 for calls of so few
            images that measuring would take a fifth of their time.
        micro_batch: the most batch rows that go through the model together; None: ``default_micro_batch``.
            Halved where memory runs out.
        keep_channels: return the channels' maps instead of their sum.
        atol: in units of the output; a gap below it counts as none, since ratios explode for maps that are
            nearly nothing.
        max_steps: the most nodes of a map where steps are "auto"; it has not converged if more were needed.
        arithmetic_error: the relative error of a map that the precision brings; None: measured on the first
            images where the precision is below float32.
        passes: how the model's passes run: "eager", operation by operation; "compiled", by torch.compile,
            which takes minutes the first time; "captured", as a CUDA graph; "auto": captured on a GPU,
            compiled on a CPU where the call is long enough. What cannot be compiled or captured runs eager,
            with a warning.
        contrasts: pairs of classes: behind the targets come, as further targets, the first one's output less
            the other's. A contrast of two targets needs no pass of its own.

    Raises:
        AttributionError: an argument is of another shape, type or name than described; the model does not
            return logits, they change with the images but carry no gradient to them, or there is one logit
            alone and the output is no logit; a target is no class of the model.

    Warns:
        UserWarning: a target's output does not change between the baseline and another image, at no node of
            the path: its map is 0.

    Source: Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017, eq. 1 and 3.
    """
    _require_images(images)
    settings = Settings(
        rule=rule, steps=steps, tolerance=tolerance, atol=atol, max_steps=max_steps, output=output,
        precision="float32" if precision == "auto" else precision, micro_batch=micro_batch,
        keep_channels=keep_channels,
    )  # fmt: skip
    starts = _checked_baseline(baseline, images)
    indices = _with_contrasts(_checked_targets(targets, images), contrasts)
    examples = [Example(*each) for each in zip(images.detach(), starts, indices, strict=True)]
    if precision == "auto" or not PRECISIONS[settings.precision].exact:
        settings = _measured(model, examples, settings, precision, arithmetic_error)
    shape = (*indices.shape[:2], *images.shape[1 if keep_channels else 2 :])
    maps = images.new_zeros(shape, dtype=torch.float32)
    numbers = np.zeros((len(NUMBERS), *indices.shape[:2]))
    rows = micro_batch_of(settings, images.device)
    for done in attribute(model, examples, settings, graphs=_graphs(model, examples, settings, passes)):
        maps[done.index] = done.attributions
        numbers[:, done.index] = [getattr(done, name) for name in NUMBERS]
        rows = done.micro_batch
    scores, baseline_scores, delta, steps_, error, converged = torch.from_numpy(numbers).to(images.device)
    differs = (images != starts).flatten(1).any(1)[:, None]
    warn_of_constant(differs & (scores == baseline_scores) & (maps == 0).flatten(2).all(2), stacklevel=2)
    return AttributionResult(
        maps, scores, baseline_scores, delta, steps_.long(), error, converged.bool(), rows
    )


def warn_of_constant(constant: Tensor, stacklevel: int) -> None:
    """Warn of targets whose output does not change along the path: their maps of 0 are not measured evidence.

    Args:
        constant: bool [N, K], for which images and targets it is so.
        stacklevel: of `warnings.warn`, counted from the caller.
    """
    if constant.any():
        image, target = torch.nonzero(constant)[0].tolist()
        warnings.warn(
            f"the output does not change from the baseline to the image in {int(constant.sum())} of"
            f" {constant.numel()} maps (first: image {image}, target {target} of the call): these maps are 0",
            stacklevel=stacklevel + 1,
        )


def _measured(
    model: Model, examples: Sequence[Example], settings: Settings, precision: str, error: float | None
) -> Settings:
    """Choose a precision that is `auto`, or measure the error of one below float32, on the first images."""
    if not examples:
        return settings
    if precision == "auto":
        choice = choose_precision(model, examples, settings, ahead=len(examples))
        return replace(settings, precision=choice.precision, arithmetic_error=choice.error)
    if error is None:
        error = measured_error(model, examples, settings)
        if not math.isfinite(error):
            raise AttributionError(
                f"precision={settings.precision!r}: maps of the first images are not finite in it, or not in"
                ' float32 either: use precision="float32" to see which'
            )
    return replace(settings, arithmetic_error=error)


def _graphs(model: Model, examples: Sequence[Example], settings: Settings, passes: str) -> Graphs | None:
    if passes not in ("auto", *FORMS):
        raise AttributionError(f"passes={passes!r} is unknown: choose auto or one of {', '.join(FORMS)}")
    if passes == "eager" or not examples:
        return None
    graphs, reason = choose_graphs(model, examples[0], settings, passes, ahead=len(examples))
    if passes not in ("auto", graphs.form):
        warnings.warn(reason, stacklevel=3)
    return graphs


def _require_images(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
        found = (images.dtype, list(images.shape)) if isinstance(images, Tensor) else type(images).__name__
        raise AttributionError(f"images are {found}: give a preprocessed floating tensor [N, C, H, W]")


def baseline_tensor(value: Baseline) -> Tensor:
    """Return a baseline as a detached tensor, float64 where it was a number of Python's.

    Raises:
        AttributionError: it is of another type, or holds a value that is not finite.
    """
    known = isinstance(value, (Tensor, np.ndarray, np.number, float, int)) and not isinstance(value, bool)
    if not known:
        raise AttributionError(
            f"a baseline is {type(value).__name__}: give a number, or an array or a tensor of numbers"
        )
    try:
        start = torch.as_tensor(value, dtype=torch.float64 if isinstance(value, (float, int)) else None)
    except (TypeError, RuntimeError) as error:
        raise AttributionError(f"a baseline is no array of numbers ({error}): give one of floats") from error
    if start.dtype == torch.bool or start.is_complex():
        raise AttributionError(f"a baseline holds {start.dtype}: give real numbers")
    if not bool(torch.isfinite(start).all()):
        raise AttributionError("a baseline holds NaN or infinity: give finite numbers")
    return start.detach()


def _checked_baseline(baseline: Baseline, images: Tensor) -> Tensor:
    """Return the baseline as [N, C, H, W], a view where it was smaller."""
    start = baseline_tensor(baseline)
    try:
        return start.to(images.device).expand(images.shape)
    except RuntimeError as error:
        raise AttributionError(
            f"the baseline {list(start.shape)} does not broadcast to the images {list(images.shape)}:"
            " give a number, [C, 1, 1], [C, H, W] or [N, C, H, W]"
        ) from error


def _checked_targets(targets: Sequence[int] | Tensor, images: Tensor) -> Tensor:
    """Return the targets as int64 [N, K] on the images' device."""
    try:
        indices = torch.as_tensor(targets)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AttributionError(f"targets={targets!r}: give class indices, such as [22, 18]") from error
    if indices.numel() == 0 and indices.ndim == 1 and len(images):
        raise AttributionError("targets are empty: give class indices, such as [22, 18]")
    if indices.dtype == torch.bool or indices.is_floating_point() or indices.is_complex():
        raise AttributionError(f"targets are {indices.dtype}: give class indices as integers")
    if indices.ndim not in (1, 2) or (indices.numel() == 0 and len(images) > 0):
        raise AttributionError(f"targets have shape {list(indices.shape)}: give K class indices or [N, K]")
    if indices.ndim == 2 and len(indices) != len(images):
        raise AttributionError(
            f"targets [N, K] have {len(indices)} rows for {len(images)} images: give a row an image"
        )
    if indices.numel() and int(indices.min()) < 0:
        raise AttributionError(f"targets hold {int(indices.min())}: class indices count from 0")
    return indices.to(images.device, torch.int64).expand(len(images), -1)


def _with_contrasts(targets: Tensor, contrasts: Sequence[tuple[int, int]]) -> Tensor:
    """Return targets, int64 [N, K], with contrasts behind them as [N, K + contrasts, 2], or as they are."""
    if not contrasts:
        return targets
    for pair in contrasts:
        if len(pair) != 2 or not all(is_whole(each) and each >= 0 for each in pair) or pair[0] == pair[1]:
            raise AttributionError(
                f"contrasts hold {pair!r}: give two different class indices, such as (22, 18)"
            )
    classes = torch.stack([targets, torch.full_like(targets, NONE)], 2)
    pairs = torch.as_tensor(contrasts, dtype=torch.int64, device=targets.device)
    return torch.cat([classes, pairs.expand(len(targets), -1, -1)], 1)
