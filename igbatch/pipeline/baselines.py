"""The baselines of a study: named ones, or images of the data set that are drawn once and then stay.

Which images are drawn is part of the fingerprint of every variant, so that maps which share a study share
their baselines, however the data set grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from igbatch.errors import InputError
from igbatch.images.baselines import parse_baseline
from igbatch.images.selection import seeded_order
from igbatch.pipeline.study_images import StudyImages
from igbatch.study import DrawnBaselines, Study

KEY = "attribution.baseline"


@dataclass(frozen=True)
class DrawnImage:
    """An image of the data set that is a baseline; `content` is its etag without label and boxes."""

    image_id: str
    content: str
    uri: str = ""


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
                return replace(baselines, drawn=tuple(DrawnImage(*each) for each in known["taken"]))
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
    if baselines.drawn:
        place_of = {name: place for place, name in enumerate(ids.to_pylist())}
        places = [place_of.get(each.image_id, -1) for each in baselines.drawn]
    else:
        places = seeded_order(baselines.seed, ids)[: baselines.images].tolist()
    found = [
        DrawnImage(ids[place].as_py(), contents[place].as_py(), images.table["uri"][place].as_py())
        for place in places
        if place >= 0
    ]
    now = {each.image_id: each.content for each in found}
    for each in baselines.drawn:
        if now.get(each.image_id) != each.content:
            what = "has changed" if each.image_id in now else "is no longer among the study's images"
            raise InputError(
                f"{KEY}: {each.image_id}, one of the {baselines.images} images that maps of the output have "
                f"as baselines, {what}; put it back, or choose another --out"
            )
    return replace(baselines, drawn=tuple(found))
