"""Settings, and the integrals that they make."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from igbatch.attribution.adaptive import FIRST_NODES, WAVE, AdaptiveIntegral
from igbatch.attribution.errors import AttributionError
from igbatch.attribution.fixed import FixedIntegral
from igbatch.attribution.integrand import NodeValue
from igbatch.attribution.precision import PRECISIONS
from igbatch.attribution.rules import Quadrature, rule_nodes
from igbatch.attribution.settings import Settings


def goal_of(**settings: Any) -> Any:
    integral = Settings(steps="auto", **settings).integral()
    assert isinstance(integral, AdaptiveIntegral)
    return integral.goal


def test_a_number_of_steps_makes_the_rules_integral() -> None:
    integral = Settings(rule="midpoint", steps=7).integral()
    assert isinstance(integral, FixedIntegral)
    assert integral.wanted == tuple(rule_nodes("midpoint", 7).nodes)


def test_an_image_that_is_kept_apart_asks_for_more_at_once() -> None:
    def asked(mixed: bool) -> int:
        integral = Settings(steps="auto", tolerance=1e-6, mixed=mixed).integral()
        most = 0
        for _ in range(6):
            wave = integral.wanted
            most = max(most, len(wave))
            for node in wave:
                bump = np.exp(-(((node - 0.4) / 0.05) ** 2))
                value = torch.full((1, 1), float(bump))
                slope = np.array([bump])
                integral.add(node, NodeValue(np.array([0.0]), value, np.ones(1), slope, slope))
        return most

    assert asked(mixed=True) == len(FIRST_NODES)
    assert asked(mixed=False) > WAVE + len(FIRST_NODES) > asked(mixed=True)


def test_every_path_has_an_integral_of_its_own() -> None:
    for steps in (7, "auto"):
        settings = Settings(steps=steps)  # type: ignore[arg-type]
        assert settings.integral() is not settings.integral()


@pytest.mark.parametrize("steps", [7, "auto"])
def test_nodes_that_are_given_are_taken_instead_of_a_rules(steps: Any) -> None:
    nodes = Quadrature(np.array([0.25, 0.5]), np.array([0.75, 0.25]))
    assert Settings(steps=steps, nodes=nodes).integral().wanted == (0.25, 0.5)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_auto_makes_an_adaptive_integral_with_the_settings_as_its_goal(precision: str) -> None:
    goal = goal_of(tolerance=0.03, atol=1e-5, max_steps=99, precision=precision)
    assert (goal.tolerance, goal.atol, goal.max_steps) == (0.03, 1e-5, 99)
    assert goal.rounding == PRECISIONS[precision].rounding
    assert goal.complete
    assert not goal_of(multiply=False).complete


def test_the_arithmetics_error_and_the_quadratures_add_up_to_the_tolerance() -> None:
    assert goal_of(tolerance=0.05, arithmetic_error=0.03).tolerance + 0.03 == pytest.approx(0.05)
    assert goal_of(tolerance=0.05).tolerance == 0.05
    for too_large in (0.05, 0.2):  # such a map cannot converge; it is still taken as far as makes sense
        assert 0 < goal_of(tolerance=0.05, arithmetic_error=too_large).tolerance < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tolerance": -1.0}, "tolerance=-1.0: give a finite number of 0 or more"),
        ({"atol": math.nan}, "atol=nan: give a finite number of 0 or more"),
        ({"arithmetic_error": math.inf}, "arithmetic_error=inf: give a finite number of 0 or more"),
        ({"max_steps": 4}, "max_steps=4: give a whole number of 5 or more"),
        ({"max_steps": True}, "max_steps=True: give a whole number of 5 or more"),
        ({"precision": "auto"}, "precision='auto' is unknown: choose one of float32"),
        ({"output": "odds"}, "output='odds' is unknown"),
        ({"rule": "simpson"}, "rule='simpson' is unknown"),
        ({"steps": 0}, "steps=0 with rule='gauss-legendre': give a whole number of 1 or more"),
    ],
)
def test_settings_that_are_wrong_are_refused_with_the_fix(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AttributionError, match=message):
        Settings(**change)
