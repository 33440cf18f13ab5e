"""Quadrature rules for the path integral, compared at equal error on the bundled model.

The integrand of a scene is evaluated once on a fine uniform grid, and only the inner products of its maps are
kept. Vectors with the same inner products stand for the maps from then on: every rule, with nodes anywhere,
runs on them to its own end, and its true error is known, without the model.

Rules: Gauss-Legendre with the steps doubled until two results agree (all tries count: they share no nodes);
Clenshaw-Curtis likewise, nested; Gauss 7 / Kronrod 15 on four panels, the worst bisected; Simpson with
Richardson's estimate on 16 panels, every node used again, the worst bisected; steps in proportion to the
output's change over eight intervals, from nine forward passes, after Bhat and Raychowdhury (arXiv
2302.11107), until the completeness gap is small (theirs), or until two results agree; and ours, the code of
`igbatch.attribution.adaptive` itself.

    python benchmarks/rules.py --scenes 12 --cache grids --json rules.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import (
    KINDS,
    Case,
    FloatArray,
    bundled_case,
    digest,
    machine,
    quantiles,
    wide_console,
    write_json,
)
from rich.table import Table

from igbatch.attribution.adaptive import Goal
from igbatch.attribution.adaptive_integrals import AdaptiveIntegrals
from igbatch.attribution.passes import Values

TOLERANCES = (0.05, 0.02, 0.01, 0.005)
MAX_NODES = 2000
LOCAL = 8  # points of the interpolation between grid nodes
GRID_ROWS = 8  # of a micro-batch
BOOLE = np.array([7, 32, 12, 32, 7]) * 2 / 45
FIRST_GAUSS, FIRST_CLENSHAW, FIRST_NON_UNIFORM = 8, 9, 8
INTERVALS = 8  # whose output's change is looked at
KRONROD_PANELS, SIMPSON_PANELS = 4, 16
KRONROD_NODES = np.array([0.991455371120812639206854697526329, 0.949107912342758524526189684047851,
                          0.864864423359769072789712788640926, 0.741531185599394439863864773280788,
                          0.586087235467691130294144691693013, 0.405845151377397166906606412076961,
                          0.207784955007898467600689403773245, 0.0])  # fmt: skip
KRONROD_WEIGHTS = np.array([0.022935322010529224963732008058970, 0.063092092629978553290700663189204,
                            0.104790010322250183839876322541518, 0.140653259715525918745189590510238,
                            0.169004726639267902826583426598550, 0.190350578064785409913256402421014,
                            0.204432940075298892414161999235, 0.209482141084727828012999174892])  # fmt: skip
"""On [-1, 1], the upper half. Source: Piessens et al., *QUADPACK*, 1983."""


@dataclass(frozen=True, eq=False)
class SampledPath:
    """A path's integrand on a uniform grid, as vectors that stand for the maps.

    Attributes:
        vectors: float64 [K, grid, rank], with the inner products of the maps.
        scores: float64 [grid, K], the outputs.
        slopes: float64 [grid, K], the outputs' derivatives along the path: the sums of the maps.
    """

    vectors: FloatArray
    scores: FloatArray
    slopes: FloatArray

    def at(self, nodes: FloatArray) -> FloatArray:
        """Return the integrand at nodes, [K, nodes, rank]."""
        return np.asarray(self._interpolation(nodes) @ self.vectors)

    def numbers_at(self, nodes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return outputs and their derivatives at nodes, [nodes, K] each."""
        weights = self._interpolation(nodes)
        return weights @ self.scores, weights @ self.slopes

    @property
    def integral(self) -> FloatArray:
        """The integral by Boole's rule on the whole grid, [K, rank]."""
        return self._composite(BOOLE)

    @property
    def change(self) -> FloatArray:
        """How far Simpson's rule on the whole grid is from Boole's, relative, [K]."""
        return relative(self._composite(np.array([1, 4, 1]) / 3), self.integral)

    def _composite(self, rule: FloatArray) -> FloatArray:
        size = self.vectors.shape[1]
        weights = np.zeros(size)
        for start in range(0, size - 1, len(rule) - 1):
            weights[start : start + len(rule)] += rule / (size - 1)
        return np.asarray(weights @ self.vectors)

    def _interpolation(self, nodes: FloatArray) -> FloatArray:
        """Return the weights of the grid's points in each node, [nodes, grid]: local polynomials."""
        size = self.vectors.shape[1]
        weights = np.zeros((len(nodes), size))
        for row, place in enumerate(np.asarray(nodes) * (size - 1)):
            nearest = round(place)
            if abs(place - nearest) < 1e-9:
                weights[row, nearest] = 1.0
                continue
            first = min(max(int(place) - LOCAL // 2 + 1, 0), size - LOCAL)
            points = np.arange(first, first + LOCAL)
            for index, point in enumerate(points):
                others = np.delete(points, index)
                weights[row, first + index] = np.prod((place - others) / (point - others))
        return weights


@dataclass(frozen=True, eq=False)
class State:
    """What a rule has after some nodes: the integral [K, rank], and the relative error that it states [K]."""

    nodes: int
    integral: FloatArray
    stated: FloatArray


Rule = Callable[[SampledPath, float], Iterator[State]]
"""From a path and a tolerance to the states that a rule goes through until it is stopped."""


def relative(found: FloatArray, expected: FloatArray) -> FloatArray:
    """Return relative L2 distances of vectors [K, rank], [K]."""
    return np.asarray(np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1))


def doubled_gauss_legendre(path: SampledPath, tolerance: float) -> Iterator[State]:
    """Double the steps of Gauss-Legendre; all tries count."""
    return _doubled(path, FIRST_GAUSS, legendre, lambda size: 2 * size, shared=False)


def clenshaw_curtis(path: SampledPath, tolerance: float) -> Iterator[State]:
    """Double the intervals of Clenshaw-Curtis; the nodes of a try are among those of the next."""
    return _doubled(path, FIRST_CLENSHAW, curtis, lambda size: 2 * size - 1, shared=True)


def _doubled(
    path: SampledPath,
    size: int,
    rule: Callable[[int], tuple[FloatArray, FloatArray]],
    larger: Callable[[int], int],
    *,
    shared: bool,
) -> Iterator[State]:
    before: FloatArray | None = None
    total = 0
    while True:
        nodes, weights = rule(size)
        total = size if shared else total + size
        integral = weights @ path.at(nodes)
        stated = np.full(len(integral), np.inf) if before is None else relative(before, integral)
        yield State(total, integral, stated)
        before, size = integral, larger(size)


@lru_cache(maxsize=64)
def legendre(size: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of Gauss-Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(size)
    return (nodes + 1) / 2, weights / 2


@lru_cache(maxsize=64)
def curtis(size: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of Clenshaw-Curtis on [0, 1] with an odd number of nodes."""
    last = size - 1
    angles = np.pi * np.arange(size) / last
    orders = np.arange(0, size, 2)
    halved = np.where((orders == 0) | (orders == last), 0.5, 1.0)
    sums = (halved * 2 / (1 - orders.astype(float) ** 2)) @ np.cos(np.outer(orders, angles))
    weights = sums * 2 / last
    weights[[0, -1]] /= 2
    return (1 - np.cos(angles)) / 2, weights / 2


@dataclass(frozen=True, eq=False)
class Panel:
    """A piece of the path with its integral [K, rank] and its error [K], in the map's units."""

    start: float
    end: float
    integral: FloatArray
    error: FloatArray


def bisected(
    path: SampledPath,
    tolerance: float,
    panel: Callable[[SampledPath, float, float], Panel],
    panels: int,
    first: int,
    more: int,
) -> Iterator[State]:
    """Bisect the panel with the largest error: `first` nodes for the first panels, `more` each time."""
    edges = np.linspace(0, 1, panels + 1)
    pieces = [panel(path, *edge) for edge in pairwise(edges)]
    nodes = first
    while True:
        integral = np.sum([piece.integral for piece in pieces], axis=0)
        norm = np.linalg.norm(integral, axis=1)
        errors = np.stack([piece.error for piece in pieces]) / norm
        stated = np.sqrt((errors**2).sum(0))
        yield State(nodes, integral, stated)
        largest = pieces.pop(int(np.where(stated > tolerance, errors, 0.0).max(1).argmax()))
        middle = (largest.start + largest.end) / 2
        pieces += [panel(path, largest.start, middle), panel(path, middle, largest.end)]
        nodes += more


def kronrod_panel(path: SampledPath, start: float, end: float) -> Panel:
    """Integrate a panel by Kronrod 15; the error is the distance to Gauss 7."""
    nodes = np.concatenate([-KRONROD_NODES, KRONROD_NODES[-2::-1]])
    weights = np.concatenate([KRONROD_WEIGHTS, KRONROD_WEIGHTS[-2::-1]])
    gauss = np.zeros(len(nodes))
    gauss[1::2] = np.polynomial.legendre.leggauss(7)[1]
    values = path.at(start + (end - start) * (nodes + 1) / 2)
    fine, coarse = (each * (end - start) / 2 @ values for each in (weights, gauss))
    return Panel(start, end, fine, np.linalg.norm(fine - coarse, axis=1))


def simpson_panel(path: SampledPath, start: float, end: float) -> Panel:
    """Integrate a panel by two Simpson rules, extrapolated; the error is the distance to one."""
    values = path.at(np.linspace(start, end, 5))
    width = end - start
    fine = width / 12 * np.array([1, 4, 2, 4, 1]) @ values
    coarse = width / 6 * np.array([1, 0, 4, 0, 1]) @ values
    return Panel(start, end, fine + (fine - coarse) / 15, np.linalg.norm(fine - coarse, axis=1))


def non_uniform(path: SampledPath, tolerance: float, *, inner: str, stop: str) -> Iterator[State]:
    """Share steps among intervals in proportion to the output's change over each, and double them.

    Args:
        path: what is integrated.
        tolerance: not needed.
        inner: midpoint or trapezoid, within an interval; a trapezoid's ends are shared by neighbours.
        stop: gap: the completeness gap beside the output's rise is stated; agreement: the distance of two.
    """
    edges = np.linspace(0, 1, INTERVALS + 1)
    scores, _ = path.numbers_at(edges)
    changes = np.abs(np.diff(scores, axis=0))
    changes = (changes / np.maximum(changes.sum(0), 1e-300)).max(1)  # of the target that needs it most
    before: FloatArray | None = None
    total, steps = 0, FIRST_NON_UNIFORM
    while True:
        counts = np.maximum(1, np.round(steps * changes / changes.sum())).astype(int)
        nodes, weights = composite(edges, counts, inner)
        integral = weights @ path.at(nodes)
        total += len(nodes)
        rise = scores[-1] - scores[0]
        gap = np.abs(weights @ path.numbers_at(nodes)[1] - rise) / np.abs(rise)
        unknown = np.full(len(rise), np.inf)
        agreement = unknown if before is None else relative(before, integral)
        yield State(total, integral, gap if stop == "gap" else agreement)
        before, steps = integral, 2 * steps


def composite(edges: FloatArray, counts: np.ndarray, inner: str) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of a rule with so many steps in each interval."""
    weights: dict[float, float] = {}
    for start, end, count in zip(edges[:-1], edges[1:], counts, strict=True):
        width = (end - start) / count
        places = np.arange(count) + 0.5 if inner == "midpoint" else np.arange(count + 1.0)
        for place in places:
            share = 0.5 if inner == "trapezoid" and place in (0, count) else 1.0
            node = float(start + width * place)
            weights[node] = weights.get(node, 0.0) + share * width
    return np.array(list(weights)), np.array(list(weights.values()))


def adaptive(path: SampledPath, tolerance: float) -> Iterator[State]:
    """Run our own integral to its end. Vectors do not sum to what maps do: completeness is not required."""
    targets = path.vectors.shape[0]
    integrals = AdaptiveIntegrals(Goal(tolerance, 0.0, MAX_NODES, complete=False), targets)
    nodes, _ = integrals.open(0)
    while nodes:
        places = np.array([node.place for node in nodes])
        maps = path.at(places).swapaxes(0, 1)  # [nodes, K, rank]
        scores, slopes = path.numbers_at(places)
        scales = np.maximum(np.abs(maps).max(2), 1e-300)
        arrays = (maps / scales[:, :, None], scores, scales, slopes / scales, np.zeros((len(nodes), 1)))
        integrals.add([0] * len(nodes), nodes, Values(*map(torch.from_numpy, arrays)))
        (nodes,) = integrals.advance([0], integrals.launch([0]).wait())
    found = integrals.result(0)
    yield State(int(found.steps[0]), found.attributions.numpy(), found.map_error)


RULES: dict[str, Rule] = {
    "Gauss-Legendre, doubled": doubled_gauss_legendre,
    "Clenshaw-Curtis, nested": clenshaw_curtis,
    "Gauss 7 / Kronrod 15, bisected": partial(
        bisected, panel=kronrod_panel, panels=KRONROD_PANELS, first=15 * KRONROD_PANELS, more=30
    ),
    "Simpson, every node reused": partial(
        bisected, panel=simpson_panel, panels=SIMPSON_PANELS, first=4 * SIMPSON_PANELS + 1, more=4
    ),
    "non-uniform midpoint, gap": partial(non_uniform, inner="midpoint", stop="gap"),
    "non-uniform midpoint, doubled": partial(non_uniform, inner="midpoint", stop="agreement"),
    "non-uniform trapezoid, gap": partial(non_uniform, inner="trapezoid", stop="gap"),
    "non-uniform trapezoid, doubled": partial(non_uniform, inner="trapezoid", stop="agreement"),
    "igbatch auto": adaptive,
}


@dataclass(frozen=True, eq=False)
class Run:
    """A rule run on one path until it stated an error within the tolerance, or had no nodes left.

    Attributes:
        nodes: what it evaluated.
        needed: what it had evaluated when all maps first were within the tolerance in truth; NaN if never.
        error, stated: [K].
        given_up: it did not state an error within the tolerance.
    """

    nodes: int
    needed: float
    error: FloatArray
    stated: FloatArray
    given_up: bool


def run(rule: Rule, path: SampledPath, tolerance: float) -> Run:
    """Run a rule on a path."""
    expected, needed = path.integral, float("nan")
    for state in rule(path, tolerance):
        error = relative(state.integral, expected)
        if np.isnan(needed) and (error <= tolerance).all():
            needed = state.nodes
        if (state.stated <= tolerance).all() or state.nodes >= MAX_NODES:
            break
    return Run(state.nodes, needed, error, state.stated, bool((state.stated > tolerance).any()))


def sampled(case: Case, grid: int, cache: Path | None) -> SampledPath:
    """Return the integrand of a case's only image on a grid, from the cache where it is there."""
    file = cache and cache / f"{case.name}-{digest(case.model)}-{case.seeds[0]}-{grid}.npz"
    if file and file.exists():
        with np.load(file) as stored:
            gram, scores, slopes = (stored[name] for name in ("gram", "scores", "slopes"))
    else:
        gram, scores, slopes = evaluated(case, grid)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, gram=gram, scores=scores, slopes=slopes)
    return SampledPath(factored(gram), scores, slopes)


def evaluated(case: Case, grid: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Evaluate the integrand on a grid: inner products of maps [K, grid, grid], outputs, their slopes."""
    case.model.requires_grad_(False)
    image, start = case.images[0].double(), case.baseline[0].double()
    maps, scores = [], []
    for nodes in torch.linspace(0, 1, grid, dtype=torch.float64).split(GRID_ROWS):
        points = (start + nodes[:, None, None, None].to(image.device) * (image - start)).float()
        points.requires_grad_()
        outputs = case.model(points).double().softmax(1)[:, list(case.targets)]
        gradients = [
            torch.autograd.grad(each.sum(), points, retain_graph=True)[0] for each in outputs.unbind(1)
        ]
        products = torch.stack(gradients).double() * (image - start)
        maps.append(products.sum(2).flatten(2).float().cpu())  # [K, rows, pixels]
        scores.append(outputs.detach().cpu())
    every = torch.cat(maps, 1)
    gram = np.stack([(flat.double() @ flat.double().T).numpy() for flat in every])
    return gram, torch.cat(scores).numpy(), every.double().sum(2).T.numpy()


def factored(gram: FloatArray) -> FloatArray:
    """Return vectors [K, grid, rank] with the inner products [K, grid, grid]."""
    factors = []
    for each in gram:
        values, vectors = np.linalg.eigh((each + each.T) / 2)
        kept = values > 1e-14 * values[-1]
        factors.append(vectors[:, kept] * np.sqrt(values[kept]))
    rank = max(factor.shape[1] for factor in factors)
    return np.stack([np.pad(factor, ((0, 0), (0, rank - factor.shape[1]))) for factor in factors])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=12, help="scenes a kind of model: seeds 0, 1, …")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--random-seed", type=int, default=1)
    parser.add_argument("--grid", type=int, default=1025, help="points, a multiple of 4 and one more")
    parser.add_argument("--tolerances", type=float, nargs="+", default=list(TOLERANCES))
    parser.add_argument("--cache", help="keep the grids in this folder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", help="keep the figures in this file")
    arguments = parser.parse_args()
    if arguments.grid % 4 != 1:
        parser.error(f"--grid {arguments.grid}: give a multiple of 4 and one more")
    console = wide_console()
    rows: list[dict[str, Any]] = []
    changes: dict[str, float] = {}
    for kind in arguments.kinds:
        paths = []
        for seed in range(arguments.scenes):
            case = bundled_case(kind, [seed], arguments.device, arguments.random_seed)
            paths.append(sampled(case, arguments.grid, Path(arguments.cache) if arguments.cache else None))
            console.log(f"{kind}: scene {seed}")
        changes[kind] = max(float(path.change.max()) for path in paths)
        for tolerance in arguments.tolerances:
            for name, rule in RULES.items():
                rows.append(figures(kind, tolerance, name, [run(rule, path, tolerance) for path in paths]))
            show(console, rows[-len(RULES) :])
    for kind, change in changes.items():
        console.print(f"{kind}: Simpson's rule on the whole grid is at most {change:.1e} from Boole's")
    write_json(
        Path(arguments.json) if arguments.json else None,
        {"machine": machine(torch.device(arguments.device)), "arguments": vars(arguments),
         "changes": changes, "rows": rows},
    )  # fmt: skip


def figures(kind: str, tolerance: float, rule: str, runs: list[Run]) -> dict[str, Any]:
    """Return the figures of a rule over all scenes of a kind of model."""
    error, stated = (
        np.concatenate([each.error for each in runs]),
        np.concatenate([each.stated for each in runs]),
    )
    needed = np.array([each.needed for each in runs])
    return {
        "kind": kind,
        "tolerance": tolerance,
        "rule": rule,
        "forward_only": INTERVALS + 1 if rule.startswith("non-uniform") else 0,
        "nodes": float(np.mean([each.nodes for each in runs])),
        "most_nodes": max(each.nodes for each in runs),
        "needed": None if np.isnan(needed).any() else float(needed.mean()),
        "error": quantiles(error),
        "maps": len(error),
        "above_stated": int((error > stated).sum()),
        "above_tolerance": int((error > tolerance).sum()),
        "given_up": sum(each.given_up for each in runs),
    }


def show(console: Any, rows: list[dict[str, Any]]) -> None:
    """Print the table of one kind of model at one tolerance."""
    table = Table(title=f"{rows[0]['kind']}, tolerance {rows[0]['tolerance']:.1%}, {rows[0]['maps']} maps")
    for name in ("rule", "nodes an image", "most", "first within", "error p50", "p95", "max", "above stated",
                 "above tolerance", "paths given up"):  # fmt: skip
        table.add_column(name, justify="left" if name == "rule" else "right")
    for row in rows:
        forward = f" + {row['forward_only']} forward" if row["forward_only"] else ""
        table.add_row(
            row["rule"], f"{row['nodes']:.1f}{forward}", str(row["most_nodes"]),
            "not all" if row["needed"] is None else f"{row['needed']:.1f}",
            *(f"{row['error'][name]:.2%}" for name in ("p50", "p95", "max")),
            f"{row['above_stated'] / row['maps']:.1%}", f"{row['above_tolerance'] / row['maps']:.1%}",
            str(row["given_up"]),
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
