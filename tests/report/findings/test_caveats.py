"""What a reader is warned of, each where it applies and only there."""

import re
from typing import Any

import pytest

from igbatch.images.box_counts import BoxCounts
from igbatch.reduce.summary import Summary, WorstMap
from igbatch.report.findings.caveats import BaselineMean, cautions
from igbatch.report.sentences import sentences


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
    study.record["boxes"] = counts and counts.record()
    said = cautions(study, study.totals, 0)
    assert [each for each in said if each.startswith("Boxes")] == ([caution] if caution else [])


WORST = WorstMap(0.5, ("trained", "a.png", "eagle"), 50, 0.001, 0.002, True)
PLAIN: dict[str, Any] = {
    "rows": 12, "converged": 12, "estimated": 12, "largest_error": 0.009, "worst": WORST,
}  # fmt: skip


@pytest.mark.parametrize(
    ("summary", "more", "added"),
    [
        ({}, {}, ()),
        ({}, {"raw_end": 0.05}, ("The raw scale ends at ±0.05, the round number",)),
        ({"estimated": 0}, {}, ("With a fixed number of steps",)),
        ({"estimated": 3}, {}, ("The largest stated error is 0.90\u00a0% of its map", "With a fixed number")),
        ({"negligible": 1}, {}, ("1 map is negligible: too small",)),
        ({"negligible": 2}, {}, ("2 maps are negligible: too small",)),
        ({"constant": {("trained", "eagle"): 2}}, {}, ("2 maps are 0 (trained for eagle): the output",)),
        ({"constant": {("a", "eagle"): 1, ("b", "eagle"): 2}}, {},
         ("3 maps are 0, most of them of b for eagle (2): the output does not change",)),
        ({}, {"baseline": BaselineMean("trained", "eagle", 0.25)},
         ("The baseline is not nothing to the model: trained gives eagle 25.0\u00a0% there.",)),
        ({}, {"boxes": "3 boxes on 1 of 2 images"}, ("Boxes: 3 boxes on 1 of 2 images.",)),
        ({}, {"gone": 1, "quarantined": 1}, ("1 map of 13 is missing (some are in quarantine, see",)),
        ({}, {"gone": 2}, ("2 maps of 13 are missing (they are not computed yet): ranges over",)),
    ],
)  # fmt: skip
def test_each_caution_stands_where_it_applies(
    summary: dict[str, Any], more: dict[str, Any], added: tuple[str, ...]
) -> None:
    nothing = {"raw_end": None, "baseline": None, "boxes": "", "expected": 13, "gone": 0, "quarantined": 0}
    settings = {"tolerance": 0.01, "atol": 1e-6}
    said = sentences("caveats.j2", summary=Summary(**PLAIN | summary), settings=settings, **nothing | more)
    expected = [
        "The same numbers look different under different ranges. ",
        "12 of 12 maps converged (allowed is an error of 1 %, of the sum of |a| where it is estimated",
        *(() if "estimated" in summary else ("The largest stated error is 0.90\u00a0% of its map (",)),
        *added,
    ]
    assert len(said) == len(expected)
    for words in expected:
        assert any(each.startswith(words) for each in said), words
    assert not [each for each in said if re.search(r" [.,;:)]|\( ", each) or not each.endswith(".")]


def test_of_no_map_there_is_little_to_say(drawn: Any) -> None:
    study = drawn({}, images=["a"], kinds={"trained": "trained"})
    said = cautions(study, study.totals, 0)
    assert said[1:] == ["No map has been computed."]
