"""Gathering the gallery: which images, their pictures and numbers, and their maps as sums over patches.

Memory is that of one variant's maps as such sums (2 kB a map), of the numbers of the images that are shown,
and of what is packed already, which is bounded (`max_bytes`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from igbatch.errors import IgbatchError
from igbatch.images.selection import seeded_order
from igbatch.report.figures.encoding import as_bytes, data_uri
from igbatch.report.gallery.model import GalleryImage, GallerySet, GalleryStudy, GalleryVariant
from igbatch.report.gallery.numbers import SENTENCES, Values, image_values, map_values, numbers_of
from igbatch.report.page.packing import Blocks, packed_integers
from igbatch.report.page.viewer_data import Named, PageStudy, Range, RegionRange
from igbatch.report.selection import Selection
from igbatch.report.sentences import sentences
from igbatch.results import StudyResults
from igbatch.statistics.patches import PATCH_SIZES, patch_sums
from igbatch.text import plain

MAX_IMAGES = 1000
"""Images of a gallery where the study says no other number."""
BYTES_OF_IMAGE = 10_000
MIN_BYTES = 10_000_000
"""A gallery has so many bytes at most, or `BYTES_OF_IMAGE` for each image that the study asks for."""

BYTES_OF_NUMBER = 10
"""Of a number of six digits as JSON has it, at most about."""

SIDE = 128
"""Pixels of the longer side of a picture."""
QUALITIES = (62, 40, 20)
"""Of pictures, as WebP, chosen by eye: the first that fits. 40 smears feathers, 80 takes 44 % more."""
PICTURE_BYTES = 3000
"""A picture of more bytes takes the next quality, so that there is room for maps."""
STEPS = 2047
"""A thumbnail's values are whole multiples of its largest magnitude over this: 16 bits take a third more
room, and 9 bits show steps of colour under a range that ends below the strongest patch."""
LARGEST_GRID = 32
"""Patches along the longer side of a map, at most."""
AT_ONCE = 64
"""Pictures that are read ahead."""


@dataclass(frozen=True)
class _Maps:
    """The maps of a variant and target: integers [n, rows, columns]; scales [n], NaN where there is none."""

    integers: NDArray[np.int16]
    scales: NDArray[np.float64]


@dataclass(frozen=True)
class Gallery:
    """What the gallery's page is made of.

    Attributes:
        study: what its script shows.
        blocks: packed maps by the ids of their elements.
        sentences: which images and maps it has, which it leaves out, and why, in sentences.
    """

    study: GalleryStudy
    blocks: Blocks
    sentences: list[str]


def gallery_of(results: StudyResults, page: PageStudy, selection: Selection) -> Gallery | None:
    """Gather the gallery of a reduced study; None where its study file wants none.

    Args:
        results: the study.
        page: what the report's page shows: its ranges, and its variants, which are the gallery's.
        selection: the images of the report's page.
    """
    requested = results.study.report.gallery
    if requested is False or not page.variants:
        return None
    limit = MAX_IMAGES if requested is True else requested
    image_ids = chosen_images(results, selection, limit)
    size = patch_side(results)
    pictures = list(_pictures(results, image_ids))
    packed = _Packed(max_bytes(limit) - sum(len(each.picture) for each in pictures))
    for place in sorted(range(len(page.variants)), key=lambda at: page.variants[at].kind != "trained"):
        packed.add(results, page, place, image_ids, size)
    of_images = image_values(results, image_ids)
    numbers = numbers_of([*of_images, *(key for values in packed.values for key in values)])
    sets = zip(packed.sets, packed.values, strict=True)
    study = GalleryStudy(
        name=page.name,
        unit=page.unit,
        quantile_error=page.quantile_error,
        regions=size,
        knobs=page.knobs,
        raw=_of_regions(page.raw, size),
        variants=packed.variants,
        targets=[Named(id=each.id, name=each.name) for each in page.targets],
        all_classes={*results.target_names} <= {*results.contrasts, *(each.id for each in page.targets)},
        images=pictures,
        numbers=list(numbers.values()),
        values={numbers[key].key: column for key, column in of_images.items()},
        sets=[
            one.model_copy(update={"values": {numbers[key].key: column for key, column in values.items()}})
            for one, values in sets
        ],
        words=SENTENCES,
    )
    models = results.variants["model"]
    words = sentences(
        "gallery/said.j2",
        shown=len(image_ids),
        n_images=results.n_images,
        limit=limit,
        on_page=len(set(selection.images) & set(image_ids)),
        seed=results.study.report.seed,
        left=packed.left,
        megabytes=max_bytes(limit) // 1_000_000,
        model=str(models.iloc[0]) if models.nunique() > 1 else "",
        targets=len(results.target_names) - len(page.targets),
        ranged=any(one.dataset for one in packed.sets),
    )
    return Gallery(study, packed.blocks, words)


def max_bytes(limit: int) -> int:
    """Return how many bytes of pictures, maps and numbers a gallery of at most so many images has at most."""
    return max(MIN_BYTES, BYTES_OF_IMAGE * limit)


@dataclass
class _Packed:
    """The variants of a gallery, their sets of maps, and the numbers of these, while there is room.

    Attributes:
        bytes_left: of the most that it may have. The first set is taken whatever its size.
        left: variants and targets that were left out.
    """

    bytes_left: int
    variants: list[GalleryVariant] = field(default_factory=list)
    sets: list[GallerySet] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)
    blocks: Blocks = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def add(
        self, results: StudyResults, page: PageStudy, place: int, image_ids: Sequence[str], size: int
    ) -> None:
        """Add a variant of the page, target by target; of one that finds no room nothing is read."""
        variant = page.variants[place]
        names = [f"{variant.name}: {target.name}" for target in page.targets]
        if self.left:
            self.left += names
            return
        rows, numbers = map_values(results, image_ids, variant.id)
        maps = _maps(results, variant.id, image_ids, size)
        self.variants.append(_variant(page, place, rows, image_ids))
        for at, target in enumerate(page.targets):
            one, text = _set(len(self.variants) - 1, at, rows, target.id, maps.get(target.id), image_ids)
            values = numbers[target.id]
            self.bytes_left -= len(text) + BYTES_OF_NUMBER * len(image_ids) * (len(values) + 2)
            if self.left or (self.bytes_left < 0 and self.sets):
                self.left.append(names[at])
                continue
            block = f"set-{len(self.sets)}" if text else ""
            ranges = _ranges(page, place, at, size)
            self.blocks |= {block: text} if block else {}
            self.sets.append(one.model_copy(update={"block": block, **ranges}))
            self.values.append(values)


def chosen_images(results: StudyResults, selection: Selection, limit: int) -> list[str]:
    """Return the images of a gallery, at most `limit`, in the order of the study.

    All where there are no more. Else those of the report's page, and others at random under `report.seed`,
    those without any map last.
    """
    every = results.listing.image_ids
    if len(every) <= limit:
        return list(every.to_pylist())
    order = seeded_order(results.study.report.seed, every)
    computed = results.image_scores(["n_maps"])["n_maps"].to_numpy()[order] > 0
    page = results.listing.places_of(selection.images)
    places = dict.fromkeys([*page.tolist(), *order[computed].tolist(), *order[~computed].tolist()])
    return results.listing.ids(sorted(list(places)[:limit]))


def patch_side(results: StudyResults) -> int:
    """Return the side of the patches whose sums are shown: at most `LARGEST_GRID` on a side of any map."""
    models = results.record["models"].values()
    longest = max(max(each["data_config"]["input_size"][1:]) for each in models)
    return next((size for size in (1, *PATCH_SIZES) if longest <= size * LARGEST_GRID), PATCH_SIZES[-1])


def thumbnail(pixels: NDArray[np.floating[Any]]) -> str:
    """Return a small picture of an image, [H, W, 3] in 0..1, as a data URI."""
    picture, content = Image.fromarray(as_bytes(pixels)), b""
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, format="WEBP", quality=quality, method=4)
        content = buffer.getvalue()
        if len(content) <= PICTURE_BYTES:
            break
    return data_uri(content, "image/webp")


def _pictures(results: StudyResults, image_ids: Sequence[str]) -> Iterator[GalleryImage]:
    listed = results.reader.listed(image_ids, ["image_id", "label"]).to_pylist()
    labels = {row["image_id"]: row["label"] or "" for row in listed}

    def picture(image_id: str) -> tuple[str, str]:
        try:
            return thumbnail(results.pixels(image_id)), ""
        except (KeyError, OSError, IgbatchError) as error:
            return "", f"the image cannot be read: {plain(str(error))}"

    with ThreadPoolExecutor(2) as pool:
        for some in (image_ids[at : at + AT_ONCE] for at in range(0, len(image_ids), AT_ONCE)):
            for image_id, (uri, missing) in zip(some, pool.map(picture, some), strict=True):
                label = labels[image_id]
                yield GalleryImage(id=image_id, name=image_id, label=label, picture=uri, missing=missing)


def _variant(page: PageStudy, place: int, rows: pd.DataFrame, image_ids: Sequence[str]) -> GalleryVariant:
    shown = {image.id for image in page.images if any(each.variant == place for each in image.variants)}
    variant = page.variants[place]
    first = rows[~rows.index.get_level_values("image_id").duplicated()].droplevel("target")
    first = first.reindex(list(image_ids))
    names = first["prediction"].where(
        first["prediction"].notna(), "class " + first["prediction_index"].astype("Int64").astype(str)
    )
    return GalleryVariant(
        id=variant.id,
        name=variant.name,
        predictions=list(names.where(first["prediction_index"].notna(), "")),
        in_viewer=[at for at, image_id in enumerate(image_ids) if image_id in shown],
    )


def _ranges(page: PageStudy, place: int, target: int, size: int) -> dict[str, Any]:
    """Return the ranges that the maps of a variant and target share with others, for a `GallerySet`."""
    variant, alone, key = page.variants[place], page.targets[target].contrast, str(target)
    of_variant = variant.contrasts.get(key) if alone else variant.range
    of_study = page.contrasts.get(key) if alone else page.dataset
    return {"range": _of_regions(of_variant, size), "dataset": _of_regions(of_study, size), "alone": alone}


def _of_regions(found: Range | None, size: int) -> RegionRange | None:
    """Return the range of regions of a size; None where there is none of them."""
    if found is None or size == 1:
        return found and RegionRange(**found.model_dump(exclude={"patches"}))
    return found.patches.get(str(size))


def _maps(results: StudyResults, variant_id: str, image_ids: Sequence[str], size: int) -> dict[str, _Maps]:
    """Return the maps of a variant as sums over patches, by target; those that have none are left out."""
    places = {image_id: place for place, image_id in enumerate(image_ids)}
    found: dict[str, _Maps] = {}
    for image_id, target, values in results.maps_of(variant_id, image_ids):
        sums = patch_sums(values, size)
        if target not in found:
            empty = np.zeros((len(image_ids), *sums.shape), dtype=np.int16)
            found[target] = _Maps(empty, np.full(len(image_ids), np.nan))
        scale = float(np.abs(sums).max()) / STEPS
        found[target].scales[places[image_id]] = scale
        found[target].integers[places[image_id]] = np.rint(sums / scale if scale else sums)
    return found


def _set(
    variant: int, place: int, rows: pd.DataFrame, target: str, maps: _Maps | None, image_ids: Sequence[str]
) -> tuple[GallerySet, str]:
    """Return a set without its numbers, and its packed maps; empty where there is none."""
    computed = set(rows.index[rows.index.get_level_values("target") == target].get_level_values("image_id"))
    high, wide = maps.integers.shape[1:] if maps else (0, 0)
    one = GallerySet(
        variant=variant,
        target=place,
        block="",
        width=wide,
        height=high,
        scales=[None] * len(image_ids) if maps is None else list(maps.scales),
        computed=[each in computed for each in image_ids],
        range=None,
        dataset=None,
        alone=False,
        values={},
    )
    return one, packed_integers(maps.integers) if maps else ""
