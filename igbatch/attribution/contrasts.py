"""Contrasts: targets that are the difference of two classes' outputs, "why this one and not that one".

Integrated Gradients are linear in the output: the map of ``F_first - F_other`` is the difference of the two
classes' maps. Where a path has both classes among its targets, the contrast's node maps are taken from theirs
and cost no backward pass; elsewhere one backward pass goes from the difference of the two outputs. Either way
the contrast is a target of its own: adaptive steps bound the error of its own map.

Source: Sundararajan et al., *Axiomatic Attribution for Deep Networks*, ICML 2017, section 3 (linearity).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .rules import FloatArray

NONE = -1
"""In place of the second class, for a target that is one class."""
NEARLY = 0.999
LEAST = 0.1
"""Of the tolerance: where an arithmetic leaves less, integrals that are finer than it make no map better."""
Differences = tuple[tuple[int, int] | None, ...]
"""For each target the places of the two whose difference it is; None where it has a backward pass."""


def target_tensor(targets: Iterable[int | tuple[int, int]]) -> Tensor:
    """Return targets as an `Example` takes them: int64 [K], or [K, 2] where some are contrasts."""
    listed = list(targets)
    if all(isinstance(each, int) for each in listed):
        return torch.tensor(listed, dtype=torch.int64)
    return torch.tensor([(each, NONE) if isinstance(each, int) else each for each in listed])


def differences_of(targets: Tensor) -> Differences:
    """Return which targets, int64 [K] or [K, 2], are differences of two others among them."""
    if targets.ndim == 1:
        return (None,) * len(targets)
    pairs = targets.tolist()
    places = {first: place for place, (first, other) in enumerate(pairs) if other == NONE}
    return tuple(
        (places[first], places[other]) if first in places and other in places else None
        for first, other in pairs
    )


class Part(NamedTuple):
    """The integrand of one target at batch rows: maps [batch, ...] and slopes, in units of scales [batch]."""

    maps: Tensor
    slopes: Tensor
    scales: Tensor


def with_differences(parts: Mapping[int, Part], differences: Differences) -> Part:
    """Return the parts of all targets, [batch, K, ...] each, from those that had a backward pass."""
    found = []
    for target, places in enumerate(differences):
        if places is None:
            found.append(parts[target])
            continue
        one, other = (parts[place] for place in places)
        scale = torch.maximum(one.scales, other.scales)
        first, second = (each.scales / (scale + (scale == 0)) for each in (one, other))
        shape, dtype = (-1, *[1] * (one.maps.ndim - 1)), one.maps.dtype
        maps = one.maps * first.to(dtype).reshape(shape) - other.maps * second.to(dtype).reshape(shape)
        found.append(Part(maps, one.slopes * first - other.slopes * second, scale))
    return Part(*(torch.stack(each, 1) for each in zip(*found, strict=True)))


def arithmetic_errors(norms: FloatArray, differences: Differences, error: float) -> FloatArray:
    """Return what an arithmetic adds to the relative L2 errors of maps, float64 [..., K], by their norms.

    Of a class it is `error`. A difference of two is off by no more than the two are together, which is more
    of its own norm the more the two have in common. It is infinite where nothing is left of them.
    """
    errors = np.full(norms.shape, error)
    for target, places in enumerate(differences):
        if places is not None and error > 0:
            both = error * norms[..., list(places)].sum(-1)
            with np.errstate(divide="ignore", invalid="ignore"):
                errors[..., target] = np.where(both == 0, 0.0, both / norms[..., target])
    return errors


def tolerances_left(
    tolerance: float, norms: FloatArray, differences: Differences, error: float
) -> FloatArray:
    """Return the relative L2 error that an arithmetic of so much leaves to integrals: float64 [..., K].

    It is half of the tolerance where the arithmetic leaves less than `LEAST` of it: nodes towards the rest
    would be many, and what the arithmetic does stay. Such maps are judged by their true bound, the sum of
    both: where that is beyond the tolerance they have not converged.
    """
    left = tolerance - arithmetic_errors(norms, differences, error)
    for target, places in enumerate(differences):
        if places is not None and error > 0:  # final norms may differ from these by what float32 rounds
            left[..., target] *= NEARLY
    return np.where(left >= LEAST * tolerance, left, tolerance / 2)
