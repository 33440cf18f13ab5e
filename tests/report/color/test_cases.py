"""Scales, their colours and texts, case by case; `tests/report/viewer/cases.test.ts` reads the same cases."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from igbatch import text
from igbatch.report.color.colormaps import color_indices
from igbatch.report.color.contour import strongest
from igbatch.report.color.scale import ColorScale, take_part
from igbatch.statistics.partitions import Partition
from igbatch.text import count

CASES = json.loads((Path(__file__).parent / "cases.json").read_text("utf-8"))

ScaleOf = Callable[..., ColorScale]


def name(value: Any) -> str:
    return json.dumps(value)


@pytest.mark.parametrize("case", CASES["limits"], ids=name)
def test_ends_and_bar_are_those_of_scope_rule_and_part(scale_of: ScaleOf, case: dict[str, Any]) -> None:
    choices = {"rule": case["rule"], "part": case.get("part", "signed")}
    if "fixed" in case:
        choices["ends"] = case["fixed"]
    scale = scale_of(*case["range"], case.get("scope", "pair"), quantile=case.get("quantile"), **choices)
    assert (scale.ends, scale.bar) == (tuple(case["ends"]), tuple(case["bar"]))


def test_parts_are_what_they_are_called() -> None:
    for case in CASES["parts"]:
        assert take_part(np.array(case["values"], dtype=float), case["part"]).tolist() == case["shown"]


@pytest.mark.parametrize("case", CASES["colors"], ids=name)
def test_values_have_the_colours_of_their_places(case: dict[str, Any]) -> None:
    found = color_indices(np.array(case["values"], dtype=float), *case["ends"], case.get("level", 1.0))
    assert found.tolist() == case["colors"]


@pytest.mark.parametrize("case", CASES["beyond"], ids=name)
def test_pixels_beyond_the_ends_are_counted_and_those_at_them_are_not(
    scale_of: ScaleOf, case: dict[str, Any]
) -> None:
    marks = scale_of(-1, 1, ends=case["ends"], part=case["part"]).marks(np.array(case["values"], dtype=float))
    assert [mark.split(" (")[0] for mark in marks if "beyond" in mark] == (
        [count(case["pixels"], "pixel")] if case["pixels"] else []
    )


@pytest.mark.parametrize("case", CASES["regions"], ids=name)
def test_regions_show_their_sums(case: dict[str, Any]) -> None:
    values, labels = np.array(case["values"], dtype=np.float32), case.get("labels")
    cut = Partition(case.get("size", 1), None if labels is None else np.array(labels, dtype=np.uint16))
    sums = cut.sums(values)
    assert sums.ravel().tolist() == case["sums"]
    assert cut.over_pixels(sums, values.shape).tolist() == case["shown"]


@pytest.mark.parametrize("case", CASES["contours"], ids=name)
def test_the_contour_is_around_the_strongest_pixels(case: dict[str, Any]) -> None:
    values = np.array(case["values"], dtype=float)
    found = strongest(values, case["share"], case.get("part", "signed"), case.get("blur", 0))
    assert np.argwhere(found).tolist() == case["inside"]


def test_quantiles_are_numpys() -> None:
    for case in CASES["quantiles"]:
        assert np.quantile(case["values"], case["percent"] / 100) == case["quantile"]


@pytest.mark.parametrize("function", CASES["texts"])
def test_numbers_shares_and_lists_are_written(function: str) -> None:
    for arguments, expected in CASES["texts"][function]:
        assert getattr(text, function)(*arguments) == expected
