"""What each variant contributed to summaries and tests, kept beside its parts, so that it is worked out once.

A file's name is a digest of what it follows from. Read back, it has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TypeVar

import numpy as np
import pyarrow as pa

from igbatch.reduce.randomization.summary import Measure, Summary, SummaryTask, summarise_variant
from igbatch.reduce.randomization.tasks import FOLDER
from igbatch.reduce.randomization.values import (
    SignRow,
    Statistic,
    ValuesTask,
    VariantValues,
    variant_values,
)
from igbatch.store.output import Output

_SUMMARY = pa.schema(
    [pa.field(name, pa.string()) for name in Measure._fields]
    + [pa.field("images", pa.int64()), pa.field("means", pa.list_(pa.float64()))]
)
_VALUES = pa.schema(
    [pa.field(name, pa.string()) for name in Statistic._fields]
    + [pa.field("images", pa.int64()), pa.field("means", pa.list_(pa.float64()))]
)
_SIGNS = pa.schema(
    [
        *(
            pa.field(name, pa.string())
            for name in ("test", "target", "other_target", "box_label", "statistic", "alternative")
        ),
        pa.field("n_images", pa.int64()),
        *(pa.field(name, pa.float64()) for name in ("value", "sign_share", "p", "p_smallest")),
    ]
)
Columns = TypeVar("Columns", Measure, Statistic)


def kept_path(output: Output, variant_id: str, name: str, kind: str) -> str:
    """Return the path of what is kept of a variant; `kind` is summary, signs or values."""
    return output.path(FOLDER, variant_id, f"{name}.{kind}.parquet")


def summary_of(task: SummaryTask) -> Summary:
    """Return the summary of a variant, which is worked out where it is not kept: a pure function."""
    path = kept_path(task.output, task.variant_id, task.name, "summary")
    if task.output.exists(path):
        measures, images, means = _columns(task.output.read_table(path), Measure)
        return Summary(task.variant_id, measures, images, means)
    found = summarise_variant(task)
    task.output.put_table(path, _table(_SUMMARY, found.measures, found.images, found.means))
    return found


def values_of(task: ValuesTask) -> VariantValues:
    """Return the values of a variant, which are worked out where they are not kept: a pure function."""
    output = task.output
    path, signs_path = (kept_path(output, task.variant_id, task.name, kind) for kind in ("values", "signs"))
    if output.exists(path):  # it is written last
        statistics, images, means = _columns(output.read_table(path), Statistic)
        signs = tuple(SignRow(**row) for row in output.read_table(signs_path).to_pylist())
        return VariantValues(task.variant_id, statistics, images, means, signs)
    found = variant_values(task)
    output.put_table(signs_path, pa.Table.from_pylist([asdict(row) for row in found.signs], schema=_SIGNS))
    output.put_table(path, _table(_VALUES, found.statistics, found.images, found.means))
    return found


def _table(schema: pa.Schema, columns: Sequence[Columns], images: np.ndarray, means: np.ndarray) -> pa.Table:
    """Return a row a column: what it is, its images, and its means, the plain one first."""
    names = pa.Table.from_pylist(
        [column._asdict() for column in columns], schema=pa.schema(list(schema)[:-2])
    )
    offsets = np.arange(len(columns) + 1, dtype=np.int32) * len(means)
    lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(means.ravel(order="F")))
    return names.append_column(schema.field("images"), pa.array(images, pa.int64())).append_column(
        schema.field("means"), lists
    )


def _columns(
    table: pa.Table, kind: Callable[..., Columns]
) -> tuple[tuple[Columns, ...], np.ndarray, np.ndarray]:
    names = table.drop_columns(["images", "means"]).to_pylist()
    means = table["means"].combine_chunks().flatten().to_numpy()
    matrix = means.reshape(len(names), -1).T if names else np.empty((1, 0))
    return tuple(kind(**row) for row in names), table["images"].to_numpy(), matrix
