"""Quadrature rules on [0, 1]: where along the path the gradient is taken, and how much each place counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from .errors import AttributionError, is_whole, require_known

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Nodes and weights of a rule: ``sum(weights * f(nodes))`` approximates the integral of f over [0, 1].

    Attributes:
        nodes: float64 [steps], ascending, inside [0, 1].
        weights: float64 [steps], summing to 1; positive for every rule of ``RULES``.
    """

    nodes: FloatArray
    weights: FloatArray


def rule_nodes(rule: str, steps: int) -> Quadrature:
    """Return nodes and weights on [0, 1] of a rule with a number of steps.

    ``"gauss-legendre"`` integrates polynomials of degree ``2 * steps - 1`` exactly. On a smooth integrand
    the error of ``"midpoint"`` and ``"trapezoid"`` falls as ``steps ** -2``, that of ``"left"`` and
    ``"right"`` as ``steps ** -1``. The nodes of ``"trapezoid"`` hold both ends: ``steps - 1`` intervals.

    Args:
        rule: a key of ``RULES``.
        steps: the number of nodes, 1 or more (2 or more for ``"trapezoid"``).

    Raises:
        AttributionError: the rule is unknown, or the rule is not defined for that number of steps.

    Source: Abramowitz and Stegun, *Handbook of Mathematical Functions*, 25.4.30 (Gauss-Legendre) and
    25.4.2 (trapezoid); "right" is eq. 3 of Sundararajan et al., *Axiomatic Attribution for Deep Networks*,
    ICML 2017.
    """
    require_known("rule", rule, RULES)
    least = min_steps(rule)
    if not is_whole(steps) or steps < least:
        raise AttributionError(f"steps={steps!r} with rule={rule!r}: give a whole number of {least} or more")
    nodes, weights = RULES[rule](int(steps))
    return Quadrature(nodes, weights)


def min_steps(rule: str) -> int:
    """Return the smallest number of steps for which a rule is defined."""
    return 2 if rule == "trapezoid" else 1


def _gauss_legendre(steps: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # on [-1, 1]
    return (1.0 + nodes) / 2.0, weights / 2.0


def _trapezoid(steps: int) -> tuple[FloatArray, FloatArray]:
    weights = np.full(steps, 1.0 / (steps - 1))
    weights[[0, -1]] /= 2.0
    return np.linspace(0.0, 1.0, steps), weights


def _riemann(place: float, steps: int) -> tuple[FloatArray, FloatArray]:
    """Take a node at a place, 0 to 1, in each of so many intervals of one width."""
    return (np.arange(steps) + place) / steps, np.full(steps, 1.0 / steps)


RULES: Mapping[str, Callable[[int], tuple[FloatArray, FloatArray]]] = MappingProxyType(
    {
        "gauss-legendre": _gauss_legendre,
        "midpoint": partial(_riemann, 0.5),
        "trapezoid": _trapezoid,
        "left": partial(_riemann, 0.0),
        "right": partial(_riemann, 1.0),
    }
)
"""From a number of steps to nodes and weights, each float64 [steps]."""
