"""Which boxes of a label add up to what lies in any of them: no pixel may count twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.images.boxes import EDGES

SLACK = 1
"""Pixels of the input by which boxes side by side may overlap, since edges are rounded outwards."""


class Union(NamedTuple):
    """What becomes of boxes, all [boxes], where what they cover is taken together.

    Attributes:
        outer: lies in no other box of its group; the first of several that are the same.
        apart: outer boxes of its group do not overlap, so that their sums are those of all that they cover.
    """

    outer: NDArray[np.bool_]
    apart: NDArray[np.bool_]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Boxes whose sums add up to those of all pixels in any box of their group."""
        return self.outer & self.apart


def union_of(keys: Sequence[NDArray[np.int64]], edges: NDArray[np.float64], slack: float = SLACK) -> Union:
    """Find the boxes whose sums may be added, in each group of boxes.

    Sums of single boxes are stored, none of what two share: where boxes overlap in part, nothing exact can be
    had of what they cover together.

    Args:
        keys: of the groups, each [boxes].
        edges: left, upper, right and lower, [4, boxes].
        slack: by which boxes may overlap along an axis and still count as side by side.
    """
    n_boxes = edges.shape[1]
    order = np.lexsort(keys[::-1]) if n_boxes else np.zeros(0, dtype=np.int64)  # stable
    new = np.zeros(n_boxes, dtype=bool)
    new[:1] = True
    for key in keys:
        new[1:] |= np.diff(key[order]) != 0
    group, sorted_edges = np.cumsum(new), edges[:, order]
    low, high = sorted_edges[:2], sorted_edges[2:]
    outer = np.ones(n_boxes, dtype=bool)
    for one, other in _pairs(group):
        # Of two that are the same the later one, `other`, is within the first.
        later_within = ((low[:, one] <= low[:, other]) & (high[:, other] <= high[:, one])).all(axis=0)
        first_within = ((low[:, other] <= low[:, one]) & (high[:, one] <= high[:, other])).all(axis=0)
        outer[other[later_within]] = False
        outer[one[first_within & ~later_within]] = False
    broken = np.zeros(n_boxes + 1, dtype=bool)  # by group, counted from 1
    for one, other in _pairs(group):
        shared = np.minimum(high[:, one], high[:, other]) - np.maximum(low[:, one], low[:, other])
        overlap = (shared > slack).all(axis=0) & outer[one] & outer[other]
        broken[group[one[overlap]]] = True
    found = Union(np.ones(n_boxes, dtype=bool), np.ones(n_boxes, dtype=bool))
    found.outer[order], found.apart[order] = outer, ~broken[group]
    return found


def _pairs(group: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield all pairs of places in sorted groups, those at one distance together."""
    first = np.arange(len(group))
    for distance in range(1, len(group)):
        first = first[first + distance < len(group)]
        first = first[group[first] == group[first + distance]]
        if not len(first):
            break
        yield first, first + distance


def union_of_table(boxes: pd.DataFrame, keys: Sequence[str]) -> Union:
    """Return the same of rows of `box_stats`, with `keys` the columns that tell groups apart."""
    codes = [pd.factorize(boxes[name])[0].astype(np.int64) for name in keys]
    return union_of(codes, boxes[[*EDGES]].to_numpy(dtype=np.float64).T)
