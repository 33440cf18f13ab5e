"""Adaptive quadrature of one image's path: nodes are put where the map still changes, until it is known.

Between two neighbouring nodes the integrand is the cubic through the four nearest ones. An interval's error
has two parts, both of them free: how far the cubic's integral is from the straight line's, as a norm over
pixels, and how far the cubic's sum is from the output's exact rise over the interval, which every node's
forward pass tells. The second one sees a peak between two nodes that the first cannot. The intervals with the
largest errors are halved, and every node ever evaluated counts in the result.

Measured against other rules at equal error in docs/performance.md.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .integrand import NodeValue
from .rules import Quadrature

__all__ = ["AdaptiveIntegral", "Goal"]

FloatArray = NDArray[np.float64]

FIRST_NODES = (0.0, 0.25, 0.5, 0.75, 1.0)
WAVE = 4
"""The most intervals that are halved before the error is looked at again; fills the smallest micro-batch."""
WIDE_WAVE = 16
"""The same where no other image fills a micro-batch: a few nodes more, and half as many passes on a GPU."""
ENOUGH = 0.9
"""Of the error that is allowed, what intervals that are not halved may leave: halving more would be waste."""
MOST_ROUGH = 4.0
"""The most that a path's roughness counts: on Swins it was 1 to 2, where a map cancels it has no end."""
MOST_KEPT = 128
"""Nodes whose maps are kept before finished intervals are closed: what bounds the memory of a path."""
NARROWEST = 2.0**-20
"""Narrower intervals are not halved: float32 images hardly differ between their ends."""
LEAST_ALLOWED = 1e-150
"""What stands for an allowed error of 0: a quotient by it can still be squared."""
CLOSED_SHARE = 0.5
"""Of the error that is allowed, the part that closed intervals may use up."""


@dataclass(frozen=True)
class Goal:
    """When a map is good enough.

    Attributes:
        tolerance: relative L2 error of a map that is allowed, and relative completeness gap.
        atol: in units of the output, added to both: ratios explode for maps that are nearly nothing.
        max_steps: nodes after which a path is given up.
        rounding: relative error of an output that its arithmetic brings: gaps below it say nothing.
        complete: whether the map has to sum to the output's rise, as it has if it was multiplied by the path.
    """

    tolerance: float
    atol: float
    max_steps: int
    rounding: float = 0.0
    complete: bool = True


@dataclass(frozen=True)
class _Interval:
    """A piece of the path, integrated by the cubic through four nodes: all per target, [K].

    Attributes:
        stencil: the nodes of the cubic.
        weights: float64 [len(stencil)], the integral of each node's basis polynomial over the interval.
        change: norm of the difference between the cubic's and the straight line's integral.
        gap: the cubic's sum less the output's rise.
    """

    stencil: tuple[float, ...]
    weights: FloatArray
    change: FloatArray
    gap: FloatArray


