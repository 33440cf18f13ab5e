"""Every pair goes through once, one image a micro-batch, in one shape."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.rules import rule_nodes
from igbatch.attribution.schedule import (
    MicroBatch,
    chunk_size,
    default_micro_batch,
    end_points,
    micro_batches,
)

sizes = st.tuples(st.integers(1, 60), st.integers(0, 4), st.integers(1, 20))


def batches_of(steps: int, images: int, micro_batch: int) -> list[MicroBatch]:
    return list(micro_batches(rule_nodes("gauss-legendre", steps), images, micro_batch))


@given(sizes=sizes)
def test_every_pair_is_weighed_once_and_in_order(sizes: tuple[int, int, int]) -> None:
    steps, images, _ = sizes
    quadrature = rule_nodes("gauss-legendre", steps)
    rows = [
        (image, node, weight)
        for batch in batches_of(*sizes)
        for image, node, weight in zip(batch.images, batch.nodes, batch.weights, strict=True)
        if weight > 0
    ]
    assert rows == [
        (image, node, weight)
        for image in range(images)
        for node, weight in zip(quadrature.nodes, quadrature.weights, strict=True)
    ]


@given(sizes=sizes)
def test_micro_batches_have_one_shape_and_one_image(sizes: tuple[int, int, int]) -> None:
    steps, _, micro_batch = sizes
    rows = chunk_size(steps, micro_batch)
    for batch in batches_of(*sizes):
        assert batch.images.shape == batch.nodes.shape == batch.weights.shape == (rows,)
        assert len(set(batch.images.tolist())) == 1


@given(sizes=sizes)
def test_padding_repeats_the_last_node_of_an_image(sizes: tuple[int, int, int]) -> None:
    steps = sizes[0]
    last = rule_nodes("gauss-legendre", steps).nodes[-1]
    for batch in batches_of(*sizes):
        padding = batch.weights == 0
        assert np.all(batch.nodes[padding] == last)
        assert not padding[0]
        assert padding.any() <= (batch.completes != ())


@given(sizes=sizes)
def test_an_image_is_complete_with_its_last_pair(sizes: tuple[int, int, int]) -> None:
    batches = batches_of(*sizes)
    assert [image for batch in batches for image in batch.completes] == list(range(sizes[1]))
    for batch, following in pairwise(batches):
        assert (batch.completes != ()) == (following.images[0] != batch.images[0])


@given(sizes=sizes)
def test_an_image_is_scheduled_alike_whatever_the_others(sizes: tuple[int, int, int]) -> None:
    steps, images, micro_batch = sizes
    alone = batches_of(steps, 1, micro_batch)
    for start in range(0, images * len(alone), len(alone)):
        among = batches_of(*sizes)[start : start + len(alone)]
        assert all(
            np.array_equal(a.nodes, b.nodes) and np.array_equal(a.weights, b.weights)
            for a, b in zip(alone, among, strict=True)
        )


@given(steps=st.integers(1, 500), micro_batch=st.integers(1, 64))
def test_rows_use_at_least_half_of_what_is_allowed(steps: int, micro_batch: int) -> None:
    rows = chunk_size(steps, micro_batch)
    assert rows <= micro_batch
    assert rows == steps or 2 * rows > micro_batch


@pytest.mark.parametrize(
    ("steps", "micro_batch", "rows"), [(50, 8, 5), (200, 8, 8), (7, 8, 7), (48, 16, 16), (13, 1, 1)]
)
def test_rows_leave_no_padding_where_they_need_not(steps: int, micro_batch: int, rows: int) -> None:
    assert chunk_size(steps, micro_batch) == rows


def test_end_points_are_baseline_and_image() -> None:
    ends = list(end_points(3))
    assert [batch.images.tolist() for batch in ends] == [[0, 0], [1, 1], [2, 2]]
    assert all(batch.nodes.tolist() == [0, 1] for batch in ends)


def test_the_default_is_small_where_memory_is_what_rows_cost() -> None:
    assert 1 < default_micro_batch(torch.device("cpu")) < default_micro_batch(torch.device("cuda"))


@pytest.mark.parametrize("micro_batch", [0, -3, 2.0, True])
def test_no_rows_are_refused_before_anything_runs(micro_batch: int) -> None:
    with pytest.raises(AttributionError, match=r"micro_batch=.*: give a whole number of 1 or more"):
        micro_batches(rule_nodes("midpoint", 4), 1, micro_batch)
