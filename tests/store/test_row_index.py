"""Which rows are current, against a plain account: the latest attempt of what is listed, nothing else."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.store import row_index, schemas
from igbatch.store import scan as scan_module
from igbatch.store.commit import ShardWriter, stats_bytes
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.store.row_index import Listing, RowIndex
from igbatch.store.scan import ahead, scan

LayOut = Callable[..., None]
WriteShard = Callable[..., ShardWriter]
Row = tuple[str, str, str]


def listing(images: dict[str, str], targets: list[str]) -> Listing:
    return Listing(pa.table({"image_id": list(images), "etag": list(images.values())}), targets)


def rows_of(*rows: Row) -> pa.Table:
    names = ["image_id", "target", "image_etag"]
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})


def test_a_key_is_a_place_in_the_studys_lists() -> None:
    found = listing({"x": "1", "a": "2"}, ["t", "b"])
    assert found.size == 4
    assert [found.key(image, target) for image in "xa" for target in "tb"] == [0, 1, 2, 3]
    assert found.key("x", "c") == found.key("z", "t") == -1
    rows = rows_of(("a", "t", "2"), ("x", "b", "1"), ("x", "b", "changed"), ("z", "t", "1"), ("x", "c", "1"))
    assert found.keys(rows).tolist() == [2, 1, -1, -1, -1]
    assert found.places(rows).tolist() == [1, 0, -1, -1, 0]
    assert found.keys(rows.drop_columns("image_etag")).tolist() == [2, 1, 1, -1, -1]
    assert found.keys(rows.slice(0, 0)).tolist() == []


def test_images_of_which_a_variant_has_none_are_as_if_not_listed() -> None:
    found = listing({"x": "1", "y": "1", "z": "1"}, ["a", "b"])
    rows = rows_of(*((image, target, "1") for image in "?xyz" for target in "ab"))
    assert found.of_variant(None).keys(rows).tolist() == [-1, -1, 0, 1, 2, 3, 4, 5]
    some = found.of_variant(np.array([True, False, True]))
    assert some.keys(rows).tolist() == [-1, -1, 0, 1, -1, -1, 4, 5]
    assert some.only(np.array([1, 2])).keys(rows).tolist() == [-1, -1, -1, -1, -1, -1, 2, 3]


def commit(output: Output, shard: str, attempt: str, rows: list[Row], stats_row: Any) -> None:
    """Write a commit of made-up rows; its score tells the attempt."""
    filled = [
        {
            "variant_id": "v", **stats_row(image, target, np.ones((2, 2)), etag), "score": float(attempt),
            "attempt": attempt, "fingerprint": "f",
        }
        for image, target, etag in rows
    ]  # fmt: skip
    data = stats_bytes(pa.Table.from_pylist(filled, schema=schemas.IMAGE_STATS), {})
    output.put(output.commit_path("v", shard), data)


cells = st.tuples(st.sampled_from("wxyz"), st.sampled_from("abc"), st.sampled_from("12"))
shards = st.lists(st.lists(cells, unique_by=lambda row: row[:2], max_size=6), max_size=6)


@given(shards, st.permutations(range(6)), st.integers(1, 4), st.integers(1, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_current_rows_are_those_of_the_latest_attempt_at_what_is_listed(
    tmp_path_factory: pytest.TempPathFactory,
    lay_out: LayOut,
    stats_row: Any,
    content: list[list[Row]],
    order: list[int],
    files_at_once: int,
    rows_at_once: int,
) -> None:
    output = Output(str(tmp_path_factory.mktemp("out")))
    images = {"z": "1", "x": "1", "y": "2"}
    lay_out(output, images, targets=["b", "a"])
    expected: dict[tuple[str, str], int] = {}
    for attempt, rows in sorted(zip(order, content, strict=False)):
        commit(output, f"s{order.index(attempt)}", str(attempt), rows, stats_row)
        for image, target, etag in rows:
            if images.get(image) == etag and target in "ab":
                expected[image, target] = attempt
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_module, "FILES_AT_ONCE", files_at_once)
        patch.setattr(row_index, "ROWS_AT_ONCE", rows_at_once)
        reader = Reader(output)
        table = reader.image_stats(["image_id", "target", "score"])
        found = {(row["image_id"], row["target"]): int(row["score"]) for row in table.to_pylist()}
        assert found == expected
        assert len(table) == len(expected)
        assert [tuple(row.values())[:2] for row in table.to_pylist()] == sorted(expected)
        known = reader.row_index("v")
        for image in "wxyz":
            for target in "abc":
                file = known.file_of(image, target)
                assert (file and int(file.attempt)) == expected.get((image, target))
            one = reader.rows_of([image], ["target", "score"]).to_pylist()
            assert {row["target"]: int(row["score"]) for row in one} == {
                target: attempt for (name, target), attempt in expected.items() if name == image
            }
        assert known.current_counts().sum() == len(expected)


def test_a_scan_takes_files_in_their_order_and_columns_that_are_missing_as_null(
    output: Output, write_shard: WriteShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "FILES_AT_ONCE", 2)
    monkeypatch.setattr(scan_module, "BATCH_ROWS", 3)
    for shard in "srqpo":
        write_shard(output, ["x", "y"], shard=shard)
    paths = [output.commit_path("v", shard) for shard in "srqpo"]
    schema = pa.schema([("image_id", pa.string()), ("nothing", pa.int64())])
    found = list(scan(output, paths, schema))
    assert [path for path, _ in found] == [path for path in paths for _ in range(2)]
    assert {len(batch) for _, batch in found} == {1, 3}
    for _, batch in found:
        assert batch.schema.equals(schema)
        assert batch["nothing"].null_count == len(batch)
    assert list(scan(output, [], schema)) == []


def test_what_is_fetched_ahead_comes_in_order_with_its_error_last() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("gone")

    seen: list[int] = []
    fetched = ahead(items())
    for _ in range(5):
        seen.append(next(fetched))
    with pytest.raises(OSError, match="gone"):
        next(fetched)
    assert seen == [0, 1, 2, 3, 4]


def test_a_file_that_is_no_commit_is_named(local_output: Output, lay_out: LayOut, write_shard: Any) -> None:
    lay_out(local_output, {"x": "1"})
    write_shard(local_output, ["x"])
    path = local_output.commit_path("v", "t")
    pq.write_table(pa.table({"image_id": ["x"]}), path)
    with pytest.raises(InputError, match=f"{re.escape(path)}: not a whole commit of igbatch"):
        Reader(local_output).image_stats()
    Path(path).write_bytes(b"PAR1")
    with pytest.raises(InputError, match=f"{re.escape(path)}: not a whole commit of igbatch"):
        Reader(local_output).attribution("v", "x", "a")


def test_shard_histograms_are_the_sums_of_their_rows(
    local_output: Output, write_shard: WriteShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("igbatch.store.commit.STATS_GROUP_ROWS", 3)
    write_shard(local_output, ["x", "y", "z"])
    table = local_output.read_table(local_output.commit_path("v", "s"))
    first, *others = table["shard_histogram"].to_pylist()
    assert others == [None] * 5
    np.testing.assert_array_equal(first, np.sum(table["histogram"].to_pylist(), axis=0))
    assert sum(first) == 6 * 36


def test_an_index_of_a_million_maps_takes_four_bytes_each() -> None:
    names = pa.array([f"{number:07d}" for number in range(500_000)])
    found = RowIndex(Listing(pa.table({"image_id": names, "etag": names}), ["a", "b"]))
    assert found.file_of_key.nbytes == 4 * (1_000_000 + 1)
