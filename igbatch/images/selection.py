"""Selects images by a setting of a study: all, none, those listed by id, or a seeded sample."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.study import SeededSample, Study

Choice = Literal["all", "none"] | tuple[str, ...] | SeededSample


def select_images(choice: Choice, image_ids: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    """Tell for each image whether a choice takes it: bool [images].

    A sample takes the images with the smallest digests of seed and id, all where there are fewer. So two
    samples under one seed share their images, the smaller one being a part of the larger, whatever they are
    for. Listed ids that are no images are passed over: `check_choices` refuses them before.
    """
    count = len(image_ids)
    if isinstance(choice, str):
        return np.full(count, choice == "all")
    if not isinstance(choice, SeededSample):
        return np.asarray(pc.is_in(image_ids, value_set=pa.array(choice, pa.string())), dtype=np.bool_)
    taken = np.zeros(count, dtype=np.bool_)
    taken[seeded_order(choice.seed, image_ids)[: choice.sample]] = True
    return taken


def seeded_order(seed: int, image_ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the places of all images in the random order of a seed: that of the digests of seed and id."""
    digests = [hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in image_ids.to_pylist()]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)


def select_each(choices: Iterable[Choice], image_ids: pa.ChunkedArray) -> dict[Choice, NDArray[np.bool_]]:
    """Return `select_images` for each choice; a hundred seeds with one sample cost as much as one."""
    return {choice: select_images(choice, image_ids) for choice in dict.fromkeys(choices)}


def check_choices(study: Study, image_ids: pa.ChunkedArray) -> None:
    """Refuse ids that a study lists and its images lack.

    Raises:
        InputError: naming the key and the id.
    """
    listed = {f"variants.{number}.images": variant.images for number, variant in enumerate(study.variants)}
    for key, names in {"report.featured": study.report.featured, **listed}.items():
        if isinstance(names, tuple):
            ids = pa.array(names, pa.string())
            lacking = ids.filter(pc.invert(pc.is_in(ids, value_set=image_ids.combine_chunks())))
            if len(lacking):
                name = lacking[0].as_py()
                raise InputError(f"{key}: {name!r} is not among the study's images; use an image_id of it")
