"""The integral by a rule, from nodes that come in order."""

import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igbatch.attribution.fixed import FixedIntegral
from igbatch.attribution.integrand import NodeValue
from igbatch.attribution.rules import RULES, rule_nodes


def value(map_: torch.Tensor, scale: list[float]) -> NodeValue:
    """A node's value with a map [K, pixels] in units of a scale [K]."""
    units = np.array(scale)
    sums = map_.sum(1).numpy() * units
    return NodeValue(np.zeros(len(scale)), map_, units, np.abs(sums), sums)


def integrate(rule: str, steps: int, function: Callable[[float], float], tolerance: float) -> FixedIntegral:
    """Integrate a function of the node, the one pixel of one target, whose output rises by 1."""
    integral = FixedIntegral(rule_nodes(rule, steps), tolerance, 0.0)
    for node in integral.wanted:
        integral.add(node, value(torch.tensor([[function(node)]], dtype=torch.float64), [1.0]))
    for score in (0.0, 1.0):
        integral.add_score(np.array([score]))
    return integral


@pytest.mark.parametrize("rule", RULES)
@given(steps=st.integers(2, 12), scale=st.floats(1e-200, 1e3))
def test_the_result_is_the_weighted_sum_in_units_of_the_output(rule: str, steps: int, scale: float) -> None:
    quadrature = rule_nodes(rule, steps)
    maps = torch.randn(steps, 2, 5, generator=torch.Generator().manual_seed(steps), dtype=torch.float64)
    integral = FixedIntegral(quadrature, 0.01, 0.0)
    assert integral.wanted == tuple(quadrature.nodes)
    for node, map_ in zip(integral.wanted, maps, strict=True):
        integral.add(node, value(map_, [scale, 3.0]))
    weights = torch.from_numpy(quadrature.weights)
    expected = torch.einsum("n,nkp->kp", weights, maps) * torch.tensor([[scale], [3.0]], dtype=torch.float64)
    torch.testing.assert_close(integral.result(), expected, rtol=1e-12, atol=1e-14 * scale)
    assert integral.result().dtype == torch.float64
    assert integral.steps == steps
    assert integral.quadrature is quadrature


def test_it_is_done_once_all_nodes_and_both_ends_are_in_whichever_come_first() -> None:
    for order in ("node node end end", "end node end node", "end end node node"):
        integral = FixedIntegral(rule_nodes("midpoint", 2), 0.01, 0.0)
        assert integral.scored == (0.0, 1.0)
        for what in order.split():
            assert not integral.done
            if what == "node":
                integral.add(0.25, value(torch.ones(1, 3), [1.0]))
            else:
                integral.add_score(np.ones(1))
        assert integral.done
        assert integral.wanted == ()


def test_the_error_of_the_map_is_not_estimated() -> None:
    assert np.isnan(integrate("midpoint", 3, lambda node: 1.0, 0.01).map_error).all()


def test_it_has_converged_if_the_map_sums_to_the_rise() -> None:
    # The midpoint rule misses the integral of 3 a^2, which is 1, by 1 / (4 n^2).
    for steps in (2, 5, 10):
        missing = 1 / (4 * steps**2)
        assert integrate("midpoint", steps, lambda node: 3 * node**2, 1.01 * missing).converged.all()
        assert not integrate("midpoint", steps, lambda node: 3 * node**2, 0.99 * missing).converged.any()


def test_scores_are_those_of_the_ends() -> None:
    start, end = integrate("left", 2, lambda node: 1.0, 0.01).scores
    assert (start.item(), end.item()) == (0.0, 1.0)


def test_maps_of_nodes_are_not_kept() -> None:
    integral = FixedIntegral(rule_nodes("midpoint", 3), 0.01, 0.0)
    maps = [torch.ones(1, 4) for _ in range(2)]
    watched = [weakref.ref(map_) for map_ in maps]
    while maps:
        integral.add(0.5, value(maps.pop(), [1.0]))
    assert [reference() for reference in watched] == [None, None]
