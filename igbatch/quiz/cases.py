"""What may be asked of a study: maps, and what is true of them, by kind of question.

Cases are of maps that are stored and have converged, of at most `MAX_IMAGES` images drawn under a seed. What
is true is taken from the study's statistics, never from what a map looks like; where two answers lie too near
to each other for that, there is no case.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np

from igbatch.images.selection import seeded_order, select_images
from igbatch.quiz.key import Kind
from igbatch.reduce.ranges import Regions, region_size
from igbatch.report.figures.image_data import box_names
from igbatch.report.figures.scales import shown_regions
from igbatch.report.quiz.model import Choice
from igbatch.report.target_titles import TargetTitles
from igbatch.results import StudyResults
from igbatch.statistics.image_stats import allowed_error
from igbatch.text import listing, number, percent, plain

MAX_IMAGES = 60
MAX_RANDOM = 4
"""Variants that are not trained, of which cases are, drawn under the seed."""

FACTORS = {"less-2": 1.2, "2-5": 2.0, "5-20": 5.0, "more-20": 20.0}
"""Answers to "by about how much", and where each begins; below the first there is no case."""
FACTOR_WORDS = {
    "less-2": "up to 2 times",
    "2-5": "2 to 5 times",
    "5-20": "5 to 20 times",
    "more-20": "more than 20 times",
}
EDGE = 0.05
"""Ratios within this share of a limit between two answers make no case."""
MARGIN = 0.1
"""The largest sum in a box is ahead of the next by this share of the largest magnitude, at least."""
CHANGED = 0.05
"""A map changed where magnitudes of its differences add up to at least this share of those of its values."""


@dataclass(frozen=True)
class ShownMap:
    """A map of an image: of this study, or of the one it is compared with."""

    variant_id: str
    target: str
    reference: bool = False


@dataclass(frozen=True)
class Case:
    """Something to ask.

    Attributes:
        maps: one or two; where the choices are the maps, the right one comes first.
        choice: the right answer; `first` where the choices are the maps.
        second: the right answer to the second part, if there is one.
        level: what is balanced among cases of a kind beside the answers, such as the kind of model.
        choices: what may be answered; those of boxes have their names.
        words: the numbers that show what is true.
        subject: the class that is explained, as the question names it.
        regions: the unit in which the answers are right; None where they are in any.
    """

    kind: Kind
    image_id: str
    maps: tuple[ShownMap, ...]
    choice: str
    level: str
    words: str
    second: str | None = None
    choices: tuple[Choice, ...] = ()
    subject: str = ""
    regions: Regions | None = None

    @property
    def sided(self) -> bool:
        """Whether the choices are the two maps."""
        return self.choice in ("first", "second")

    def turned(self) -> Case:
        """Return the case with its maps the other way round."""
        other = {"first": "second", "second": "first"}
        return replace(self, maps=self.maps[::-1], choice=other.get(self.choice, self.choice))


class Cases:
    """The cases of a study, and of the one whose maps it is compared with, if any."""

    def __init__(self, results: StudyResults, seed: int, reference: StudyResults | None = None) -> None:
        self.results = results
        self.reference = reference
        self.classes = [name for name in results.target_names if name not in results.contrasts]
        self.units: list[Regions] = list(dict.fromkeys(("pixel", shown_regions(results))))
        self.titles = TargetTitles(results)
        kinds = results.variants.set_index("variant_id")["kind"]
        self.trained = {str(name) for name in kinds.index[kinds == "trained"]}
        others = [str(name) for name in kinds.index[kinds != "trained"]]
        drawn = random.Random(seed).sample(others, min(MAX_RANDOM, len(others)))
        self.image_ids = _images(results, seed)
        self.rows = self._rows([*self.trained, *drawn])

    def of(self, kind: Kind) -> list[Case]:
        """Return the cases of a kind, in any order."""
        found: dict[Kind, Any] = {
            "trained": self._trained,
            "targets": self._targets,
            "stronger": self._stronger,
            "box": self._boxes,
            "changed": self._changed,
        }
        return list(found[kind]())

    def _rows(self, variant_ids: Sequence[str]) -> dict[str, dict[tuple[str, str], Any]]:
        """Return the rows of maps that have converged, by image, then by variant and target."""
        columns = ["image_id", "variant_id", "target", "target_index", "minimum", "maximum", "sum", "abs_sum",
                   "converged", "negligible", "map_error", "convergence_delta", "score", "score_baseline",
                   "patches"]  # fmt: skip
        found: dict[str, dict[tuple[str, str], Any]] = {name: {} for name in self.image_ids}
        for variant_id in sorted(variant_ids):
            rows = self.results.rows_of(self.image_ids, columns, variant_id)
            rows = rows[rows["converged"] & rows["target"].isin(self.classes) & (rows["abs_sum"] > 0)]
            for row in rows.to_dict("records"):
                found[str(row["image_id"])][variant_id, str(row["target"])] = row
        return found

    def _name(self, row: Any) -> str:
        """Return the class that a map explains."""
        variant_id, target = str(row["variant_id"]), str(row["target"])
        return self.titles.class_of(row, variant_id, target) or plain(target)

    def _kind(self, variant_id: str) -> str:
        return "trained" if variant_id in self.trained else "random"

    def _trained(self) -> Iterator[Case]:
        models = self.results.variants.set_index("variant_id")["model"]
        for image_id in self.image_ids:
            rows = self.rows[image_id]
            for (variant, target), row in rows.items():
                if variant not in self.trained:
                    continue
                for (other, same), against in rows.items():
                    if same == target and other not in self.trained and models[other] == models[variant]:
                        words = (
                            f"The trained model's map has the sum {number(row['sum'])} and magnitudes that "
                            f"add up to {number(row['abs_sum'])}; with random parameters "
                            f"(“{plain(other)}”) they are {number(against['sum'])} and "
                            f"{number(against['abs_sum'])}."
                        )
                        pair = (ShownMap(variant, target), ShownMap(other, target))
                        yield Case("trained", image_id, pair, "first", target, words, subject=self._name(row))

    def _targets(self) -> Iterator[Case]:
        for image_id in self.image_ids:
            for (one, a), (two, b) in combinations(self.rows[image_id].items(), 2):
                if one[0] != two[0] or self._name(a) == self._name(b):
                    continue
                names = listing([f"“{self._name(row)}”" for row in (a, b)])
                totals = listing([number(row["sum"]) for row in (a, b)])
                level = self._kind(one[0])
                yield Case(
                    "targets",
                    image_id,
                    (ShownMap(*one), ShownMap(*two)),
                    "two",
                    level,
                    f"The maps are of {names}, in no order; the sums of these are {totals}.",
                )
                for key, row in ((one, a), (two, b)):
                    words = f"Both are one map, of “{self._name(row)}”; its sum is {number(row['sum'])}."
                    yield Case("targets", image_id, (ShownMap(*key),) * 2, "one", level, words)

    def _stronger(self) -> Iterator[Case]:
        for image_id, unit in product(self.image_ids, self.units):
            rows = self.rows[image_id]
            peaks = {key: _peak(row, unit) for key, row in rows.items() if not row["negligible"]}
            for pair in combinations([key for key, peak in peaks.items() if peak], 2):
                large, small = sorted(pair, key=lambda key: -peaks[key])
                ratio = peaks[large] / peaks[small]
                if any(abs(ratio / limit - 1) < EDGE for limit in FACTORS.values()):
                    continue
                factor = next((name for name in [*FACTORS][::-1] if ratio >= FACTORS[name]), None)
                if factor is None:
                    continue
                ends = listing([number(peaks[key]) for key in (large, small)])
                words = f"The largest magnitudes are {ends}, the one {number(ratio, 2)} times the other."
                maps = (ShownMap(*large), ShownMap(*small))
                yield Case("stronger", image_id, maps, "first", factor, words, second=factor, regions=unit)

    def _boxes(self) -> Iterator[Case]:
        columns = ["image_id", "variant_id", "target", "box_id", "box_label", "sum"]
        boxes = self.results.boxes_of(self.image_ids, columns)
        boxes = boxes[boxes["sum"].notna()]
        settings = self.results.study.attribution
        for (image_id, variant, target), found in boxes.groupby(["image_id", "variant_id", "target"]):
            row = self.rows.get(str(image_id), {}).get((str(variant), str(target)))
            names = box_names(found)
            if row is None or not 2 <= len(names) <= 6:
                continue
            sums = dict(zip(map(str, found["box_id"]), map(float, found["sum"]), strict=True))
            largest, next_one = sorted(sums, key=lambda box_id: -sums[box_id])[:2]
            ahead = sums[largest] - sums[next_one]
            error = float(allowed_error(row, settings.tolerance, settings.atol)[0])
            if ahead <= max(MARGIN * max(map(abs, sums.values())), 2 * error):
                continue
            ids = {box_id: f"box-{place}" for place, box_id in enumerate(sums)}
            choices = tuple(Choice(id=ids[box_id], label=names[box_id]) for box_id in sums)
            values = listing([f"{number(sums[box_id])} in “{plain(names[box_id])}”" for box_id in sums])
            yield Case(
                "box",
                str(image_id),
                (ShownMap(str(variant), str(target)),),
                ids[largest],
                self._kind(str(variant)),
                f"The sums are {values}.",
                choices=choices,
                subject=self._name(row),
            )

    def _changed(self) -> Iterator[Case]:
        if self.reference is None:
            return
        known = set(self.reference.listing.image_ids.to_pylist())
        before = self._rows_of_reference([name for name in self.image_ids if name in known])
        for image_id in self.image_ids:
            for key, row in self.rows[image_id].items():
                earlier = before.get((image_id, *key))
                if earlier is None:
                    continue
                try:
                    here = self.results.attribution(key[0], image_id, key[1])
                    there = self.reference.attribution(key[0], image_id, key[1])
                except KeyError:
                    continue
                if here.shape != there.shape:
                    continue
                difference = float(np.abs(here.astype(np.float64) - there).sum())
                share = difference / max(float(row["abs_sum"]), float(earlier["abs_sum"]))
                if 0 < share < CHANGED:
                    continue
                moved = (
                    f"Magnitudes of the differences add up to {percent(share)} of those of the map."
                    if share
                    else "Both maps are the same to the last bit."
                )
                maps = (ShownMap(*key, reference=True), ShownMap(*key))
                choice = "yes" if share else "no"
                yield Case("changed", image_id, maps, choice, self._kind(key[0]), moved)

    def _rows_of_reference(self, image_ids: list[str]) -> dict[tuple[str, str, str], Any]:
        assert self.reference is not None
        columns = ["image_id", "variant_id", "target", "abs_sum", "converged"]
        rows = self.reference.rows_of(image_ids, columns)
        rows = rows[rows["converged"] & (rows["abs_sum"] > 0)]
        keys = zip(*(map(str, rows[name]) for name in columns[:3]), strict=True)
        return dict(zip(keys, rows.to_dict("records"), strict=True))


def _peak(row: Any, unit: Regions) -> float:
    """Return the largest magnitude among the regions of a map; 0 where their range was not kept."""
    size = region_size(unit)
    kept = () if row["patches"] is None else row["patches"]
    ends = [row] if size == 1 else [each for each in kept if each["size"] == size]
    return max((max(-float(each["minimum"]), float(each["maximum"])) for each in ends), default=0.0)


def _images(results: StudyResults, seed: int) -> list[str]:
    """Return images whose maps were computed and kept, in the random order of a seed."""
    every = results.listing.image_ids
    kept = select_images(results.study.store.maps, every)
    kept &= results.image_scores(["n_maps"])["n_maps"].to_numpy() > 0
    order = [place for place in seeded_order(seed, every) if kept[place]]
    return [every[int(place)].as_py() for place in order[:MAX_IMAGES]]
