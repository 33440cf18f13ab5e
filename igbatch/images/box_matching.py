"""Which image of a study each name of a box file stands for; where none does, what would match."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.images.faults import cite, shown
from igbatch.images.folder import SUFFIXES, file_names

Match = Literal["id", "name", "stem"]
KEY = "images.boxes.match"

_ENDING = rf"(?i)({'|'.join(SUFFIXES).replace('.', chr(92) + '.')})$"
_FOLDERS = r"(?s)^.*[/\\]"
"""A box file may come from Windows."""


def match_images(source: str, names: pa.Array, images: pa.Table, match: Match) -> NDArray[np.int64]:
    """Return for each name of a box file the place of its image in the study, -1 without one: [names].

    Args:
        source: the file, for messages.
        names: in the file, each once.
        images: of the study, rows with image_id and uri.
        match: `id` compares names with image ids, `name` both without their folders, `stem` without the
            ending of an image file too.

    Raises:
        InputError: no name is that of an image (the line says what would match), or one stands for several.
    """
    keys, ids = _file_keys(names, match), _study_keys(images, match)
    places: NDArray[np.int64] = pc.fill_null(pc.index_in(keys, value_set=ids), -1).to_numpy().astype(np.int64)
    if (places < 0).all():
        its = "its image" if len(names) == 1 else f"none of its {len(names):,} images"
        isnt = "is not" if len(names) == 1 else "is"
        raise InputError(
            f"{source}: {its} {isnt} in the study (it has {shown(names[0].as_py())}, the study "
            f"{shown(images['image_id'][0].as_py())}); "
            + (better_match(names, images, match) or "correct the names, or the study's images")
        )
    if match == "id":
        return places  # ids are unique on both sides
    shared = pc.filter(keys, pa.array(places >= 0))
    _refuse_ambiguous(source, shared, keys, names, f"images of the file under {KEY}={match}")
    in_study = images["image_id"].combine_chunks()
    _refuse_ambiguous(source, shared, ids, in_study, f"images of the study under {KEY}={match}")
    return places


def better_match(names: pa.Array, images: pa.Table, match: Match) -> str | None:
    """Say which other way of matching would find more images, the best there is; None where none does."""
    best, words = _count(_file_keys(names, match), _study_keys(images, match)), None
    for keys, ids, way in _other_ways(names, images, match):
        count = _count(keys, ids)
        if count > best:
            best, words = count, f"{way} would match {count:,} of the study's {len(images):,}"
    return words


def _other_ways(names: pa.Array, images: pa.Table, match: Match) -> Iterator[tuple[pa.Array, pa.Array, str]]:
    """Yield keys of a file and of a study under other ways of matching, and the way in words."""
    ways: tuple[Match, ...] = ("id", "name", "stem")
    for way in ways:
        if way != match:
            yield _file_keys(names, way), _study_keys(images, way), f"{KEY}={way}"
    ids = images["image_id"].combine_chunks()
    slashes = pc.replace_substring(names, "\\", "/")
    yield slashes, ids, f"correcting the names, with / for \\ and {KEY}=id,"
    if folder := _shared_folder(slashes):
        without = pc.utf8_slice_codeunits(slashes, len(folder))
        yield without, ids, f"correcting the names, without {shown(folder)} and with {KEY}=id,"
    for way in ways:
        keys, others = _folded(_file_keys(slashes, way)), _folded(_study_keys(images, way))
        what = "correcting the names, which differ in upper and lower case or in how accents are written,"
        yield keys, others, f"{KEY}={way} and {what}" if way != match else what


def _shared_folder(names: pa.Array) -> str:
    """Return the folder, with its final slash, that all names lie in; empty where there is none."""
    first, last = (reduce(names).as_py().split("/")[:-1] for reduce in (pc.min, pc.max))
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(f"{part}/" for part, _ in shared)


def _file_keys(names: pa.Array, match: Match) -> pa.Array:
    if match == "id":
        return names
    bare = pc.replace_substring_regex(names, _FOLDERS, "")
    return pc.replace_substring_regex(bare, _ENDING, "") if match == "stem" else bare


def _study_keys(images: pa.Table, match: Match) -> pa.Array:
    if match == "id":
        return images["image_id"].combine_chunks()
    bare = file_names(images["uri"]).combine_chunks()
    return pc.replace_substring_regex(bare, _ENDING, "") if match == "stem" else bare


def _folded(keys: pa.Array) -> pa.Array:
    return pc.utf8_lower(pc.utf8_normalize(keys, form="NFC"))


def _count(keys: pa.Array, ids: pa.Array) -> int:
    """Return how many images a way of matching finds, those left out that it could not tell apart."""
    in_file, in_study = (each.to_pandas().drop_duplicates(keep=False) for each in (keys, ids))
    return int(in_study.isin(in_file).sum())


def _refuse_ambiguous(source: str, shared: pa.Array, keys: pa.Array, names: pa.Array, what: str) -> None:
    """Refuse keys that several of some names have, of those that both sides share."""
    named_so = pa.table({"key": keys, "name": names}).filter(pc.is_in(keys, value_set=shared)).to_pandas()
    several = named_so[named_so["key"].duplicated(keep=False)].groupby("key", sort=False)["name"].agg(list)
    if not len(several):
        return
    texts = (f"{shown(key)} for {' and '.join(map(shown, each[:2]))}" for key, each in several.items())
    raise InputError(
        f"{source}: {len(several):,} name{'s stand' if len(several) > 1 else ' stands'} for several {what} "
        f"({cite(texts, len(several))}); use {KEY}=id, or make the names differ"
    )
