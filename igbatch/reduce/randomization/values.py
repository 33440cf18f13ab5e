"""The statistics that are tested: of boxes and maps, one value an image, averaged over the data set.

A raw sum of a confident model exceeds any random head's by its scale alone. So each statistic says whether it
is free of scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.images.box_unions import union_of_table
from igbatch.images.boxes import EDGES
from igbatch.reduce.randomization.resampled import KEPT, SEED, Resampled, image_means, keep_means, kept_means
from igbatch.reduce.randomization.tasks import VERSION, part_path
from igbatch.statistics.aggregates import Classes, expected_sign, named_classes
from igbatch.statistics.significance import Alternative, sign_test, signed_rank_test
from igbatch.store import schemas
from igbatch.store.fingerprint import bytes_digest, digest, texts_digest
from igbatch.store.output import Output
from igbatch.store.reader import Reader

BOX_STATISTICS = {
    "sum": False,
    "share": True,
    "density_ratio": True,
    "contains_peak": True,
    "sum_over_change": True,
    "positive": True,
    "deletion": False,
    "deletion_blurred": False,
}
"""Statistics of the boxes of a label, and whether they are free of scale. `sum_over_change` is the sum over
|F(image) - F(baseline)|; over a data set it is the mean sum over the mean change, since the ratio of an image
whose output hardly changes would outweigh all others. `positive` is 1 where the sum is above zero, so that
its mean is a rate. `deletion` and `deletion_blurred` are what the output loses without the boxes, each
removed by itself, where the study has that of random models too (`attribution.deletion: all`)."""

MAP_STATISTICS = {"sum": False, "abs_sum": False}
"""Statistics of whole maps: what is attributed in all, with and without signs."""

STATISTICS = tuple(dict.fromkeys([*BOX_STATISTICS, *MAP_STATISTICS]))
SIGNED_SUMS = ("sum", "sum_over_change", "positive")
SIGNED = (*SIGNED_SUMS, "deletion", "deletion_blurred")

KEY = ["image_id", "target", "box_label"]
ADDED_VERSION = 2
"""Of how boxes are added: in values that an earlier version kept, pixels of overlapping boxes count twice."""

_ADDED = ["sum", "share", "pixels", "deletion", "deletion_blurred"]
BOX_COLUMNS = [*KEY, *EDGES, *_ADDED, "density_ratio", "contains_peak"]
MAP_COLUMNS = ["image_id", "target", "sum", "abs_sum", "score", "score_baseline"]


class Statistic(NamedTuple):
    """What a value is of: `box_label` is None for whole maps."""

    target: str
    box_label: str | None
    statistic: str

    @property
    def scale_free(self) -> bool:
        """Whether multiplying a map by a number leaves it as it is."""
        return (BOX_STATISTICS if self.box_label is not None else MAP_STATISTICS)[self.statistic]

    def alternative(self, classes: Classes) -> Alternative:
        """Return which side of the null is tested.

        Signed statistics of a class's box are expected above the null where the target is that class, and
        below it where it is another one. All that measures concentration or size is expected above.
        """
        if self.statistic not in SIGNED:
            return "greater"
        sign = None if self.box_label is None else expected_sign(self.target, self.box_label, classes)
        return "two-sided" if sign is None else "greater" if sign > 0 else "less"


_SIGNS = pa.schema(
    schemas.SIGNIFICANCE.field(name)
    for name in (
        "test", "target", "other_target", "box_label", "statistic", "alternative", "n_images", "value",
        "sign_share", "p", "p_smallest",
    )
)  # fmt: skip


@dataclass(frozen=True)
class VariantValues:
    """What one variant contributes to the tests over the data set.

    Attributes:
        means: of each statistic over the images.
        signs: tests of signs over its images: columns of `schemas.SIGNIFICANCE`.
    """

    means: Mapping[Statistic, Resampled]
    signs: list[dict[str, Any]]


@dataclass(frozen=True)
class ValuesTask:
    """One variant, and a digest of what its values follow from."""

    output: Output
    variant_id: str
    name: str

    def path(self, kind: str) -> str:
        """Return where the `values` or `signs` are kept."""
        return part_path(self.output, self.variant_id, self.name, kind)


def values_tasks(reader: Reader) -> Iterator[ValuesTask]:
    """Yield a task a variant: its values follow from which commit each of its rows comes from."""
    listed = texts_digest(reader.listing.image_ids)
    for variant_id in reader.variant_ids:
        index = reader.row_index(variant_id)
        commits = [f"{file.shard}.{file.attempt}" for file in index.files]
        ranks = np.append(np.argsort(np.argsort(commits)), -1)  # files are known in no certain order
        sources = bytes_digest(ranks[index.file_of_key].astype(np.int64).tobytes())
        content = [VERSION, ADDED_VERSION, KEPT, SEED, reader.target_names, sorted(commits), listed, sources]
        name = digest(content)
        yield ValuesTask(reader.output, variant_id, name)


def values_of(task: ValuesTask) -> VariantValues:
    """Return the values of a variant, which are worked out where they are not kept: a pure function."""
    output, path, signs_path = task.output, task.path("values"), task.path("signs")
    if output.exists(path):  # it is written last
        means = {Statistic(*key): mean for key, mean in kept_means(output, path).items()}
        return VariantValues(means, output.read_table(signs_path).to_pylist())
    found = variant_values(task)
    output.put_table(signs_path, pa.Table.from_pylist(found.signs, schema=_SIGNS))
    keep_means(output, path, found.means, Statistic._fields)
    return found


def variant_values(task: ValuesTask) -> VariantValues:
    """Gather the values of one variant."""
    reader = Reader(task.output)
    boxes = reader.box_stats(task.variant_id, BOX_COLUMNS).to_pandas()
    maps = reader.image_stats(MAP_COLUMNS, task.variant_id).to_pandas()
    table = image_values(boxes, maps)
    means = image_means(dict(_columns(table)), reader.listing.image_ids.to_pylist())
    changes = {statistic: means.pop(statistic) for statistic in [*means] if statistic.statistic == "change"}
    for statistic in means:
        if statistic.statistic == "sum_over_change":  # of the means, in every resample
            total, change = (
                means[statistic._replace(statistic="sum")],
                changes[statistic._replace(statistic="change")],
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                means[statistic] = total._replace(means=total.means / change.means)
    return VariantValues(means, list(sign_rows(table, named_classes(reader.target_names, reader.contrasts))))


def image_values(boxes: pd.DataFrame, maps: pd.DataFrame) -> pd.DataFrame:
    """Return one row per image, target and box label, and one per image and target (box_label None).

    Several boxes of one label are added; their density ratios are averaged by pixels, and one peak among them
    counts. No pixel counts twice (`igbatch.images.box_unions`): images whose boxes of a label overlap in part
    are left out of that label, and so are boxes without a visible pixel.

    Args:
        boxes: rows of `box_stats`.
        maps: rows of `image_stats`.

    Returns:
        image_id, target, box_label, change (|F(image) - F(baseline)|), the columns of `BOX_STATISTICS` and
        `MAP_STATISTICS`, null where a statistic is not of that row's kind or is undefined.
    """
    seen = boxes[boxes["sum"].notna()]
    seen = seen[union_of_table(seen, KEY).counted]
    seen = seen.assign(
        weighted=seen["density_ratio"] * seen["pixels"],
        contains_peak=seen["contains_peak"].astype("float64"),
    )
    by = seen.groupby(KEY, sort=True)
    found = by[[*_ADDED, "weighted"]].sum(min_count=1)
    found["contains_peak"] = by["contains_peak"].max()
    found = found.reset_index()
    found["share"] = found["share"].clip(upper=1)
    found["density_ratio"] = found["weighted"] / found["pixels"]
    change = maps.assign(change=(maps["score"] - maps["score_baseline"]).abs())
    found = found.merge(change[["image_id", "target", "change"]], on=["image_id", "target"], how="left")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = found["sum"] / found["change"]
    found["sum_over_change"] = ratio.where(np.isfinite(ratio))
    found["positive"] = (found["sum"] > 0).astype("float64")
    whole = maps[["image_id", "target", "sum", "abs_sum"]].assign(box_label=None)
    columns = [*KEY, "change", *STATISTICS]
    parts = [each.reindex(columns=columns) for each in (found, whole) if len(each)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _columns(table: pd.DataFrame) -> Iterator[tuple[Statistic, pd.Series]]:
    for (label, target), rows in table.groupby(["box_label", "target"], sort=True, dropna=False):
        by_image, whole = rows.set_index("image_id"), not isinstance(label, str)
        for name in MAP_STATISTICS if whole else [*BOX_STATISTICS, "change"]:
            values = by_image[name].astype("float64")
            if values.notna().any():
                yield Statistic(str(target), None if whole else str(label), name), values


def sign_rows(table: pd.DataFrame, classes: Classes) -> Iterator[dict[str, Any]]:
    """Test, over the images, that a class's box counts against other targets, and more for its own target.

    `sum`: the box's sum for another target is below zero. `sum_minus_other`: the box's sum for its own class
    less that for the other one, image by image, is above zero. By the exact sign test, and by Wilcoxon's
    signed-rank test (Wilcoxon 1945).

    A contrast's sum in the box of its first class is above zero, and below in that of the other: tested where
    these classes are no targets; where they are, `sum_minus_other` is this test.
    """
    sums = table[table["box_label"].notna()].pivot_table(
        index=["box_label", "image_id"], columns="target", values="sum", sort=True
    )
    for label in sums.index.unique("box_label"):
        own = sums.loc[label]
        for target in (name for name, of in classes.items() if len(of) > 1 and name in own):
            sign = expected_sign(target, label, classes)
            if sign is not None and not {*classes[target]} <= {*own.columns}:
                key = {"target": target, "other_target": None, "box_label": label, "statistic": "sum"}
                yield from _sign_tests(own[target], "greater" if sign > 0 else "less", key)
        alone = {name for name, of in classes.items() if len(of) == 1}
        others = [other for other in sorted(alone - {label}) if other in own]
        for other in others if label in alone and label in own else ():
            key = {"target": other, "other_target": None, "box_label": label, "statistic": "sum"}
            yield from _sign_tests(own[other], "less", key)
            key = {"target": label, "other_target": other, "box_label": label, "statistic": "sum_minus_other"}
            yield from _sign_tests(own[label] - own[other], "greater", key)


def _sign_tests(column: pd.Series, alternative: Alternative, key: dict[str, Any]) -> Iterator[dict[str, Any]]:
    values: NDArray[np.float64] = column.dropna().to_numpy()
    sign = -1 if alternative == "less" else 1
    for name, test in (("sign", sign_test), ("signed_rank", signed_rank_test)) if len(values) else ():
        found = test(values, alternative)
        numbers = {"value": float(values.mean()), "sign_share": float(np.mean(np.sign(values) == sign))}
        result = {"n_images": len(values), **numbers, "p": found.p, "p_smallest": found.smallest}
        yield {"test": name, **key, "alternative": alternative, **result}
