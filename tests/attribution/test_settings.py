"""Settings, and the integrals that they make."""

import math
from typing import Any

import numpy as np
import pytest

from igbatch.attribution.adaptive import FIRST_NODES, Goal
from igbatch.attribution.adaptive_integrals import AdaptiveIntegrals
from igbatch.attribution.errors import AttributionError
from igbatch.attribution.fixed_integrals import FixedIntegrals
from igbatch.attribution.precision import PRECISIONS
from igbatch.attribution.rules import Quadrature, rule_nodes
from igbatch.attribution.settings import Settings
from igbatch.attribution.wave import Integrals


def goal_of(**settings: Any) -> Goal:
    integrals = Settings(steps="auto", **settings).integrals(2)
    assert isinstance(integrals, AdaptiveIntegrals)
    return integrals._goal


def requested(integrals: Integrals) -> list[float]:
    nodes, _ = integrals.open(0)
    return [node.place for node in nodes]


def test_a_number_of_steps_makes_the_rules_integrals() -> None:
    integrals = Settings(rule="midpoint", steps=7).integrals(2)
    assert isinstance(integrals, FixedIntegrals)
    assert requested(integrals) == rule_nodes("midpoint", 7).nodes.tolist()


def test_every_wave_has_integrals_of_its_own() -> None:
    for steps in (7, "auto"):
        settings = Settings(steps=steps)  # type: ignore[arg-type]
        assert settings.integrals(2) is not settings.integrals(2)


@pytest.mark.parametrize("steps", [7, "auto"])
def test_nodes_that_are_given_are_taken_instead_of_a_rules(steps: Any) -> None:
    nodes = Quadrature(np.array([0.25, 0.5]), np.array([0.75, 0.25]))
    assert requested(Settings(steps=steps, nodes=nodes).integrals(1)) == [0.25, 0.5]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_auto_makes_adaptive_integrals_with_the_settings_as_their_goal(precision: str) -> None:
    goal = goal_of(tolerance=0.03, atol=1e-5, max_steps=99, precision=precision)
    assert (goal.tolerance, goal.atol, goal.max_steps) == (0.03, 1e-5, 99)
    assert goal.rounding == PRECISIONS[precision].rounding
    assert goal.complete
    assert requested(Settings(steps="auto").integrals(1)) == list(FIRST_NODES)
    assert not goal_of(multiply=False).complete


def test_the_arithmetics_error_and_the_quadratures_add_up_to_the_tolerance() -> None:
    def left(**settings: float) -> float:
        return float(goal_of(tolerance=0.05, **settings).left(np.ones(2)).max())

    assert left(arithmetic_error=0.03) + 0.03 == pytest.approx(0.05)
    assert left() == 0.05
    for too_large in (0.05, 0.2):  # such a map cannot converge; it is still taken as far as makes sense
        assert 0 < left(arithmetic_error=too_large) < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tolerance": -1.0}, "tolerance=-1.0: give a finite number of 0 or more"),
        ({"steps": "auto", "tolerance": 0}, "tolerance=0 is reached by no number of nodes"),
        ({"steps": "auto", "tolerance": 5}, "tolerance=5 lets a map of zeros pass"),
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
