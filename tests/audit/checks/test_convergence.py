"""Convergence and completeness of two nights of known numbers."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.audit.verdict import Check, Outcome

Checked = Callable[..., Check]


def lost_at(image: str) -> Callable[..., dict[str, Any]]:
    return lambda variant, at, target: {"converged": at != image}


def gap_of(gap: float, **more: Any) -> Callable[..., dict[str, Any]]:
    """A gap in units of the allowance: a hundredth of |F(image) - F(baseline)|, which is 0.25, and 1e-6."""
    return lambda *place: {"convergence_delta": -gap * (0.01 * 0.25 + 1e-6), **more}


def test_the_share_of_converged_maps_fell(checked: Checked) -> None:
    found = checked("convergence", {"row": lost_at("b")})
    assert found.figure == pytest.approx(1 / 3)
    assert found.outcome is Outcome.FAILED
    assert {offender.image_id for offender in found.offenders} == {"b"}
    assert found.offenders[0].value == 2  # both targets


def test_a_share_that_rose_is_no_fault(checked: Checked) -> None:
    found = checked("convergence", {}, {"row": lost_at("b")})
    assert (found.figure, found.outcome, found.offenders) == (0.0, Outcome.PASSED, ())


@pytest.mark.parametrize(
    ("now", "before", "figure"),
    [(0.5, 0.1, 0.5), (3.0, 0.5, 3.0), (6.0, 4.0, 1.5), (2.0, 4.0, 0.5)],
    ids=["within", "beyond", "grown", "smaller"],
)
def test_a_gap_counts_against_the_allowance_or_what_it_was(
    checked: Checked, now: float, before: float, figure: float
) -> None:
    found = checked("completeness", {"row": gap_of(now)}, {"row": gap_of(before)}, completeness=1.6)
    assert found.figure == pytest.approx(figure)
    assert found.outcome is (Outcome.FAILED if figure > 1.6 else Outcome.PASSED)
    part = found.parts[0]
    assert (part.now, part.before, part.n) == (pytest.approx(now), pytest.approx(before), 3)


def test_an_estimated_error_makes_the_maps_absolute_sum_the_norm(checked: Checked) -> None:
    row = gap_of(1.0, map_error=0.001, abs_sum=2.5)
    found = checked("completeness", {"row": row})
    assert found.parts[0].now == pytest.approx(0.1, rel=0.01)
