"""What all checks share: the worst comes first, and no list grows without end."""

from collections.abc import Callable
from typing import Any

import pytest

from igbatch.audit.checks.base import WORDING
from igbatch.audit.checks.boxes import NEGLIGIBLE
from igbatch.audit.checks.convergence import GAP_QUANTILE
from igbatch.audit.map_similarity import SAMPLE
from igbatch.audit.verdict import MAX_OFFENDERS, MAX_PARTS, Check, Outcome

Checked = Callable[..., Check]


def test_the_worst_images_come_first_and_no_more_than_so_many(checked: Checked) -> None:
    images = [f"image-{number:02d}" for number in range(2 * MAX_OFFENDERS)]

    def row(variant: str, image: str, target: str) -> dict[str, Any]:
        return {"target_probability": 0.5 + int(image[-2:]) / 50}

    found = checked("probabilities", {"images": images, "row": row}, {"images": images})
    values = [offender.value for offender in found.offenders]
    assert len(values) == MAX_OFFENDERS
    assert values == sorted(values, reverse=True)
    assert found.offenders[0].image_id == images[-1]


def test_parts_that_failed_come_first_and_the_worst_of_them_is_the_figure(checked: Checked) -> None:
    kinds = {f"variant-{number:02d}": "random" for number in range(MAX_PARTS + 5)}

    def row(variant: str, image: str, target: str) -> dict[str, Any]:
        lost = {"variant-51": ("a",), "variant-53": ("a", "b")}.get(variant, ())
        return {"converged": image not in lost}

    alike = {"kinds": kinds, "targets": ["eagle"], "maps": "none", "boxes": lambda *place: []}
    found = checked("convergence", {**alike, "row": row}, alike)
    assert len(found.parts) == MAX_PARTS
    assert [part.name for part in found.parts[:3]] == ["variant-53", "variant-51", "variant-00"]
    assert found.figure == pytest.approx(2 / 3)
    assert found.outcome is Outcome.FAILED


@pytest.mark.parametrize(("threshold", "outcome"), [(0.25, Outcome.PASSED), (0.2499, Outcome.FAILED)])
def test_a_figure_at_its_threshold_passes(checked: Checked, threshold: float, outcome: Outcome) -> None:
    found = checked(
        "probabilities", {"row": lambda *place: {"target_probability": 0.75}}, probabilities=threshold
    )
    assert (found.figure, found.outcome) == (0.25, outcome)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("completeness", f"The {GAP_QUANTILE:.0%} quantile".replace("%", " %")),
        ("box_signs", f"above {NEGLIGIBLE:.0%} of".replace("%", " %")),
        ("similarity", f"at most {SAMPLE} images"),
        ("distance", f"at most {SAMPLE} images"),
    ],
)
def test_words_hold_the_numbers_of_the_code(name: str, number: str) -> None:
    assert number in WORDING[name]["compared"]
