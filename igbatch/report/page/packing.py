"""What the page's script gets of maps and ranges: values as text, and quantiles of what lies in a range."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from igbatch.reduce.ranges import RangeSummary
from igbatch.report.page.viewer_data import Range, RegionRange
from igbatch.store.encoding import to_int16

PERCENTILES = tuple(round(90 + step / 10, 1) for step in range(101))
"""Of |a|: those that the percentile rule offers, 90.0 to 100.0."""

Blocks = dict[str, str]
"""Packed maps by the id of the element that holds them."""


def page_range(summary: RangeSummary, expected: int) -> Range | None:
    """Return the range of some maps, of which a complete study has `expected`; None where no map is there.

    Quantiles of |a| come from the histogram, within `histogram.RELATIVE_ERROR`; the last one is exact.
    """
    if not summary.n_maps:
        return None
    patches = {str(size): _region_range(each, expected) for size, each in summary.patches.items()}
    return Range(**_region_range(summary, expected).model_dump(), patches=patches)


def _region_range(summary: RangeSummary, expected: int) -> RegionRange:
    found = summary.magnitudes([percentile / 100 for percentile in PERCENTILES[:-1]])
    quantiles = [float(f"{each:.6g}") for each in found]
    return RegionRange(
        minimum=summary.minimum,
        maximum=summary.maximum,
        n_maps=summary.n_maps,
        complete=summary.n_maps == expected,
        quantiles=[*quantiles, summary.largest],
    )


def raw_range(dataset: Range, scales: Mapping[int, float]) -> Range:
    """Return the raw scales as ranges, by the size of regions; every quantile of one is its end."""

    def ends(scale: float) -> dict[str, object]:
        return {"minimum": -scale, "maximum": scale, "quantiles": [scale] * len(PERCENTILES)}

    sides = {str(size): scale for size, scale in scales.items() if size != 1}
    patches = {side: dataset.patches[side].model_copy(update=ends(scale)) for side, scale in sides.items()}
    return dataset.model_copy(update={**ends(scales[1]), "patches": patches})


def add_map(
    blocks: Blocks, values: NDArray[np.float32], held: dict[tuple[str, float], str]
) -> tuple[str, float]:
    """Pack a map, float32 [H, W], into `blocks`; return its id there and its scale.

    `held` has the ids of maps that were added before: one that is equal is not added again.
    """
    text, scale = packed(values)
    block = held.setdefault((text, scale), f"map-{len(blocks)}")
    blocks[block] = text
    return block, scale


def packed(values: NDArray[np.float32]) -> tuple[str, float]:
    """Return a map's values as base64 text, and the scale that they are multiples of.

    A value is read back as its integer times the scale, in double precision; the error is at most
    max|a| / 65534 where max|a| is at least 1e-35, and at most 1e-40 below. float16 would lose maps of random
    models, whose pixels lie below its smallest normal number.
    The bytes are those of little-endian int16, all low ones before all high ones, which zlib packs better
    than pairs; rows follow each other from the top. Level 9 takes five times as long as 6 for 0.3 % less.

    Args:
        values: a map of finite values, float32 [H, W].
    """
    integers, scale = to_int16(values[None])
    return packed_integers(integers), float(scale[0])


def packed_integers(integers: NDArray[np.int16] | NDArray[np.uint16]) -> str:
    """Return integers of 16 bits as base64 text, packed as `packed` says."""
    planes = integers.astype(integers.dtype.newbyteorder("<")).reshape(-1, 1).view(np.uint8).T.tobytes()
    return base64.b64encode(zlib.compress(planes, 6)).decode("ascii")


def unpacked(text: str, scale: float, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the values of a packed map, float64 [H, W], as the page's script computes them."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8).reshape(2, -1)
    values: NDArray[np.float64] = np.ascontiguousarray(planes.T).view("<i2").reshape(shape) * np.float64(
        scale
    )
    return values
