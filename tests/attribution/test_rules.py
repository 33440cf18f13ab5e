"""Rules against polynomials and integrals that are known, and against captum's tables."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from captum.attr._utils.approximation_methods import approximation_parameters
from hypothesis import given
from hypothesis import strategies as st

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.rules import RULES, rule_nodes

Function = Callable[[np.ndarray], np.ndarray]

CAPTUM_NAMES = {
    "gauss-legendre": "gausslegendre",
    "midpoint": "riemann_middle",
    "left": "riemann_left",
    "right": "riemann_right",
    "trapezoid": "riemann_trapezoid",
}

KNOWN_INTEGRALS: dict[str, tuple[Function, float]] = {
    "exp(x)": (np.exp, math.e - 1),
    "1/(1+x^2)": (lambda x: 1 / (1 + x**2), math.pi / 4),
    "cos(5x)": (lambda x: np.cos(5 * x), math.sin(5) / 5),
    "steep sigmoid": (
        lambda x: 1 / (1 + np.exp(-20 * (x - 0.3))),
        math.log((1 + math.exp(14)) / (1 + math.exp(-6))) / 20,
    ),
}


def integral(rule: str, steps: int, function: Function) -> float:
    quadrature = rule_nodes(rule, steps)
    return float(quadrature.weights @ function(quadrature.nodes))


@pytest.mark.parametrize("rule", RULES)
@given(steps=st.integers(2, 100))
def test_weights_sum_to_one_and_nodes_ascend_inside_the_interval(rule: str, steps: int) -> None:
    quadrature = rule_nodes(rule, steps)
    assert quadrature.nodes.dtype == quadrature.weights.dtype == np.float64
    assert quadrature.nodes.shape == quadrature.weights.shape == (steps,)
    assert math.isclose(quadrature.weights.sum(), 1, rel_tol=1e-13)
    assert np.all(quadrature.weights > 0)
    assert np.all(np.diff(quadrature.nodes) > 0)
    assert quadrature.nodes[0] >= 0
    assert quadrature.nodes[-1] <= 1


@given(data=st.data(), steps=st.integers(1, 12))
def test_gauss_legendre_is_exact_up_to_degree_2n_minus_1(data: st.DataObject, steps: int) -> None:
    coefficients = data.draw(st.lists(st.floats(-10, 10), min_size=2 * steps, max_size=2 * steps))
    polynomial = np.polynomial.Polynomial(coefficients)
    exact = polynomial.integ()(1.0)
    assert math.isclose(integral("gauss-legendre", steps, polynomial), exact, rel_tol=1e-12, abs_tol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_gauss_legendre_misses_degree_2n_by_the_known_remainder(steps: int) -> None:
    # Abramowitz and Stegun 25.4.30, on an interval of length 1 and for f = x^(2n), whose derivative is (2n)!.
    factorial = math.factorial
    remainder = factorial(steps) ** 4 / ((2 * steps + 1) * factorial(2 * steps) ** 2)
    error = 1 / (2 * steps + 1) - integral("gauss-legendre", steps, lambda x: x ** (2 * steps))
    assert math.isclose(error, remainder, rel_tol=1e-6)


@pytest.mark.parametrize("rule", ["midpoint", "trapezoid"])
@given(steps=st.integers(2, 100), slope=st.floats(-5, 5), offset=st.floats(-5, 5))
def test_symmetric_rules_are_exact_on_lines(rule: str, steps: int, slope: float, offset: float) -> None:
    found = integral(rule, steps, lambda x: slope * x + offset)
    assert math.isclose(found, slope / 2 + offset, rel_tol=1e-12, abs_tol=1e-12)


@given(steps=st.integers(1, 100))
def test_one_sided_rules_miss_a_line_by_half_a_step(steps: int) -> None:
    assert math.isclose(integral("left", steps, lambda x: x), 0.5 - 0.5 / steps, abs_tol=1e-12)
    assert math.isclose(integral("right", steps, lambda x: x), 0.5 + 0.5 / steps, abs_tol=1e-12)


@pytest.mark.parametrize("name", KNOWN_INTEGRALS)
@pytest.mark.parametrize(("rule", "order"), [("midpoint", 2), ("trapezoid", 2), ("left", 1), ("right", 1)])
def test_error_falls_with_the_order_of_the_rule(rule: str, order: int, name: str) -> None:
    function, exact = KNOWN_INTEGRALS[name]
    ends = 1 if rule == "trapezoid" else 0  # n intervals have n + 1 nodes
    coarse = abs(integral(rule, 200 + ends, function) - exact)
    fine = abs(integral(rule, 400 + ends, function) - exact)
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.05)


@pytest.mark.parametrize("name", KNOWN_INTEGRALS)
def test_gauss_legendre_reaches_rounding_on_smooth_integrands(name: str) -> None:
    function, exact = KNOWN_INTEGRALS[name]
    assert integral("gauss-legendre", 60, function) == pytest.approx(exact, rel=1e-13)


def test_gauss_legendre_holds_its_digits_at_a_thousand_steps() -> None:
    assert integral("gauss-legendre", 1200, lambda x: np.cos(300 * x)) == pytest.approx(
        math.sin(300) / 300, abs=1e-12
    )


@pytest.mark.parametrize("rule", CAPTUM_NAMES)
@pytest.mark.parametrize("steps", [2, 7, 50])
def test_rules_are_captums_but_for_the_trapezoids_sum(rule: str, steps: int) -> None:
    step_sizes, alphas = approximation_parameters(CAPTUM_NAMES[rule])
    factor = (steps - 1) / steps if rule == "trapezoid" else 1
    quadrature = rule_nodes(rule, steps)
    # Captum computes the nodes of its Riemann sums in float32.
    np.testing.assert_allclose(alphas(steps), quadrature.nodes, rtol=0, atol=1e-7)
    np.testing.assert_allclose(step_sizes(steps), factor * quadrature.weights, rtol=1e-12)


@pytest.mark.parametrize(
    ("rule", "steps", "message"),
    [
        ("simpson", 10, r"rule='simpson' is unknown: choose one of gauss-legendre, midpoint"),
        ("midpoint", 0, r"steps=0 with rule='midpoint': give a whole number of 1 or more"),
        ("trapezoid", 1, r"steps=1 with rule='trapezoid': give a whole number of 2 or more"),
        ("left", 2.5, r"steps=2.5"),
        ("left", True, r"steps=True"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_fix(rule: str, steps: int, message: str) -> None:
    with pytest.raises(AttributionError, match=message):
        rule_nodes(rule, steps)
