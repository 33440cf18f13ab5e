"""What a variant contributed, kept: the same bits when it is read back, and never after its rows changed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from igbatch.reduce.randomization import summary, values
from igbatch.reduce.randomization.resampled import Resampled
from igbatch.reduce.randomization.summary import SummaryTask, summarise_variant, summary_of
from igbatch.reduce.randomization.values import ValuesTask, values_of, values_tasks, variant_values
from igbatch.store.output import Output
from igbatch.store.reader import Reader


def assert_same(one: Mapping[Any, Resampled], other: Mapping[Any, Resampled]) -> None:
    assert list(one) == list(other)
    for key, mean in one.items():
        assert (mean.images, mean.which) == (other[key].images, other[key].which)
        np.testing.assert_array_equal(mean.means, other[key].means)


def summary_task(output: Output) -> SummaryTask:
    parts = {info.base_name.split(".")[0] for info in output.files("measures", "random-2")
             if info.base_name.endswith("similarity.parquet")}  # fmt: skip
    ids = Reader(output).listing.image_ids.to_pylist()
    return SummaryTask(output, "random-2", tuple(sorted(parts)), tuple(ids))


def values_task(reader: Reader, variant_id: str) -> ValuesTask:
    (found,) = (task for task in values_tasks(reader) if task.variant_id == variant_id)
    return found


def test_a_summary_is_read_back_to_the_last_bit(copy: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    task = summary_task(copy)
    expected = summarise_variant(task)
    assert len(expected) > 30
    assert_same(summary_of(task), expected)  # as the reduction kept it
    copy.delete(task.path)
    assert_same(summary_of(task), expected)  # worked out
    monkeypatch.setattr(summary, "summarise_variant", None)
    assert_same(summary_of(task), expected)  # and kept again


def test_values_are_read_back_to_the_last_bit(copy: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    task = values_task(Reader(copy), "trained")
    expected = variant_values(task)
    assert expected.signs
    assert_same(values_of(task).means, expected.means)
    for kind in ("values", "signs"):
        copy.delete(task.path(kind))
    assert_same(values_of(task).means, expected.means)
    monkeypatch.setattr(values, "variant_values", None)
    assert_same(values_of(task).means, expected.means)
    assert values_of(task).signs == expected.signs


def test_names_follow_what_the_numbers_follow_from(copy: Output) -> None:
    before = values_task(Reader(copy), "trained").name
    assert values_task(Reader(copy), "trained").name == before
    assert values_task(Reader(copy), "random-1").name != before
    images = copy.read_table(copy.path("images.parquet"))
    copy.put_table(copy.path("images.parquet"), images.slice(1))
    assert values_task(Reader(copy), "trained").name != before
    copy.put_table(copy.path("images.parquet"), images)
    copy.delete(copy.files("image_stats", "trained")[0].path)
    assert values_task(Reader(copy), "trained").name != before
    task = summary_task(copy)
    assert SummaryTask(copy, "random-2", task.parts, task.image_ids[1:]).path != task.path
    assert SummaryTask(copy, "random-2", task.parts[1:], task.image_ids).path != task.path
