"""Boxes whose sums add up to those of all pixels in any of them, held against the pixels themselves."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from igbatch.images.box_unions import union_of, union_of_table
from igbatch.images.boxes import EDGES

EXTENT = 12
SPAN = st.tuples(st.integers(0, EXTENT - 1), st.integers(1, EXTENT)).filter(lambda ends: ends[0] < ends[1])
BOXES = st.lists(st.tuples(SPAN, SPAN), max_size=6)


def covered(x: tuple[int, int], y: tuple[int, int]) -> np.ndarray:
    pixels = np.zeros((EXTENT, EXTENT), dtype=int)
    pixels[slice(*y), slice(*x)] = 1
    return pixels


def edges_of(boxes: list[tuple[tuple[int, int], tuple[int, int]]]) -> np.ndarray:
    return np.array([(x[0], y[0], x[1], y[1]) for x, y in boxes], dtype=float).reshape(-1, 4).T


@given(st.lists(BOXES, max_size=3))
def test_counted_boxes_add_up_to_the_pixels_that_any_box_covers(groups: list) -> None:
    keys = np.repeat(np.arange(len(groups)), [len(boxes) for boxes in groups])
    edges = np.concatenate([edges_of(boxes) for boxes in groups], axis=1) if groups else np.zeros((4, 0))
    shuffled = np.random.default_rng(0).permutation(len(keys))
    found = union_of([keys[shuffled]], edges[:, shuffled], slack=0)
    counted = np.zeros(len(keys), dtype=bool)
    counted[shuffled] = found.counted
    for group, boxes in enumerate(groups):
        pixels = [covered(*box) for box in boxes]
        own = counted[keys == group]
        added = sum(
            (each for each, one in zip(pixels, own, strict=True) if one),
            np.zeros_like(covered((0, 1), (0, 1))),
        )
        if own.any():
            assert np.array_equal(added, np.sign(sum(pixels)))
        elif boxes:
            outer = [
                each
                for each, one in zip(pixels, found.outer[np.argsort(shuffled)][keys == group], strict=True)
                if one
            ]
            assert np.max(sum(outer)) > 1, "left out without need"


def test_of_boxes_that_are_the_same_the_first_counts() -> None:
    found = union_of([np.zeros(3, dtype=int)], edges_of([((0, 4), (0, 4))] * 3))
    assert found.counted.tolist() == [True, False, False]


def test_boxes_side_by_side_may_share_the_pixels_between_them() -> None:
    edges = edges_of([((0, 5), (0, 9)), ((4, 9), (0, 9)), ((8, 12), (0, 9))])
    assert union_of([np.zeros(3, dtype=int)], edges).counted.all()
    assert not union_of([np.zeros(3, dtype=int)], edges, slack=0).counted.any()


def test_groups_of_a_table_are_told_by_columns() -> None:
    rows = [("a", "eagle"), ("a", "magpie"), ("b", "eagle"), ("a", "eagle")]
    table = pd.DataFrame(rows, columns=["image_id", "box_label"]).assign(
        **dict(zip(EDGES, (0, 0, 9, 9), strict=True))
    )
    assert union_of_table(table, ["image_id", "box_label"]).counted.tolist() == [True, True, True, False]
    assert union_of_table(table[:0], ["image_id", "box_label"]).counted.tolist() == []
