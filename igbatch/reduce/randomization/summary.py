"""From measures of maps to what a report shows: means over images with intervals, by variant and by kind.

Each variant is summarised by a task of its own, under the same resamples of the images. So differences
between variants and means over many of them have intervals too, and the driver holds some 100 kB a variant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from igbatch.reduce.randomization.nulls import null_variants
from igbatch.reduce.randomization.resampled import SEED, image_means, interval
from igbatch.reduce.randomization.tasks import TABLES, VERSION, part_path
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output

_GAPS = {"ssim_own_minus_pair": ("ssim_own", "ssim_pair")}
"""Measures that are differences of two, image by image; of comparisons between targets only."""


class Measure(NamedTuple):
    """What a mean is taken of; the first four name it, in the order of `schemas.RANDOMIZATION`."""

    table: str
    comparison: str | None
    target: str | None
    box_label: str | None
    measure: str


@dataclass(frozen=True)
class SummaryTask:
    """One variant: its parts, and the ids of the images whose maps are compared, in their order."""

    output: Output
    variant_id: str
    parts: tuple[str, ...]
    image_ids: tuple[str, ...]

    @property
    def name(self) -> str:
        """A digest of what the summary follows from."""
        return digest([VERSION, SEED, self.parts, self.image_ids])


@dataclass(frozen=True)
class Summary:
    """Means of one variant's measures over images.

    Attributes:
        variant_id: which.
        measures: what the columns are.
        images: that have a value: int64 [columns].
        means: float64 [1 + resamples, columns], the plain means first.
    """

    variant_id: str
    measures: tuple[Measure, ...]
    images: NDArray[np.int64]
    means: NDArray[np.float64]

    def column(self, measure: Measure) -> int | None:
        """Return the position of a measure, None where the variant has it not."""
        return self.measures.index(measure) if measure in self.measures else None


def summarise_variant(task: SummaryTask) -> Summary:
    """Average the measures of one variant over images: first within an image, then over them."""
    columns: dict[Measure, pd.Series] = {}
    for table, keys in _GROUPS.items():
        rows = _read(task, table)
        for group, frame in _grouped(rows, keys):
            named = {"comparison": None, "target": None, "box_label": None, **group}
            for measure, values in _by_image(table, frame, group).items():
                columns[Measure(table, measure=str(measure), **named)] = values
    told, means = image_means(list(columns.values()), task.image_ids)
    kept = told > 0
    measures = tuple(measure for measure, keep in zip(columns, kept, strict=True) if keep)
    return Summary(task.variant_id, measures, told[kept], means[:, kept])


_GROUPS: dict[str, list[str]] = {
    "similarity": ["comparison"],
    "map_measures": ["target"],
    "localization": ["target", "box_label"],
}
"""Columns by which the rows of a table are told apart before they are averaged within an image."""


def _read(task: SummaryTask, table: str) -> pd.DataFrame:
    output, paths = task.output, (part_path(task.output, task.variant_id, part, table) for part in task.parts)
    read = list(map(output.read_table, paths))
    found: pd.DataFrame = pa.concat_tables(read).to_pandas() if read else pd.DataFrame()
    return found


def _grouped(rows: pd.DataFrame, keys: Sequence[str]) -> Iterable[tuple[dict[str, Any], pd.DataFrame]]:
    if not len(rows):
        return
    for group, frame in rows.groupby(list(keys), sort=True):
        yield dict(zip(keys, group, strict=True)), frame


def _by_image(table: str, frame: pd.DataFrame, group: Mapping[str, Any]) -> pd.DataFrame:
    """Return the mean of each measure within each image: a row an image, a column a measure."""
    names = [field.name for field in TABLES[table] if pa.types.is_floating(field.type)
             or pa.types.is_boolean(field.type)]  # fmt: skip
    values = frame[names].astype("float64")
    if group.get("comparison") == "between_targets":
        for name, (one, other) in _GAPS.items():
            values[name] = values[one] - values[other]
    return values.groupby(frame["image_id"], sort=False).mean()


def summary_rows(summaries: Sequence[Summary], variants: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows of `schemas.RANDOMIZATION`: each variant, the mean random model, and trained less random.

    The mean random model of a measure is the mean over those random variants that are computed on all images.

    Args:
        summaries: of the study's variants, under the same resamples.
        variants: rows of `schemas.VARIANTS`.
    """
    rows = []
    facts = variants.set_index("variant_id")
    by_id = {summary.variant_id: summary for summary in summaries}
    for summary in summaries:
        model = str(facts.loc[summary.variant_id, "model"])
        for column, measure in enumerate(summary.measures):
            images = int(summary.images[column])
            found = _row(measure, summary.means[:, column], images, 1)
            rows.append({"of": "variant", "model": model, "variant_id": summary.variant_id, **found})
    for model in dict.fromkeys(variants["model"]):
        own = variants[variants["model"] == model]
        nulls = [by_id[each] for each in null_variants(own) if each in by_id]
        trained = [by_id[each] for each in own[own["kind"] == "trained"]["variant_id"] if each in by_id]
        rows += _random_rows(str(model), nulls, trained[0] if trained else None)
    return rows


def _random_rows(model: str, nulls: Sequence[Summary], trained: Summary | None) -> list[dict[str, Any]]:
    rows = []
    for measure in dict.fromkeys(each for summary in nulls for each in summary.measures):
        having = [(summary, summary.column(measure)) for summary in nulls]
        found = [(summary.means[:, c], int(summary.images[c])) for summary, c in having if c is not None]
        mean = np.mean([means for means, _ in found], axis=0)
        images = max(count for _, count in found)
        row = {"model": model, "variant_id": None}
        rows.append({**row, "of": "random_mean", **_row(measure, mean, images, len(found))})
        column = trained.column(measure) if trained else None
        if trained is not None and column is not None:
            gap = trained.means[:, column] - mean
            rows.append({**row, "of": "trained_minus_random", **_row(measure, gap, images, len(found))})
    return rows


def _row(measure: Measure, means: NDArray[np.float64], images: int, variants: int) -> dict[str, Any]:
    low, high = interval(means[1:], images)
    numbers = {"n_variants": variants, "n_images": images, "mean": float(means[0]), "low": low, "high": high}
    return {**measure._asdict(), **numbers}
