"""Whose maps make the raw scale, and what is said where some have no ranges of a kind of region."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from igbatch.errors import InputError
from igbatch.reduce.ranges import RangeSummary, region_size
from igbatch.reduce.scopes import raw_scale, scope_range
from igbatch.statistics.histogram import histogram

CONTRAST = "eagle - magpie"
PATCHES = region_size("patch 16")


def summary(largest: float, *, patches: bool = True) -> RangeSummary:
    values = np.linspace(-largest, largest, 64).reshape(8, 8)
    plain = RangeSummary(-largest, largest, histogram(values), 1)
    return RangeSummary(-largest, largest, plain.counts, 1, {PATCHES: plain} if patches else {})


def reader(*variants: str) -> Any:
    images = SimpleNamespace(superpixels=None, objects=False)
    families = {"": ["label"], CONTRAST: [CONTRAST]}
    return SimpleNamespace(
        families=families,
        variant_ids=list(variants),
        expected_images=lambda variant_id: 1,
        study=SimpleNamespace(images=images),
    )


@pytest.mark.parametrize("targets", [None, [CONTRAST]])
def test_where_no_class_has_a_map_the_raw_scale_is_that_of_the_first_contrast(
    targets: list[str] | None,
) -> None:
    def summary_of(variant_id: str, family: str) -> RangeSummary:
        return summary(0.3) if family == CONTRAST else RangeSummary()

    found = scope_range(reader("trained"), summary_of, "raw", targets=targets)
    assert (found.n_maps, found.maximum) == (1, 0.5)
    with pytest.raises(KeyError, match="no map for scope 'raw'"):
        scope_range(reader("trained"), summary_of, "raw", targets=["label"])


def test_classes_that_are_older_than_a_kind_of_region_have_no_raw_scale_of_it() -> None:
    """Whether all of them are, or those of one variant: a scale of the others would be another one."""
    for older in (["trained", "random"], ["trained"]):

        def summary_of(variant_id: str, family: str, older: list[str] = older) -> RangeSummary:
            return summary(0.3, patches=bool(family) or variant_id not in older)

        where = (
            f"{len(older)} of 2 maps \\(of the raw scale\\) were computed by a version that kept no ranges"
        )
        with pytest.raises(InputError, match=where):
            scope_range(
                reader("trained", "random"), summary_of, "raw", targets=[CONTRAST], regions="patch 16"
            )
        pixels = scope_range(reader("trained", "random"), summary_of, "raw", targets=[CONTRAST])
        assert pixels.maximum == raw_scale([summary(0.3)])
