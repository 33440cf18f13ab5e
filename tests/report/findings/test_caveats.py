"""What a reader is warned of: of boxes, that some were left out, and that others were not found."""

from typing import Any

import pytest

from igbatch.images.box_counts import BoxCounts
from igbatch.report.color.scope import Normalizations
from igbatch.report.findings.caveats import cautions


@pytest.mark.parametrize(
    ("counts", "caution"),
    [
        (None, None),
        (BoxCounts(4, 2, 2), None),
        (BoxCounts(4, 2, 2, unknown_images=117_000), None),
        (BoxCounts(4, 1, 2), None),
        (BoxCounts(4, 1, 2, unknown_images=1),
         "Boxes: 4 boxes on 1 of 2 images; 1 of the file's images is not in the study."),
        (BoxCounts(4, 2, 2, crowd=3), "Boxes: 4 boxes on 2 of 2 images; 3 crowd regions are left out."),
    ],
)  # fmt: skip
def test_boxes_that_were_left_out_or_not_found_are_a_caution(
    drawn: Any, noise: Any, counts: BoxCounts | None, caution: str | None
) -> None:
    study = drawn({("trained", image, "eagle"): noise(1) for image in "ab"}, targets=["eagle"])
    study.study["boxes"] = counts and counts.record()
    said = cautions(study, Normalizations(study), study.totals, 0)
    assert [each for each in said if each.startswith("Boxes")] == ([caution] if caution else [])
