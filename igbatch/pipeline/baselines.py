"""The baselines of a study: named ones, or images of the data set that are drawn once and then stay.

Which images are drawn is part of the fingerprint of every variant, so that maps which share a study share
their baselines, however the data set grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from igbatch.errors import ImageError, InputError
from igbatch.images.baselines import parse_baseline
from igbatch.images.loading import read_file
from igbatch.images.selection import seeded_order
from igbatch.pipeline.study_images import StudyImages
from igbatch.study import DrawnBaselines, Study

KEY = "attribution.baseline"
READ_THREADS = 8


@dataclass(frozen=True)
class DrawnImage:
    """An image of the data set that is a baseline.

    Attributes:
        image_id: of the study.
        content: its etag, without label and boxes, when it was drawn.
        uri: where it lies.
        sha256: of its file as maps have it, which decides where the etag is another by now; empty of scenes,
            and where it is not known.
    """

    image_id: str
    content: str
    uri: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class DrawnImages:
    """So many images of the data set, drawn under a seed; `drawn` is empty until they are."""

    images: int
    seed: int
    drawn: tuple[DrawnImage, ...] = ()


Baselines = str | tuple[str, ...] | DrawnImages
"""One baseline in its canonical text, several of them, or drawn images."""


_SAME = {"#000000": "black", "#ffffff": "white"}
"""Names of baselines that are the same as others."""


def resolve_baselines(study: Study) -> Baselines:
    """Return the baselines of a study, in canonical form; a list of one is that one.

    Raises:
        InputError: one is unknown or listed twice, or there are several where one is needed.
    """
    settings = study.attribution
    found = _parsed(settings.baseline)
    if settings.baselines > 1:
        if settings.smoothing is not None:
            raise InputError(
                f"attribution.smoothing: maps over several baselines ({KEY}) are not smoothed as well: their "
                "spread would be that over noise too; leave smoothing out, or give one baseline"
            )
        if study.audit.faithfulness is not None:
            raise InputError(
                "audit.faithfulness: infidelity and sensitivity are measured against one baseline; leave "
                f"faithfulness out, or give one baseline in {KEY}"
            )
        curves = study.audit.curves
        if curves is not None and "baseline" in curves.fills:
            raise InputError(
                "audit.curves.fills: regions are filled with one baseline; use [blurred], or give one "
                f"baseline in {KEY}"
            )
    if isinstance(found, tuple):
        colours = [_SAME.get(name, name) for name in found]
        for place, name in enumerate(found):
            if colours[place] in colours[:place]:
                raise InputError(f"{KEY}: {name} is listed twice; remove one")
    return found


def _parsed(given: Any) -> Baselines:
    if isinstance(given, DrawnBaselines):
        return DrawnImages(given.images, given.seed)
    try:
        if isinstance(given, str) or isinstance(given[0], int):
            return parse_baseline(given)
        found = tuple(map(parse_baseline, given))
    except InputError as error:
        raise InputError(f"attribution.{error}") from None
    return found if len(found) > 1 else found[0]


def baseline_record(baselines: Baselines) -> Any:
    """Return what a fingerprint holds of baselines, as plain values."""
    if isinstance(baselines, str):
        return baselines
    if isinstance(baselines, tuple):
        return list(baselines)
    taken = [[each.image_id, each.content] for each in baselines.drawn]
    return {"images": baselines.images, "seed": baselines.seed, "taken": taken}


def recall_drawn(baselines: Baselines, earlier: Mapping[str, Any] | None) -> Baselines:
    """Return baselines with the images that were drawn for an output, where any were.

    Args:
        baselines: of the study.
        earlier: the `study.json` of its output, if there is one.
    """
    if isinstance(baselines, DrawnImages):
        for fingerprint in (earlier or {"fingerprint": {}})["fingerprint"].values():
            known = fingerprint["baseline"]
            requested = (baselines.images, baselines.seed)
            if isinstance(known, Mapping) and (known["images"], known["seed"]) == requested:
                digests = (earlier or {}).get("baseline_images", {})
                taken = (DrawnImage(name, etag, "", digests.get(name, "")) for name, etag in known["taken"])
                return replace(baselines, drawn=tuple(taken))
    return baselines


def find_drawn(baselines: Baselines, images: StudyImages) -> Baselines:
    """Return baselines with their images found in the study's list, and drawn from it where none were yet.

    Drawn are the images with the smallest digests of seed and id.

    Raises:
        InputError: there are fewer images, or one that was drawn is gone or another by now.
    """
    if not isinstance(baselines, DrawnImages):
        return baselines
    ids, contents = images.table["image_id"], images.contents
    assert contents is not None
    if baselines.images > len(ids):
        raise InputError(
            f"{KEY}.images: {baselines.images} images are to be drawn, the study has {len(ids)}; draw fewer"
        )
    if not baselines.drawn:
        places = seeded_order(baselines.seed, ids)[: baselines.images].tolist()
        found = (DrawnImage(ids[place].as_py(), contents[place].as_py()) for place in places)
        baselines = replace(baselines, drawn=tuple(found))
    place_of = {name: place for place, name in enumerate(ids.to_pylist())}
    return replace(baselines, drawn=tuple(_found(each, place_of, images) for each in baselines.drawn))


def _found(drawn: DrawnImage, place_of: Mapping[str, int], images: StudyImages) -> DrawnImage:
    """Return a drawn image with its place; a file that was only touched is the one that was drawn."""
    what, place = "is no longer among the study's images", place_of.get(drawn.image_id)
    if place is not None:
        assert images.contents is not None
        uri: str = images.table["uri"][place].as_py()
        same = images.contents[place].as_py() == drawn.content
        if same or (drawn.sha256 and _digest(uri) == drawn.sha256):
            return replace(drawn, uri=uri)
        what = (
            "has changed" if drawn.sha256 else "has another size or time by now, and its bytes are not known"
        )
    raise InputError(
        f"{KEY}: {drawn.image_id}, one of the images that maps of the output have as baselines, {what}; "
        "put it back, or choose another --out"
    )


def drawn_digests(baselines: Baselines) -> dict[str, str]:
    """Return the SHA-256 of the file of each drawn image, by id; a scene's etag says all."""
    drawn = baselines.drawn if isinstance(baselines, DrawnImages) else ()
    files = [each for each in drawn if not each.uri.startswith("scene:")]
    with ThreadPoolExecutor(READ_THREADS) as pool:
        digests = pool.map(lambda each: each.sha256 or _digest(each.uri), files)
        return {each.image_id: found for each, found in zip(files, digests, strict=True)}


def _digest(uri: str) -> str:
    """Return the SHA-256 of a file, empty where it cannot be read: whoever takes it as a baseline says so."""
    try:
        return hashlib.sha256(read_file(uri)).hexdigest()
    except (ImageError, OSError):
        return ""
