"""Integrals by a quadrature whose nodes are known, from nodes that come in batches."""

import weakref
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from igbatch.attribution.fixed_integrals import FixedIntegrals
from igbatch.attribution.integral import Integral
from igbatch.attribution.passes import Values
from igbatch.attribution.rules import RULES, rule_nodes


def values(maps: Tensor, scales: Sequence[float]) -> Values:
    """What passes give: maps [rows, K, pixels] in units of scales [K]."""
    rows = len(maps)
    zeros = torch.zeros(rows, len(scales), dtype=torch.float64)
    units = torch.tensor([list(scales)] * rows, dtype=torch.float64)
    return Values(maps, zeros, units, maps.double().sum(2), zeros)


def sums(integral: Integral) -> NDArray[np.float64]:
    """What the maps of an integral sum to, [K]."""
    return integral.convergence_delta + integral.scores - integral.baseline_scores


def integrate(rule: str, steps: int, function: Callable[[float], float], tolerance: float) -> Integral:
    """Integrate a function of the node, the one pixel of one target, whose output rises by 1."""
    integrals = FixedIntegrals(rule_nodes(rule, steps), tolerance, 0.0)
    nodes, ends = integrals.open(0)
    maps = torch.tensor([[[function(node.place)]] for node in nodes], dtype=torch.float64)
    integrals.add([0] * len(nodes), nodes, values(maps, [1.0]))
    scores = torch.tensor([end.place for end in ends], dtype=torch.float64)[:, None]
    integrals.add_scores([0, 0], ends, (scores, scores))
    assert integrals.advance([0], integrals.launch([0]).wait()) == [()]
    return integrals.result(0)


@pytest.mark.parametrize("rule", RULES)
@given(steps=st.integers(2, 12), scale=st.floats(1e-200, 1e3), batch=st.integers(1, 25))
def test_the_map_is_the_weighted_sum_in_units_of_the_output(
    rule: str, steps: int, scale: float, batch: int
) -> None:
    quadrature = rule_nodes(rule, steps)
    generator = torch.Generator().manual_seed(steps)
    maps = torch.randn(2, steps, 2, 5, generator=generator, dtype=torch.float64)
    integrals = FixedIntegrals(quadrature, 0.01, 0.0)
    pending = []
    for row in range(2):
        nodes, ends = integrals.open(row)
        assert [node.place for node in nodes] == quadrature.nodes.tolist()
        pending += [(row, node) for node in nodes]
        scores = torch.zeros(2, 2, dtype=torch.float64)
        integrals.add_scores([row, row], ends, (scores, scores))
    for start in range(0, 2 * steps, batch):
        part = pending[start : start + batch]
        chosen = torch.stack([maps[row, node.slot] for row, node in part])
        integrals.add([row for row, _ in part], [node for _, node in part], values(chosen, [scale, 3.0]))
    assert integrals.advance([1, 0], integrals.launch([1, 0]).wait()) == [(), ()]
    weights = torch.from_numpy(quadrature.weights)
    units = torch.tensor([[scale], [3.0]], dtype=torch.float64)
    for row in range(2):
        found = integrals.result(row)
        expected = torch.einsum("n,nkp->kp", weights, maps[row]) * units
        torch.testing.assert_close(found.attributions, expected, rtol=1e-12, atol=1e-14 * scale)
        np.testing.assert_allclose(sums(found), expected.sum(1).numpy(), rtol=1e-9, atol=1e-13 * scale)
        assert found.attributions.dtype == torch.float64
        assert found.steps.tolist() == [steps, steps]
        assert found.quadrature is quadrature


def test_float32_maps_are_added_up_in_float64() -> None:
    quadrature = rule_nodes("midpoint", 1000)
    integrals = FixedIntegrals(quadrature, 0.01, 0.0)
    nodes, ends = integrals.open(0)
    maps = torch.full((1000, 1, 1), 0.1)
    for node in nodes:
        integrals.add([0], [node], values(maps[:1], [1.0]))
    integrals.add_scores([0, 0], ends, (torch.zeros(2, 1), torch.zeros(2, 1)))
    integrals.advance([0], integrals.launch([0]).wait())
    assert integrals.result(0).attributions.item() == pytest.approx(float(maps[0]), rel=1e-13)


def test_both_ends_are_asked_for_and_are_the_scores() -> None:
    integral = integrate("left", 2, lambda node: 1.0, 0.01)
    assert (integral.baseline_scores.item(), integral.scores.item()) == (0.0, 1.0)
    assert integral.logits.tolist() == [1.0]  # those at the image


def test_ends_may_come_before_the_nodes_and_in_any_order() -> None:
    integrals = FixedIntegrals(rule_nodes("midpoint", 1), 0.01, 0.0)
    (node,), ends = integrals.open(0)
    for end in reversed(ends):
        score = torch.tensor([[end.place]], dtype=torch.float64)
        integrals.add_scores([0], [end], (score, score))
    integrals.add([0], [node], values(torch.ones(1, 1, 3), [1.0]))
    integrals.advance([0], integrals.launch([0]).wait())
    integral = integrals.result(0)
    assert (integral.baseline_scores.item(), integral.scores.item(), sums(integral).item()) == (0.0, 1.0, 3.0)


def test_the_error_of_the_map_is_not_estimated() -> None:
    assert np.isnan(integrate("midpoint", 3, lambda node: 1.0, 0.01).map_error).all()


def test_it_has_converged_if_the_map_sums_to_the_rise() -> None:
    # The midpoint rule misses the integral of 3 a^2, which is 1, by 1 / (4 n^2).
    for steps in (2, 5, 10):
        missing = 1 / (4 * steps**2)
        assert integrate("midpoint", steps, lambda node: 3 * node**2, 1.01 * missing).converged.all()
        assert not integrate("midpoint", steps, lambda node: 3 * node**2, 0.99 * missing).converged.any()


def test_maps_of_nodes_are_not_kept() -> None:
    integrals = FixedIntegrals(rule_nodes("midpoint", 3), 0.01, 0.0)
    nodes, _ = integrals.open(0)
    maps = [torch.ones(1, 1, 4) for _ in range(2)]
    watched = [weakref.ref(map_) for map_ in maps]
    for node in nodes[:2]:
        integrals.add([0], [node], values(maps.pop(), [1.0]))
    assert [reference() for reference in watched] == [None, None]


def test_a_row_that_has_given_its_result_holds_nothing() -> None:
    integrals = FixedIntegrals(rule_nodes("midpoint", 2), 0.01, 0.0)
    for row in (0, 1, 0):
        nodes, ends = integrals.open(row)
        integrals.add([row, row], nodes, values(torch.ones(2, 1, 4), [1.0]))
        integrals.add_scores([row, row], ends, (torch.zeros(2, 1), torch.zeros(2, 1)))
        integrals.advance([row], integrals.launch([row]).wait())
        assert sums(integrals.result(row)).item() == 4.0
        assert not any(each for each in vars(integrals).values() if isinstance(each, dict))