class AdaptiveIntegral:
    """The integral along one path for K targets, refined until every target's map meets the goal.

    Args:
        goal: when the maps are good enough.
        most: intervals that are halved before the error is looked at again.
    """

    def __init__(self, goal: Goal, most: int = WAVE) -> None:
        self.goal = goal
        self._most = most
        self.scored: tuple[float, ...] = ()  # both ends are among the nodes
        self.steps = 0
        self._wave: tuple[float, ...] = FIRST_NODES
        self._arrived: list[tuple[float, NodeValue]] = []
        self._nodes: list[float] = []  # of the whole path, in order
        self._values: dict[float, NodeValue] = {}  # the kept ones
        self._norms: dict[float, FloatArray] = {}
        self._slopes: dict[float, FloatArray] = {}
        self._scores: dict[float, FloatArray] = {}
        self._intervals: dict[tuple[float, float], _Interval] = {}
        self._closed: set[tuple[float, float]] = set()
        self._sum: Tensor | None = None
        self.map_error: FloatArray = np.array([])
        self.converged: NDArray[np.bool_] = np.array([])
        self.done = False

    @property
    def wanted(self) -> tuple[float, ...]:
        """The nodes to be evaluated next; none once the integral is done."""
        return self._wave

    def add(self, node: float, value: NodeValue) -> None:
        """Take the integrand at a node that was wanted; nodes come in the order in which they were."""
        self._arrived.append((node, value.rounded()))
        if len(self._arrived) == len(self._wave):
            self._advance()

    def add_score(self, score: FloatArray) -> None:
        """Take no score: every node tells its own."""
        raise AssertionError("an adaptive integral asks for no scores alone")

    @property
    def scores(self) -> tuple[FloatArray, FloatArray]:
        """The outputs at the baseline and at the image, float64 [K] each."""
        return self._scores[0.0], self._scores[1.0]

    @property
    def quadrature(self) -> Quadrature:
        """The nodes and the weights that the map is the sum of; some weights may be negative."""
        weights: dict[float, float] = {}
        for interval in self._intervals.values():
            _count(weights, interval, 1.0)
        return Quadrature(np.array(self._nodes), np.array([weights[node] for node in self._nodes]))

    def result(self) -> Tensor:
        """Return the map, float64 [K, ...]."""
        assert self._sum is not None
        return self._sum

    def _advance(self) -> None:
        for node, value in self._arrived:
            insort(self._nodes, node)
            self._values[node] = value
            self._norms[node], self._slopes[node], self._scores[node] = value.norm, value.slope, value.score
        self.steps += len(self._arrived)
        self._arrived = []
        self._update()
        norm = self._norm()
        errors = self._errors(norm)
        self._judge(errors, norm)
        self._open = ~self.converged & np.isfinite(errors).all(0)  # nodes mend no NaN
        self.done = not self._open.any() or self.steps >= self.goal.max_steps
        self._wave = () if self.done else self._halved(errors)
        if not self._wave:  # nothing is left to halve: floating point knows no midpoint, or all is closed
            self.done = True
        self._release()

    def _update(self) -> None:
        """Integrate the intervals whose four nearest nodes have changed, and mend the sum accordingly."""
        changed: dict[float, float] = {}
        fresh: list[tuple[float, float]] = []
        current = self._pieces()
        for index, interval in enumerate(current):
            if interval in self._closed:
                continue
            first = min(max(index - 1, 0), max(len(self._nodes) - 4, 0))
            stencil = tuple(self._nodes[first : first + 4])
            known = self._intervals.get(interval)
            if known is None or known.stencil != stencil:
                fresh.append(interval)
                self._replace(interval, stencil, changed)
        alive = set(current)
        for interval in [interval for interval in self._intervals if interval not in alive]:
            _count(changed, self._intervals.pop(interval), -1.0)
        self._measure(fresh, changed)

    def _replace(
        self, interval: tuple[float, float], stencil: tuple[float, ...], changed: dict[float, float]
    ) -> None:
        if interval in self._intervals:
            _count(changed, self._intervals[interval], -1.0)
        weights = _interpolatory_weights(stencil, interval)
        unknown = np.array([])
        self._intervals[interval] = _Interval(stencil, weights, unknown, unknown)
        _count(changed, self._intervals[interval], 1.0)

    def _measure(self, fresh: Sequence[tuple[float, float]], changed: dict[float, float]) -> None:
        """Fill in the errors of fresh intervals and add the changed weights' part to the sum.

        The maps that take part are stacked once; both are products of a small matrix with the stack.
        """
        nodes = sorted({node for key in fresh for node in self._intervals[key].stencil} | set(changed))
        if not nodes:
            return
        place = {node: index for index, node in enumerate(nodes)}
        values = [self._values[node] for node in nodes]
        scales = np.stack([value.scale for value in values])  # [nodes, K]
        maps = torch.stack([value.map for value in values], 1)  # [K, nodes, ...]
        flat = maps.flatten(2)
        differences = np.zeros((len(fresh), len(nodes)))
        for row, key in enumerate(fresh):
            interval = self._intervals[key]
            for node, weight in zip(interval.stencil, interval.weights, strict=True):
                differences[row, place[node]] += weight
            for node in key:
                differences[row, place[node]] -= (key[1] - key[0]) / 2
        largest = np.where(scales.max(0) > 0, scales.max(0), 1.0)
        relative = differences[None] * (scales / largest).T[:, None]  # [K, intervals, nodes]
        factors = torch.from_numpy(relative).to(flat)
        changes = torch.linalg.vector_norm(factors @ flat, dim=2).double().cpu().numpy().T * largest
        for row, key in enumerate(fresh):
            interval = self._intervals[key]
            start, end = self._scores[key[0]], self._scores[key[1]]
            gap = self._sums(interval) - (end - start)
            noise = self.goal.rounding * np.maximum(np.abs(start), np.abs(end))
            gap = np.sign(gap) * np.maximum(np.abs(gap) - noise, 0.0)
            self._intervals[key] = _Interval(interval.stencil, interval.weights, changes[row], gap)
        weights = np.array([changed.get(node, 0.0) for node in nodes])
        parts = torch.from_numpy((weights[:, None] * scales).T).to(flat.device)  # [K, nodes]
        if self._sum is None:
            self._sum = torch.zeros_like(maps[:, 0], dtype=torch.float64)
        self._sum += torch.einsum("kn,knp->kp", parts, flat.double()).reshape(self._sum.shape)

    def _sums(self, interval: _Interval) -> FloatArray:
        slopes = np.stack([self._slopes[node] for node in interval.stencil])
        return np.asarray(interval.weights @ slopes)

    def _errors(self, norm: FloatArray) -> FloatArray:
        """Return a bound of each interval's error, [intervals, K], in the map's units.

        A gap is a sum over pixels; `spread` turns it into the norm that a map of such a sum has on this path.
        The rougher the path, the more its maps cancel: their norms then add up to more than the map's own.
        """
        widths = np.diff(self._nodes)[:, None]
        norms = np.stack([self._norms[node] for node in self._nodes])
        slopes = np.abs(np.stack([self._slopes[node] for node in self._nodes]))
        mass = (widths * (norms[1:] + norms[:-1]) / 2).sum(0)
        rises = (widths * (slopes[1:] + slopes[:-1]) / 2).sum(0)
        known = (mass > 0) & (rises > 0)  # else no node has seen any slope yet: the gap counts as it is
        spread = np.divide(mass, rises, out=np.ones_like(mass), where=known)
        roughness = np.divide(mass, norm, out=np.ones_like(mass), where=norm > 0).clip(1.0, MOST_ROUGH)
        pieces = [self._intervals[key] for key in self._pieces()]
        change = np.stack([piece.change for piece in pieces])
        gap = np.abs(np.stack([piece.gap for piece in pieces]))
        return np.asarray(roughness * np.hypot(change, spread * gap))

    def _pieces(self) -> list[tuple[float, float]]:
        """Return the intervals between neighbouring nodes, from left to right."""
        return list(zip(self._nodes, self._nodes[1:], strict=False))

    def _norm(self) -> FloatArray:
        assert self._sum is not None
        return np.asarray(torch.linalg.vector_norm(self._sum.flatten(1), dim=1).cpu().numpy())

    def _judge(self, errors: FloatArray, norm: FloatArray) -> None:
        """State each target's error and whether it meets the goal."""
        assert self._sum is not None
        abs_sum = self._sum.flatten(1).abs().sum(1).cpu().numpy()
        error = np.sqrt((errors**2).sum(0))
        gap = np.abs(sum(interval.gap for interval in self._intervals.values()))
        with np.errstate(divide="ignore", invalid="ignore"):
            self.map_error = np.where(error == 0, 0.0, error / norm)
        self._allowed = self.goal.tolerance * norm + self.goal.atol * np.divide(
            norm, abs_sum, out=np.ones_like(norm), where=abs_sum > 0
        )
        self.converged = error <= self._allowed
        if self.goal.complete:
            self.converged &= gap <= self.goal.tolerance * abs_sum + self.goal.atol

    def _halved(self, errors: FloatArray) -> tuple[float, ...]:
        """Return the midpoints of the intervals to be halved next.

        At first those with the largest errors, no more than it takes to meet the goal. Once many nodes are
        kept, from left to right those that exceed their share, while the others are closed for good.
        """
        keys = self._pieces()
        allowed = np.where(self._allowed > LEAST_ALLOWED, self._allowed, LEAST_ALLOWED)
        relative = np.where(self._open, errors / allowed, 0.0).max(1)
        relative = np.where([key in self._closed for key in keys], 0.0, relative)
        if len(self._values) > MOST_KEPT:
            shares = CLOSED_SHARE * np.sqrt(np.diff(self._nodes))
            full = (np.where(np.isfinite(errors), errors, 0.0) / allowed).max(1)
            self._closed.update(key for key, error, share in zip(keys, full, shares, strict=True)
                                if error <= share)  # fmt: skip
            self._closed.update(key for key in keys if key[1] - key[0] < NARROWEST)
            chosen = [index for index, key in enumerate(keys) if key not in self._closed][: self._most]
        else:
            order = np.argsort(-relative, kind="stable")
            left = np.sqrt(np.cumsum((relative[order] ** 2)[::-1])[::-1])
            worst = order[: max(1, min(self._most, int((left > ENOUGH).sum())))].tolist()
            chosen = [index for index in worst if keys[index] not in self._closed]
        middles = [(keys[index][0] + keys[index][1]) / 2 for index in sorted(chosen)]
        return tuple(node for node in middles if node not in self._norms)[: self.goal.max_steps - self.steps]

    def _release(self) -> None:
        """Drop the maps that no open interval needs any more."""
        if not self.done and not self._closed:
            return
        needed: set[float] = set()
        for key, interval in self._intervals.items():
            if not self.done and key not in self._closed:
                needed.update(interval.stencil)
        for node in [node for node in self._values if node not in needed]:
            del self._values[node]


def _count(changed: dict[float, float], interval: _Interval, sign: float) -> None:
    for node, weight in zip(interval.stencil, interval.weights, strict=True):
        changed[node] = changed.get(node, 0.0) + sign * float(weight)


def _interpolatory_weights(stencil: Sequence[float], interval: tuple[float, float]) -> FloatArray:
    """Return the weights of the nodes in the integral of their interpolating polynomial over an interval.

    Two Gauss points integrate a cubic exactly.
    """
    middle, half = (interval[0] + interval[1]) / 2, (interval[1] - interval[0]) / 2
    points = middle + half * np.array([-1.0, 1.0]) / np.sqrt(3.0)
    nodes = np.array(stencil)
    weights = np.empty(len(nodes))
    for index, node in enumerate(nodes):
        others = np.delete(nodes, index)
        basis = np.prod((points[:, None] - others) / (node - others), axis=1)
        weights[index] = half * basis.sum()
    return weights
