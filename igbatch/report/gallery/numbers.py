"""The stored numbers that the gallery sorts and filters by: of images, of maps, and of boxes by label."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from igbatch.images.box_unions import union_of_table
from igbatch.images.boxes import EDGES
from igbatch.report.gallery.model import GalleryNumber, GalleryWords
from igbatch.results import StudyResults
from igbatch.store import schemas
from igbatch.text import plain

MAX_LABELS = 8
"""Labels whose boxes have numbers in the gallery: those of the most images."""

WORDS: dict[str, Any] = tomllib.loads(files("igbatch.report.gallery").joinpath("wording.toml").read_text())
SENTENCES = GalleryWords(**{name: WORDS[name] for name in ("mean", "unlabelled", "unnumbered")})

IMAGE_COLUMNS = tuple(WORDS["image"])
MAP_COLUMNS = tuple(WORDS["map"])
BOX_COLUMNS = tuple(name for name in WORDS["box"] if name in schemas.BOX_STATS.names)
"""Those that box_stats has in this version."""
BOXES = ("box", "against")
"""The kinds of numbers that are of boxes with a label."""

_KEYS = ["image_id", "target", "box_label"]

Key = tuple[str, str, str]
"""A kind of numbers, a column, and a label; empty where it is of no boxes."""
Values = dict[Key, list[float | None]]


def image_values(results: StudyResults, image_ids: Sequence[str]) -> Values:
    """Return the numbers of some images by key, those alone that some image has."""
    table = results.image_scores(list(IMAGE_COLUMNS))
    places = results.listing.places_of(image_ids)
    return _there({("image", name, ""): table[name].to_numpy()[places] for name in IMAGE_COLUMNS})


def map_values(
    results: StudyResults, image_ids: Sequence[str], variant_id: str
) -> tuple[pd.DataFrame, dict[str, Values]]:
    """Return what is stored of the maps of a variant on some images.

    Returns:
        The rows, indexed by image and target, with the prediction and `MAP_COLUMNS`; and numbers by target
        and key, those alone that some image has.
    """
    columns = ["image_id", "target", "prediction", "prediction_index", *MAP_COLUMNS]
    rows = results.rows_of(image_ids, columns, variant_id).set_index(["image_id", "target"])
    boxes = _of_boxes(results, image_ids, variant_id)
    found = {}
    for target in results.target_names:
        mine = _by_image(rows, target, image_ids)
        values: dict[Key, Any] = {("map", name, ""): mine[name] for name in MAP_COLUMNS}
        for label, sums in boxes.items():
            of_label = _by_image(sums, target, image_ids)
            values |= {(*column, label): of_label[column] for column in of_label.columns}
        found[target] = _there(values)
    return rows, found


def _of_boxes(results: StudyResults, image_ids: Sequence[str], variant_id: str) -> dict[str, pd.DataFrame]:
    """Return sums over an image's boxes of each label, indexed by image and target, by kind and column.

    An image has no sum of a column where one of its boxes has no value, and none of a label whose boxes
    overlap in part.
    """
    rows = results.boxes_of(image_ids, [*_KEYS, *EDGES, *BOX_COLUMNS], variant_id)
    rows = rows.dropna(subset="sum")
    rows = rows[union_of_table(rows, _KEYS).counted]
    images = rows.groupby("box_label")["image_id"].nunique().sort_values(ascending=False, kind="stable")
    found = {}
    for label in sorted(images.index[:MAX_LABELS]):
        keys = rows[rows["box_label"] == label].groupby(["image_id", "target"])[list(BOX_COLUMNS)]
        sums = keys.sum().where(keys.count().eq(keys.size(), axis=0))
        if "share" in sums:
            sums["share"] = sums["share"].clip(upper=1)  # boxes side by side may share a pixel
        columns: dict[Any, Any] = {("box", name): sums[name] for name in BOX_COLUMNS}
        if "deletion" in BOX_COLUMNS:
            columns["against", "sum"] = sums["deletion"] - sums["sum"]
        found[str(label)] = pd.DataFrame(columns)
    return found


def _by_image(rows: pd.DataFrame, target: str, image_ids: Sequence[str]) -> pd.DataFrame:
    there = rows.index.get_level_values("target") == target
    return rows[there].droplevel("target").reindex(list(image_ids))


def _there(columns: Mapping[Key, Any]) -> Values:
    values = {name: [_short(value) for value in column] for name, column in columns.items()}
    return {name: column for name, column in values.items() if any(each is not None for each in column)}


def _short(value: Any) -> float | None:
    """Return a number of six significant digits; None of what is none, or not finite."""
    return None if pd.isna(value) or not np.isfinite(value) else float(f"{value:.6g}")


def numbers_of(keys: Iterable[Key]) -> dict[Key, GalleryNumber]:
    """Return what numbers are, by their keys, in the order of `wording.toml`, boxes label by label."""
    kinds = list(WORDS)
    ordered = sorted(dict.fromkeys(keys), key=lambda key: (key[0] in BOXES, key[2], kinds.index(key[0])))
    found = {}
    for place, (kind, column, label) in enumerate(ordered):
        words = {name: text.replace("{label}", plain(label)) for name, text in WORDS[kind][column].items()}
        of: Any = "image" if kind == "image" else "map"
        key = f"{kind} {column}" if kind not in BOXES else f"{kind} {column} {place}"
        found[kind, column, label] = GalleryNumber(key=key, of=of, **words)
    return found
