"""Sums over regions of any shape: a partition of a map, whose sums add up to the map's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from igbatch.statistics.partitions import SEGMENTS, LabelMap, Partition, label_sums, segment_statistics


@st.composite
def labelled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A map and labels of its shape, numbered from 0 on without gaps."""
    shape = draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    attribution = draw(arrays(np.float32, shape, elements=st.floats(-1, 1, width=32)))
    drawn = draw(arrays(np.uint16, shape, elements=st.integers(0, draw(st.integers(0, 900)))))
    labels = np.unique(drawn, return_inverse=True)[1].reshape(shape).astype(np.uint16)
    return attribution, labels


@given(drawn=labelled())
def test_sums_of_any_partition_are_those_of_the_map(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    attribution, labels = drawn
    regions = Partition(labels=labels)
    sums = regions.sums(attribution)
    exact = attribution.astype(np.float64)
    off = 1e-12 * np.abs(exact).sum()
    assert len(sums) == LabelMap("objects", labels).regions
    assert abs(sums.sum() - exact.sum()) <= off
    shown = regions.over_pixels(sums, attribution.shape)
    for number in np.unique(labels):
        inside = labels == number
        assert abs(sums[number] - exact[inside].sum()) <= off
        assert (shown[inside] == sums[number]).all()
    assert regions.largest == max(np.count_nonzero(labels == number) for number in np.unique(labels))
    (entry,) = segment_statistics(attribution, [LabelMap("superpixels", labels)])
    assert (entry["size"], entry["n_maps"], entry["histogram"].sum()) == (0, 1, len(sums))
    assert (entry["minimum"], entry["maximum"]) == (sums.min(), sums.max())


def test_one_region_is_the_whole_map_and_one_a_pixel_are_its_pixels() -> None:
    attribution = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    each = np.arange(35, dtype=np.uint16).reshape(5, 7)
    np.testing.assert_array_equal(label_sums(attribution, each), attribution.ravel())
    whole = label_sums(attribution, np.zeros((5, 7), dtype=np.uint16))
    assert whole.item() == pytest.approx(attribution.sum(dtype=np.float64), abs=1e-12)
    entries = segment_statistics(attribution, [LabelMap("superpixels", each), LabelMap("objects", each)])
    assert [entry["size"] for entry in entries] == sorted(SEGMENTS.values())
    with pytest.raises(ValueError, match="differ in shape"):
        label_sums(attribution, each.T)
