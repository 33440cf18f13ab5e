"""Summary of a randomization study: means of its measures over images with intervals, by variant and kind.

Each variant is summarised by a task of its own, under the same resamples of the images. So differences
between variants and means over many of them have intervals too, and the driver holds some 100 kB a variant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from igbatch.reduce.randomization.nulls import null_variants
from igbatch.reduce.randomization.resampled import KEPT, SEED, Resampled, image_means, keep_means, kept_means
from igbatch.reduce.randomization.tasks import TABLES, VERSION, part_path
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output

_GROUPS = {
    "similarity": ["comparison"],
    "map_measures": ["target"],
    "localization": ["target", "box_label"],
}
"""Columns by which the rows of a table are grouped before they are averaged within an image."""

_GAPS = {"ssim_own_minus_pair": ("ssim_own", "ssim_pair")}
"""Measures that are differences of two, image by image; of comparisons between targets only."""


class Measure(NamedTuple):
    """What a mean is taken of, in the order of `schemas.RANDOMIZATION`."""

    table: str
    comparison: str | None
    target: str | None
    box_label: str | None
    measure: str


Summary = Mapping[Measure, Resampled]
"""Means of one variant's measures over images."""


@dataclass(frozen=True)
class SummaryTask:
    """One variant: its parts, and the ids of the images whose maps are compared, in their order."""

    output: Output
    variant_id: str
    parts: tuple[str, ...]
    image_ids: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where the summary is kept; the name is a digest of what it follows from."""
        name = digest([VERSION, KEPT, SEED, self.parts, self.image_ids])
        return part_path(self.output, self.variant_id, name, "summary")


def summary_of(task: SummaryTask) -> Summary:
    """Return the summary of a variant, which is worked out where it is not kept: a pure function."""
    if task.output.exists(task.path):
        return {Measure(*key): mean for key, mean in kept_means(task.output, task.path).items()}
    found = summarise_variant(task)
    keep_means(task.output, task.path, found, Measure._fields)
    return found


def summarise_variant(task: SummaryTask) -> Summary:
    """Average the measures of one variant over images: first within an image, then over them."""
    columns: dict[Measure, pd.Series] = {}
    for table, keys in _GROUPS.items():
        parts = [part_path(task.output, task.variant_id, part, table) for part in task.parts]
        read = [TABLES[table].empty_table(), *map(task.output.read_table, parts)]
        rows = pa.concat_tables(read).to_pandas()
        names = [
            field.name
            for field in TABLES[table]
            if pa.types.is_floating(field.type) or pa.types.is_boolean(field.type)
        ]
        for group, frame in rows.groupby(keys, sort=True):
            values = frame[names].astype("float64")
            of = Measure(table, None, None, None, "")._replace(**dict(zip(keys, group, strict=True)))
            if of.comparison == "between_targets":
                for name, (one, other) in _GAPS.items():
                    values[name] = values[one] - values[other]
            by_image = values.groupby(frame["image_id"], sort=False).mean()
            columns |= {of._replace(measure=str(name)): column for name, column in by_image.items()}
    return image_means(columns, task.image_ids)


def summary_rows(summaries: Mapping[str, Summary], variants: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows of `schemas.RANDOMIZATION`: each variant, the mean random model, and trained less random.

    The mean random model of a measure is the mean over those random variants that are computed on all images.

    Args:
        summaries: of the study's variants by id, under the same resamples.
        variants: rows of `schemas.VARIANTS`.
    """
    model_of = dict(zip(variants["variant_id"], variants["model"], strict=True))
    rows = [
        _row("variant", model_of[variant_id], variant_id, measure, mean, 1)
        for variant_id, summary in summaries.items()
        for measure, mean in summary.items()
    ]
    for model, own in variants.groupby("model", sort=False):
        nulls = [summaries[each] for each in null_variants(own) if each in summaries]
        trained = [each for each in own.loc[own["kind"] == "trained", "variant_id"] if each in summaries]
        rows += _random_rows(str(model), nulls, summaries[trained[0]] if trained else {})
    return rows


def _random_rows(model: str, nulls: list[Summary], trained: Summary) -> Iterator[dict[str, Any]]:
    for measure in dict.fromkeys(chain.from_iterable(nulls)):
        found = [summary[measure] for summary in nulls if measure in summary]
        images = max(each.images for each in found)
        mean = np.mean([each.means for each in found], axis=0)
        yield _row("random_mean", model, None, measure, Resampled(images, mean), len(found))
        if measure in trained:
            gap = Resampled(images, trained[measure].means - mean)
            yield _row("trained_minus_random", model, None, measure, gap, len(found))


def _row(
    of: str, model: str, variant_id: str | None, measure: Measure, mean: Resampled, variants: int
) -> dict[str, Any]:
    low, high = mean.interval
    numbers = {
        "n_variants": variants,
        "n_images": mean.images,
        "mean": mean.means[0],
        "low": low,
        "high": high,
    }
    return {"of": of, "model": model, "variant_id": variant_id, **measure._asdict(), **numbers}
