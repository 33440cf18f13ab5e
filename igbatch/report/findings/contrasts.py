"""Scores of images, by which a report chooses what to show: one number an image, from scans by variant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.report.figures.accuracy import excess
from igbatch.report.findings.model import study_variants
from igbatch.report.text import number, plain
from igbatch.results import StudyResults

_ERROR_COLUMNS = (
    "image_id", "target", "score", "score_baseline", "abs_sum", "convergence_delta", "map_error",
)  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """A score for each image: float64 [images], in the order of the study, NaN where it has none.

    Attributes:
        values: larger ones come first.
        which: the place in `of` of what an image's score is of: int32 [images].
        of: such as "eagle's box"; empty where there is nothing to add.
        title: what the score is, after "largest".
        unit: writes a score.
    """

    values: NDArray[np.float64]
    which: NDArray[np.int32]
    of: tuple[str, ...]
    title: str
    unit: Callable[[float], str]

    def order(self) -> NDArray[np.int64]:
        """Return the places of all images, largest score first; equal ones as listed, those without last."""
        return np.argsort(-self.values, kind="stable")  # NaN comes last

    def reason(self, place: int, rank: int) -> str:
        """Say why the image at a place is shown; `rank` is its place in `order`. Empty without a score."""
        value = float(self.values[place])
        if np.isnan(value):
            return ""
        of = self.of[self.which[place]]
        return f"{_ordinal(rank)}{self.title}: {self.unit(value)}{f' ({of})' if of else ''}"


class _Largest:
    """The largest score of each image so far, and what it is of; the first of equal ones stays."""

    def __init__(self, images: int) -> None:
        self.values = np.full(images, np.nan)
        self.which = np.zeros(images, dtype=np.int32)
        self.of: list[str] = []

    def offer(self, places: NDArray[np.int64], values: NDArray[np.float64], of: str) -> None:
        """Take scores of images by their places; an image may be there several times."""
        if of not in self.of:
            self.of.append(of)
        told = ~np.isnan(values)
        places, values = places[told], values[told]
        order = np.lexsort((values, places))
        last = np.append(np.diff(places[order]) > 0, True)[: len(order)]
        places, values = places[order[last]], values[order[last]]
        better = np.isnan(self.values[places]) | (values > self.values[places])
        self.values[places[better]] = values[better]
        self.which[places[better]] = self.of.index(of)

    def scores(self, title: str, unit: Callable[[float], str]) -> Scores:
        return Scores(self.values, self.which, tuple(self.of) or ("",), title, unit)


def box_contrast(results: StudyResults) -> Scores:
    """Score images by the largest difference between targets of the sums in one box.

    Of the trained variants: the largest, over boxes, of the largest less the smallest sum over the targets,
    in units of the output. It takes two targets. Some 50 bytes a box of one variant are held.
    """
    trained = study_variants(results).trained
    largest = _Largest(results.n_images)
    for variant_id in trained:
        parts = [
            pa.table({
                "place": results.listing.places_of(rows["image_id"]),
                "box_id": rows["box_id"], "label": rows["box_label"], "sum": rows["sum"],
            })
            for rows in results.scans.boxes(variant_id, ["image_id", "box_id", "box_label", "sum"])
        ]  # fmt: skip
        if not parts:
            continue
        grouped = pa.concat_tables(parts).group_by(["place", "box_id", "label"])
        found = grouped.aggregate([("sum", "max"), ("sum", "min"), ("sum", "count")])
        found = found.filter(pc.greater(found["sum_count"], 1))
        contrast = pc.subtract(found["sum_max"], found["sum_min"])
        who = f", {plain(variant_id)}" if len(trained) > 1 else ""
        for label in sorted(pc.unique(found["label"]).to_pylist()):
            own = pc.equal(found["label"], label)
            places, values = found["place"].filter(own).to_numpy(), contrast.filter(own).to_numpy()
            largest.offer(places, values, f"{plain(label)}'s box{who}")
    return largest.scores("box contrast", number)


def worst_convergence(results: StudyResults) -> Scores:
    """Score images by the largest ratio of a map's error to what is allowed (`accuracy.errors`)."""
    settings = results.study.attribution
    largest = _Largest(results.n_images)
    for variant_id in results.variants["variant_id"]:
        for table in results.scans.rows(variant_id, _ERROR_COLUMNS):
            rows: pd.DataFrame = table.to_pandas()
            ratios = excess(rows, settings)
            places = results.listing.places_of(table["image_id"])
            for target in results.target_names:
                own = (rows["target"] == target).to_numpy()
                largest.offer(places[own], ratios[own], f"{plain(variant_id)}, {plain(target)}")
    return largest.scores("error for what is allowed", lambda ratio: f"{number(ratio, 2)} times as much")


def disagreement(results: StudyResults) -> Scores:
    """Score images by how far the trained model's maps are from those of random models.

    Where the study compared maps (a randomization study): 1 less the mean rank correlation of the image's
    random maps with the trained one's. Elsewhere the largest difference, over boxes and targets, of the share
    of |a| in the box between the trained map and the mean of the random ones; in a study without boxes that
    of a map's sum over its sum of |a|, over targets.
    """
    if results.randomized:
        found = _uncorrelated(results)
        if not np.isnan(found.values).all():
            return found
    shares = _differences(results, _shares)
    if not np.isnan(shares.values).all():
        return shares.scores("difference of trained and random models in the share of |a|", number)
    return _differences(results, _net).scores(
        "difference of trained and random models in the net share of |a|", number
    )


