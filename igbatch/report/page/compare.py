"""Arrays of maps of any sources, side by side in the page's viewer: `igbatch.compare`, with numpy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.reduce.ranges import RangeSummary
from igbatch.report.color.wording import knobs
from igbatch.report.figures.encoding import data_uri, photo_jpeg
from igbatch.report.page.knob_data import Knobs
from igbatch.report.page.packing import Blocks, add_map, page_range
from igbatch.report.page.study_data import FIRST_PATCH
from igbatch.report.page.viewer import HEIGHT, EmbeddedViewer, check_view, view_of
from igbatch.report.page.viewer_data import (
    ImageVariant,
    ModelFrame,
    PageStudy,
    PageTarget,
    PageVariant,
    Range,
    StoredMap,
    StudyImage,
)
from igbatch.statistics.blur import BLURRED
from igbatch.statistics.histogram import RELATIVE_ERROR
from igbatch.statistics.image_stats import map_statistics
from igbatch.statistics.patches import PATCH_SIZES
from igbatch.text import count, listing, plain

MIN_PATCHES = 8
"""A side of a map has at least so many patches where patches are shown at first; smaller maps show pixels."""


def compare(
    maps: Mapping[str, Any], pictures: Any, labels: Sequence[str] | None = None, *, height: int = HEIGHT
) -> EmbeddedViewer:
    """Return maps of several sources in the page's viewer, side by side under a range that they share.

    The range is at first that of all maps of an image; the reader chooses each map's own, the source's, or
    that of all maps. Below each map stand its minimum, maximum and sum, of the array as it is; colours are
    of 16-bit integers with one scale a map.

    Args:
        maps: by source, such as `{"captum": maps, "mine": maps}`: [N, H, W] each, channels summed, finite.
        pictures: what the maps are of: uint8 [N, H, W, 3], or floats in 0..1.
        labels: of the pictures, N of them.
        height: of the frame in a notebook, in pixels.

    Raises:
        InputError: an array has another shape or kind or holds NaN, or there are too many maps.
    """
    if not isinstance(maps, Mapping) or not maps:
        raise InputError("maps: give a dictionary of sources, such as {'captum': maps, 'mine': maps}")
    arrays = {str(name): _maps_of(str(name), each) for name, each in maps.items()}
    (first, shape), *others = ((name, each.shape) for name, each in arrays.items())
    for name, other in others:
        if other != shape:
            found = f"maps of {name!r} are {_sizes(other)}, those of {first!r} {_sizes(shape)}"
            raise InputError(f"{found}: make them equal")
    photos = _pictures_of(pictures, shape)
    names = _names_of(labels, shape[0])
    check_view(len(arrays) * shape[0], height, "pass fewer images or sources")
    blocks: Blocks = {}
    study = _study(arrays, photos, names, blocks)
    what = f"{listing([plain(name) for name in arrays])} on {count(shape[0], 'image')}"
    return view_of(study, blocks, what, height)


def _study(
    arrays: Mapping[str, NDArray[Any]],
    photos: NDArray[np.float32],
    labels: Sequence[str],
    blocks: Blocks,
) -> PageStudy:
    """Return what the script gets: sources are its variants, under one target without a name."""
    summaries, stored, held = {}, {}, {}  # type: ignore[var-annotated]
    for source, values in arrays.items():
        for place, values_of in enumerate(values):
            summaries[source, place], stored[source, place] = _stored(values_of, blocks, held)
    n, high, wide = photos.shape[:3]

    def shared(keys: Sequence[tuple[str, int]]) -> Range | None:
        return page_range(sum((summaries[key] for key in keys), RangeSummary()), len(keys))

    patches = [*(size for size in PATCH_SIZES if size < min(high, wide)), BLURRED]
    return PageStudy(
        name="compare",
        unit="",
        quantile_error=RELATIVE_ERROR,
        raw=None,
        dataset=shared(list(summaries)),
        knobs=Knobs.model_validate(knobs(patches, "compared")),
        variants=[
            PageVariant(
                id=source,
                name=source,
                kind="source",
                model="",
                range=shared([(source, at) for at in range(n)]),
            )
            for source in arrays
        ],
        targets=[PageTarget(id="", name="")],
        images=[
            StudyImage(
                id=str(at),
                name=f"image {at + 1}{label and f': {label}'}",
                label="",
                chosen="",
                range=shared([(source, at) for source in arrays]),
                frames=[_frame(photos[at])],
                variants=[
                    ImageVariant(
                        variant=place,
                        prediction="",
                        range=shared([(source, at)]),
                        maps=[stored[source, at]],
                    )
                    for place, source in enumerate(arrays)
                ],
            )
            for at, label in enumerate(labels)
        ],
        first=[],
        first_regions=FIRST_PATCH if min(high, wide) >= FIRST_PATCH * MIN_PATCHES else 1,
        first_scope="models",
        noun="source",
        aggregates=[],
        history=[],
    )


def _stored(
    values: NDArray[Any], blocks: Blocks, held: dict[tuple[str, float], str]
) -> tuple[RangeSummary, StoredMap]:
    """Return the summary of one map and what the page holds of it; its values go into `blocks`."""
    single = values.astype(np.float32)
    numbers = map_statistics(single)
    sums = {"sum": values.sum(dtype=np.float64), "abs_sum": np.abs(values.astype(np.float64)).sum()}
    block, scale = add_map(blocks, single, held)
    ends = {str(each["size"]): each for each in numbers["patches"]}
    where = {"target": 0, "block": block, "scale": scale, "missing": "", "marks": [], "boxes": []}
    stored = StoredMap.model_validate(
        {name: numbers[name] for name in ("minimum", "maximum")} | sums | where | {"patches": ends}
    )
    return RangeSummary.of_rows(pd.DataFrame([numbers])), stored


def _frame(photo: NDArray[np.float32]) -> ModelFrame:
    high, wide = photo.shape[:2]
    picture = data_uri(photo_jpeg(photo), "image/jpeg")
    return ModelFrame(model="", width=wide, height=high, picture=picture, missing="", boxes=[])


def _maps_of(name: str, values: Any) -> NDArray[Any]:
    """Return the maps of a source, finite numbers [N, H, W].

    Raises:
        InputError: they are none.
    """
    if np.ma.isMaskedArray(values):
        raise InputError(f"maps of {name!r} are masked: give numbers for all, such as `.filled(0)`")
    array = _array(f"maps of {name!r}", values)
    if array.ndim == 4:
        raise InputError(
            f"maps of {name!r} have the shape {array.shape}: sum their channels to [N, H, W], `.sum(1)`"
        )
    if array.ndim != 3 or not array.size:
        hint = ": one map alone is `map[None]`" if array.ndim == 2 else ""
        raise InputError(f"maps of {name!r} have the shape {array.shape}; give [N, H, W]{hint}")
    if array.dtype.kind not in "fiu":
        raise InputError(f"maps of {name!r} are {array.dtype}; give floats or whole numbers")
    with np.errstate(over="ignore"):
        wrong = ~np.isfinite(array.astype(np.float32))  # what the page can hold
    if wrong.any():
        where = int(np.flatnonzero(wrong.any((1, 2)))[0])
        lost = f"{count(int(wrong.sum()), 'value')} NaN, infinite or too large for float32"
        raise InputError(f"maps of {name!r} have {lost}, first in image {where + 1}: give finite ones")
    return array


def _pictures_of(values: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the pictures of maps of a shape, float32 [N, H, W, 3] in 0..1.

    Raises:
        InputError: they are none.
    """
    array = _array("pictures", values)
    if array.ndim == 4 and array.shape[1] == 3 != array.shape[3]:
        raise InputError(
            f"pictures have the shape {array.shape}: put the channels last, `.transpose(0, 2, 3, 1)`"
        )
    if array.shape != (*shape, 3):
        raise InputError(f"pictures have the shape {array.shape}; {_sizes(shape)} need {(*shape, 3)}")
    if array.dtype == np.uint8:
        return np.asarray(array, dtype=np.float32) / np.float32(255)
    if array.dtype.kind != "f":
        raise InputError(f"pictures are {array.dtype}; give uint8, or floats in 0..1")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # NaN is not
        found = f"values from {low:.4g} to {high:.4g}"
        raise InputError(f"pictures have {found}; give uint8, or floats in 0..1, before any normalization")
    return array.astype(np.float32)


def _names_of(labels: Sequence[str] | None, n: int) -> list[str]:
    """Return a label for each picture, empty where none are given.

    Raises:
        InputError: there are more or fewer, or they are one text.
    """
    if labels is None:
        return [""] * n
    if isinstance(labels, str) or len(labels) != n:
        found = "one text" if isinstance(labels, str) else count(len(labels), "label")
        raise InputError(f"labels: {found} for {count(n, 'picture')}; give a list of one each")
    return [str(label) for label in labels]


def _array(what: str, values: Any) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a GPU, or one with a gradient
        raise InputError(f"{what} are no array; of a tensor give `.detach().cpu().numpy()`") from error


def _sizes(shape: tuple[int, ...]) -> str:
    return f"{count(shape[0], 'map')} of {shape[1]} x {shape[2]}"
