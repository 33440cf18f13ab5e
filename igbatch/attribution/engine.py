"""Integrated Gradients of image classifiers: the call, its checks, and the sum over the path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .errors import AttributionError
from .frozen import Model, frozen
from .integrand import Integrand
from .outputs import output_named
from .precision import precision_named
from .rules import Quadrature, rule_nodes
from .schedule import default_micro_batch, end_points, micro_batches

__all__ = ["AttributionResult", "integrated_gradients"]


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
        map_error: float64 [N, K], the estimated relative L2 error of the map; NaN where it was not estimated.
        converged: bool [N, K], whether the map's error, as far as known, is within the tolerance.
    """

    attributions: Tensor
    scores: Tensor
    baseline_scores: Tensor
    convergence_delta: Tensor
    steps: Tensor
    map_error: Tensor
    converged: Tensor


@dataclass(frozen=True, eq=False)
class _Sums:
    """Maps in float32, and their sums in float64 [N, K], taken before rounding."""

    maps: Tensor
    total: Tensor


def integrated_gradients(
    model: Model,
    images: Tensor,
    targets: Sequence[int] | Tensor,
    baseline: Tensor | float,
    *,
    rule: str = "gauss-legendre",
    steps: int | Literal["auto"] = 50,
    tolerance: float = 0.01,
    output: str = "probability",
    precision: str = "float32",
    micro_batch: int | None = None,
    keep_channels: bool = False,
    atol: float = 1e-6,
) -> AttributionResult:
    """Return the Integrated Gradients of images for several targets, from one forward pass a node.

    A map is the sum over nodes a, with weights w, of ``w * (x - x') * dF/dx (x' + a (x - x'))``: x is the
    image, x' the baseline, F the target's output. Outputs, paths and sums are computed in float64. With the
    same kind of device, number of threads, ``steps`` and ``micro_batch``, an image's numbers are bitwise the
    same whatever other images and targets are in the call. Beyond images and result, memory grows with
    ``micro_batch``, and with neither steps nor images.

    Args:
        model: any callable from preprocessed images [rows, C, H, W] to logits [rows, classes]. A module runs
            in evaluation mode with frozen parameters and is put back as it was; a callable runs as it is.
        images: floating [N, C, H, W], preprocessed, on the model's device.
        targets: K class indices for all images, or an integer tensor [N, K].
        baseline: preprocessed like the images; a number, or a tensor that broadcasts to them.
        rule: a key of ``RULES``.
        steps: the number of nodes.
        tolerance: with a number of steps a map has converged when
            ``abs(convergence_delta) <= tolerance * abs(score - baseline score) + atol``. Errors that cancel
            are not seen.
        output: a key of ``OUTPUTS``: what is explained.
        precision: a key of ``PRECISIONS``: the arithmetic of the model's passes.
        micro_batch: the most rows that go through the model together; None: ``default_micro_batch``.
        keep_channels: return the channels' maps instead of their sum.
        atol: in units of the output; a gap below it counts as none, since ratios explode for maps that are
            nearly nothing.

    Raises:
        AttributionError: an argument is of another shape, type or name than described; the model does not
            return logits that depend on the images; a target is no class of the model.

    Source: Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017, eq. 1 and 3.
    """
    _require_images(images)
    if steps == "auto":
        raise AttributionError('steps="auto": adaptive steps are not there yet; give a number')
    for name, value in (("tolerance", tolerance), ("atol", atol)):
        if not (math.isfinite(value) and value >= 0):
            raise AttributionError(f"{name}={value!r}: give a finite number of 0 or more")
    quadrature = rule_nodes(rule, steps)
    rows = default_micro_batch(images.device) if micro_batch is None else micro_batch
    dtype = precision_named(precision).dtype
    with frozen(model, dtype, images.device) as ready:
        integrand = Integrand(
            ready,
            images.detach(),
            _checked_baseline(baseline, images),
            _checked_targets(targets, images),
            output_named(output),
            dtype,
        )
        starts, scores = _end_scores(integrand)
        sums = _integrate(integrand, quadrature, rows, keep_channels)
    delta = sums.total - (scores - starts)
    return AttributionResult(
        attributions=sums.maps,
        scores=scores,
        baseline_scores=starts,
        convergence_delta=delta,
        steps=torch.full_like(integrand.targets, steps),
        map_error=torch.full_like(delta, math.nan),
        converged=delta.abs() <= tolerance * (scores - starts).abs() + atol,
    )


def _end_scores(integrand: Integrand) -> tuple[Tensor, Tensor]:
    """Return the outputs at the baselines and at the images, float64 [N, K] each."""
    ends = integrand.targets.new_zeros((2, *integrand.targets.shape), dtype=torch.float64)
    for batch in end_points(len(integrand.images)):
        ends[:, batch.images[0]] = integrand.scores(batch)
    return ends[0], ends[1]


def _integrate(integrand: Integrand, quadrature: Quadrature, micro_batch: int, keep_channels: bool) -> _Sums:
    """Sum the integrand over the nodes; the map of an image is kept in float64 until its last node is in."""
    shape = (*integrand.targets.shape, *integrand.images.shape[1 if keep_channels else 2 :])
    result = integrand.images.new_zeros(shape, dtype=torch.float32)
    total = result.new_zeros(integrand.targets.shape, dtype=torch.float64)
    open_maps: dict[int, Tensor] = {}
    for batch in micro_batches(quadrature, len(integrand.images), micro_batch):
        rows = integrand.maps(batch, keep_channels=keep_channels)
        for row, image, weight in zip(rows, batch.images.tolist(), batch.weights.tolist(), strict=True):
            if image not in open_maps:
                open_maps[image] = torch.zeros_like(row)
            if weight > 0:  # padding is skipped rather than multiplied by 0
                open_maps[image].add_(row, alpha=weight)
        for image in batch.completes:
            finished = open_maps.pop(image)
            result[image] = finished
            pixels = finished.sum(1) if keep_channels else finished
            total[image] = pixels.sum((1, 2))
    return _Sums(result, total)


def _require_images(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
        found = (images.dtype, list(images.shape)) if isinstance(images, Tensor) else type(images).__name__
        raise AttributionError(f"images are {found}: give a preprocessed floating tensor [N, C, H, W]")


def _checked_baseline(baseline: Tensor | float, images: Tensor) -> Tensor:
    """Return the baseline as [N, C, H, W], a view where it was smaller."""
    start = baseline if isinstance(baseline, Tensor) else torch.as_tensor(baseline, dtype=torch.float64)
    try:
        return start.detach().to(images.device).expand(images.shape)
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
