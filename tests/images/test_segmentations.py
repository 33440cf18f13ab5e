"""COCO's outlines: polygons and run-length codes, plain and as text, and what is none."""

from typing import Any

import numpy as np
import pytest

from igbatch.images.segmentations import filled, from_text, parse_segmentation, to_text


def encoded(counts: list[int]) -> str:
    """Encode counts as pycocotools' `rleToString` does."""
    text = ""
    for place, count in enumerate(counts):
        value, more = count - (counts[place - 2] if place > 2 else 0), True
        while more:
            bits, value = value & 31, value >> 5
            more = value != -1 if bits & 16 else value != 0
            text += chr((bits | 32 if more else bits) + 48)
    return text


@pytest.mark.parametrize("seed", range(4))
def test_runs_go_down_columns_whether_the_counts_are_numbers_or_text(seed: int) -> None:
    mask = np.random.default_rng(seed).random((7, 5)) < (0.5 if seed else 2.0)
    column = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], column]).astype(np.int8)))
    counts = np.diff([0, *edges, column.size]).tolist()
    for form in (counts, encoded(counts)):
        found = parse_segmentation({"size": [7, 5], "counts": form}, (5, 7))
        assert isinstance(found, dict)
        np.testing.assert_array_equal(filled(found), mask)
        assert from_text(to_text(found)) == found


def test_a_code_of_pycocotools_is_read_as_it_was_meant() -> None:
    rows, columns = np.mgrid[:40, :30]
    disc = (rows - 18) ** 2 + (columns - 14) ** 2 < 130
    counts = "X45P16L2M4N0O2N2O000O2O00000001N10001N2N102L3N4Jc4"  # what its `encode` gave for this disc
    found = parse_segmentation({"size": [40, 30], "counts": counts}, (30, 40))
    assert isinstance(found, dict)
    np.testing.assert_array_equal(filled(found), disc)


@pytest.mark.parametrize("nothing", [None, []])
def test_what_has_none(nothing: Any) -> None:
    assert parse_segmentation(nothing, (4, 3)) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([[1, 2, 3, 4]], "three or more"),
        ([[1, 2, 3, 4, 5, 6, 7]], "three or more"),
        ([[1, 2, 3, 4, 5, "6"]], "three or more"),
        ([[1, 2, 3, 4, 5, float("nan")]], "three or more"),
        ("polygon", "neither"),
        ({"size": [3, 4]}, "neither"),
        ({"size": [4, 3], "counts": [12]}, r"the image is \[3, 4\]"),
        ({"size": [3, 4], "counts": [5]}, "do not add up to the 12 pixels"),
        ({"size": [3, 4], "counts": [13, -1]}, "do not add up"),
        ({"size": [3, 4], "counts": "~"}, "the character"),
        ({"size": [3, 4], "counts": "P"}, "end within a number"),
        ({"size": [3, 4], "counts": "P" * 100}, "more than 60 bits"),
    ],
)
def test_what_is_no_outline_is_refused(value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_segmentation(value, (4, 3))