def _uncorrelated(results: StudyResults) -> Scores:
    random = pa.array(study_variants(results).random, pa.string())
    sums, counts = np.zeros(results.n_images), np.zeros(results.n_images)
    for rows in results.scan_table("similarity", ["comparison", "variant_id", "image_id", "spearman"]):
        wanted = pc.and_(
            pc.equal(rows["comparison"], "to_trained"), pc.is_in(rows["variant_id"], value_set=random)
        )
        own = rows.filter(pc.and_(wanted, pc.is_valid(rows["spearman"])))
        places = results.listing.places_of(own["image_id"])
        np.add.at(sums, places, own["spearman"].to_numpy())
        np.add.at(counts, places, 1)
    with np.errstate(invalid="ignore"):
        values = 1 - sums / counts
    which = np.zeros(results.n_images, dtype=np.int32)
    return Scores(
        values, which, ("1 less the mean rank correlation",), "distance of trained and random maps", number
    )


Part = tuple[NDArray[np.int64], pa.ChunkedArray, NDArray[np.float64]]
"""Places of images, what their values are of (texts, few different ones), and the values."""


def _shares(results: StudyResults, variant_id: str) -> Iterator[Part]:
    """Yield the shares of |a| in boxes."""
    for rows in results.scans.boxes(variant_id, ["image_id", "target", "box_label", "share"]):
        known = rows.filter(pc.is_valid(rows["share"]))
        of = pc.binary_join_element_wise(known["box_label"], known["target"], "\0")
        yield results.listing.places_of(known["image_id"]), of, known["share"].to_numpy()


def _net(results: StudyResults, variant_id: str) -> Iterator[Part]:
    """Yield the sums of maps over their sums of |a|."""
    for rows in results.scans.rows(variant_id, ["image_id", "target", "sum", "abs_sum"]):
        known = rows.filter(pc.greater(rows["abs_sum"], 0))
        values = pc.divide(known["sum"], known["abs_sum"]).to_numpy()
        yield results.listing.places_of(known["image_id"]), known["target"], values


def _differences(results: StudyResults, values_of: Callable[[StudyResults, str], Iterator[Part]]) -> _Largest:
    """Hold the trained variant's values against the means of its model's random ones.

    Values of one image and text (boxes of one label) are added.
    """
    variants = study_variants(results)
    largest = _Largest(results.n_images)
    for trained in variants.trained:
        mine = [name for name in variants.random if variants.trained_of.get(name) == trained]
        codes: dict[str, int] = {}
        own = [_coded(part, codes, results.n_images) for part in values_of(results, trained)]
        if not own or not mine:
            continue
        numbers, values = (np.concatenate(each) for each in zip(*own, strict=True))
        keys, at = np.unique(numbers, return_inverse=True)
        apart = _added(at, values, len(keys)) - _mean_of(results, mine, values_of, keys, codes)
        _offer_by_code(largest, keys, np.abs(apart), codes)
    return largest


def _mean_of(
    results: StudyResults,
    variant_ids: Sequence[str],
    values_of: Callable[[StudyResults, str], Iterator[Part]],
    keys: NDArray[np.int64],
    codes: dict[str, int],
) -> NDArray[np.float64]:
    """Return the mean over variants of the values of some keys (sorted), NaN where no variant has one."""
    sums, counts = np.zeros(len(keys)), np.zeros(len(keys))
    for variant_id in variant_ids:
        seen = np.zeros(len(keys), dtype=bool)
        for part in values_of(results, variant_id):
            numbers, values = _coded(part, codes, results.n_images)
            at = np.minimum(np.searchsorted(keys, numbers), len(keys) - 1)
            same = keys[at] == numbers
            sums += _added(at[same], values[same], len(keys))
            seen[at[same]] = True
        counts += seen
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = sums / counts
    return mean


def _added(at: NDArray[np.int64], values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    added: NDArray[np.float64] = np.bincount(at, weights=values, minlength=size).astype(np.float64)
    return added


def _coded(part: Part, codes: dict[str, int], images: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give each pair of image and text one number; texts that are new get the next code."""
    places, of, values = part
    encoded = of.combine_chunks().dictionary_encode()
    known = [codes.setdefault(text, len(codes)) for text in encoded.dictionary.to_pylist()]
    return np.array(known, dtype=np.int64)[encoded.indices.to_numpy()] * images + places, values


def _offer_by_code(
    largest: _Largest, keys: NDArray[np.int64], values: NDArray[np.float64], codes: dict[str, int]
) -> None:
    images = len(largest.values)
    for text, code in codes.items():
        own = slice(*np.searchsorted(keys, [code * images, (code + 1) * images]))
        *label, target = map(plain, text.split("\0"))
        of = f"{label[0]}'s box for {target}" if label else target
        largest.offer(keys[own] - code * images, values[own], of)


def _ordinal(rank: int) -> str:
    if rank == 0:
        return "largest "
    nth = rank + 1
    ending = "th" if nth % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(nth % 10, "th")
    return f"{nth}{ending} largest "


SCORES: dict[str, Callable[[StudyResults], Scores]] = {
    "box-contrast": box_contrast,
    "worst-convergence": worst_convergence,
    "disagreement": disagreement,
}
"""What `report.others` of a study file names."""

WORDS: dict[str, str] = {
    "box-contrast": "the largest difference between targets of the sums in one box of the trained model",
    "worst-convergence": "the largest error of a map for what is allowed",
    "disagreement": "the largest difference between the trained model's maps and random ones'",
}
