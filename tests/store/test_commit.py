"""The commit protocol: all of an attempt or nothing, whenever the writer dies."""

import gc
import hashlib
import io
import itertools
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from igbatch.store import commit as commit_module
from igbatch.store import schemas
from igbatch.store.commit import COMMIT_KEY, ShardWriter, sweep
from igbatch.store.commits import read_commit, read_commits
from igbatch.store.output import Output
from igbatch.store.reader import Reader

pytestmark = pytest.mark.slow

WriteShard = Callable[..., ShardWriter]
LayOut = Callable[..., None]
MakeMap = Callable[..., np.ndarray]


def names(output: Output) -> set[str]:
    root = output.path() + "/"
    return {info.path.removeprefix(root) for info in output.files()}


def committed_files(output: Output, *variants: str) -> set[str]:
    return {file["path"] for found in read_commits(output, variants) for file in found.files.values()}


def test_the_footer_tells_the_truth(output: Output, write_shard: WriteShard) -> None:
    writer = write_shard(output, ["x", "y"], boxes=["box-1", "box-2", "box-3"], quarantined=[("z", None)])
    path = output.commit_path("v", "s")
    found = read_commit(output.filesystem, "v", path)
    assert (found.path, found.variant_id, found.shard) == (path, "v", "s")
    assert (found.attempt, found.fingerprint, found.rows) == (writer.attempt, "f", 4)
    assert {kind: file["rows"] for kind, file in found.files.items()} == {
        "attributions": 4, "box_stats": 12, "quarantine": 1,
    }  # fmt: skip
    for kind, file in found.files.items():
        assert file["path"] == f"{kind}/v/s.{writer.attempt}.parquet"
        data = output.read(output.path(file["path"]))
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        assert len(data) == file["bytes"]
        assert pq.ParquetFile(io.BytesIO(data)).metadata.num_rows == file["rows"]
    assert len(output.read_table(path)) == found.rows
    assert names(output) == committed_files(output, "v") | {"image_stats/v/s.parquet"}


def test_the_commit_is_in_the_parquet_metadata_as_json(local_output: Output, write_shard: WriteShard) -> None:
    write_shard(local_output, ["x"])
    metadata = pq.read_schema(local_output.commit_path("v", "s")).metadata
    assert set(json.loads(metadata[COMMIT_KEY])) == {"version", "attempt", "fingerprint", "rows", "files"}


def test_every_file_carries_its_schema_and_its_variant(local_output: Output, write_shard: WriteShard) -> None:
    write_shard(local_output, ["x"], variant="small.random-3", quarantined=[("y", "a")])
    for kind, schema in (
        ("image_stats", schemas.IMAGE_STATS_FILE),
        ("box_stats", schemas.BOX_STATS),
        ("quarantine", schemas.QUARANTINE),
        ("attributions", schemas.attributions(6, 6)),
    ):
        (info,) = local_output.files(kind, "small.random-3")
        table = pq.ParquetFile(info.path).read()
        assert table.schema.equals(schema), kind
        assert set(table["variant_id"].to_pylist()) == {"small.random-3"}


def test_a_shard_without_rows_is_committed_all_the_same(output: Output, write_shard: WriteShard) -> None:
    write_shard(output, [], quarantined=[("x", None)])
    (found,) = read_commits(output, ["v"])
    assert found.rows == 0
    assert set(found.files) == {"quarantine"}


def test_maps_are_canonical_tensors_for_arrow_and_for_pandas(
    local_output: Output, write_shard: WriteShard, made_up_map: MakeMap
) -> None:
    write_shard(local_output, ["x", "y"])
    (info,) = local_output.files("attributions")
    expected = np.stack([made_up_map("v", image, target, 0) for image in "xy" for target in "ab"])
    table = pq.read_table(info.path, partitioning=None)
    assert table.schema.field("attribution").type == pa.fixed_shape_tensor(pa.float32(), [6, 6])
    np.testing.assert_array_equal(table["attribution"].combine_chunks().to_numpy_ndarray(), expected)
    frame = pd.read_parquet(info.path, partitioning=None)
    assert frame[["image_id", "target"]].to_numpy().tolist() == [
        ["x", "a"],
        ["x", "b"],
        ["y", "a"],
        ["y", "b"],
    ]
    np.testing.assert_array_equal(np.stack(frame["attribution"]).reshape(expected.shape), expected)
    metadata = pq.read_metadata(info.path)
    for group, column in itertools.product(range(metadata.num_row_groups), range(metadata.num_columns)):
        assert not any("DICTIONARY" in used for used in metadata.row_group(group).column(column).encodings)


def test_maps_of_special_values_come_back_bit_for_bit(local_output: Output, stats_row: Any) -> None:
    special = np.array(
        [[0.0, -0.0, 1e-45], [np.finfo(np.float32).max, -1.5, np.finfo(np.float32).tiny]], np.float32
    )
    with ShardWriter(local_output, "v", "s", "f") as writer:
        writer.add_maps(["x", "x"], ["a", "b"], np.stack([special, -special]).transpose(0, 2, 1))
        writer.add_maps([], [], np.empty((0, 3, 2), np.float32))
        writer.add_image_stats([stats_row("x", "a", special)])
        writer.commit()
    (info,) = local_output.files("attributions")
    stored = pq.read_table(info.path)["attribution"].combine_chunks().to_numpy_ndarray()
    assert stored.tobytes() == np.stack([special, -special]).transpose(0, 2, 1).tobytes()


def test_an_attempt_without_commit_is_invisible(
    output: Output, write_shard: WriteShard, lay_out: LayOut, made_up_map: MakeMap
) -> None:
    lay_out(output, {"x": "1"})
    with ShardWriter(output, "v", "s", "f") as writer:
        writer.add_maps(["x"], ["a"], made_up_map("x")[None])
        writer.add_box_stats([])
    assert len(output.files("attributions")) == 1
    reader = Reader(output)
    assert read_commits(reader.output, reader.variant_ids) == []
    for table in (reader.image_stats(), reader.box_stats(), reader.quarantine()):
        assert len(table) == 0
    with pytest.raises(KeyError, match="no map of variant 'v', image 'x', target 'a'"):
        reader.attribution("v", "x", "a")


def test_an_error_while_writing_comes_through_without_noise(
    output: Output, made_up_map: MakeMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)

    def fail() -> None:
        with ShardWriter(output, "v", "s", "f") as writer:
            writer.add_maps(["x"], ["a"], made_up_map("x")[None])
            raise RuntimeError("the model failed")

    with pytest.raises(RuntimeError, match="the model failed"):
        fail()
    gc.collect()
    assert heard == []


def test_the_later_of_two_attempts_at_a_shard_wins_whole(
    output: Output, write_shard: WriteShard, lay_out: LayOut, made_up_map: MakeMap
) -> None:
    lay_out(output, {"x": "1", "y": "1"})
    write_shard(output, ["x", "y"], version=1, boxes=["box-1", "box-2"], quarantined=[("z", None)])
    write_shard(output, ["x"], version=2, boxes=["box-1"])
    reader = Reader(output)
    assert reader.image_stats(["image_id"])["image_id"].to_pylist() == ["x", "x"]
    assert reader.box_stats()["sum"].to_pylist() == [2.0, 2.0]
    assert len(reader.quarantine()) == 0
    np.testing.assert_array_equal(reader.attribution("v", "x", "a"), made_up_map("v", "x", "a", 2))
    with pytest.raises(KeyError):
        reader.attribution("v", "y", "a")


class Killed(BaseException):
    """Stands for SIGKILL: from here on nothing reaches the store."""


class Mortal:
    """Counts what a writer does to the store and kills it before action `last`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
        self.last = last
        self.count = 0
        self.wrap(monkeypatch, commit_module._DigestingFile, "write")
        self.wrap(monkeypatch, commit_module._DigestingFile, "close")
        self.wrap(monkeypatch, os, "fsync")
        self.wrap(monkeypatch, os, "replace")
        self.wrap(monkeypatch, Output, "put")
        self.wrap(monkeypatch, ShardWriter, "_open")
        self.wrap(monkeypatch, MemoryFileSystem, "_open")

    def wrap(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def act(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count > self.last:
                raise Killed
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, act)


@pytest.mark.parametrize(
    ("output", "before"),
    [("local", False), ("local", True), ("memory", True), pytest.param("s3", True, marks=pytest.mark.slow)],
    indirect=["output"],
    ids=["local, first attempt", "local", "memory", "s3"],  # a second attempt has more to leave as it was
)
def test_killed_anywhere_a_reader_sees_all_or_nothing(
    output: Output, write_shard: WriteShard, lay_out: LayOut, made_up_map: MakeMap, before: bool
) -> None:
    lay_out(output, {"x": "1", "z": "1"})

    def seen() -> list[float]:
        """The versions that a reader finds in its tables, after a look at the maps."""
        reader = Reader(output)
        versions = {float(text[1:]) for text in reader.quarantine()["error"].to_pylist()}
        versions |= set(reader.box_stats()["sum"].to_pylist())
        rows = reader.image_stats()
        assert len(rows) == len(reader.box_stats()) == 2 * len(versions)
        for row in rows.to_pylist():
            (version,) = versions
            expected = made_up_map("v", row["image_id"], row["target"], int(version))
            assert row["maximum"] == expected.max()
            np.testing.assert_array_equal(reader.attribution("v", row["image_id"], row["target"]), expected)
        return sorted(versions)

    def stored() -> dict[str, tuple[int | None, object]]:
        return {info.path: (info.size, info.mtime_ns) for info in output.files()}

    start = [1.0] if before else []
    if before:
        write_shard(output, ["x"], version=1, quarantined=[("z", None)])
    deaths, looks, last_stored = 0, 0, stored()
    assert seen() == start
    for last in itertools.count():
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mortal = Mortal(patch, last)
            try:
                write_shard(output, ["x"], version=2, quarantined=[("z", None)])
            except Killed:
                deaths += 1
                finished = False
            else:
                finished = True
        if finished:
            break
        assert mortal.count > last
        if (now_stored := stored()) != last_stored:  # else a reader finds the very files that it has seen
            last_stored = now_stored
            looks += 1
            assert seen() == start
    assert deaths > 8
    assert looks > 1
    assert seen() == [2.0]
    sweep(output, committed_files(output, "v"))
    assert seen() == [2.0]
    assert len(output.files("attributions")) == len(output.files("box_stats")) == 1
    assert not any(info.base_name.endswith(".tmp") for info in output.files())


def test_an_object_store_sees_no_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_shard: WriteShard
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a rename is a copy and a delete")

    for name in ("mv", "move", "rename", "cp_file", "copy"):
        monkeypatch.setattr(MemoryFileSystem, name, refuse)
    output = Output(f"memory://{tmp_path.name}/out")
    writer = write_shard(output, ["x"])
    assert [found.attempt for found in read_commits(output, ["v"])] == [writer.attempt]


def test_data_files_are_never_overwritten(local_output: Output, write_shard: WriteShard) -> None:
    first = write_shard(local_output, ["x"], version=1)
    path = local_output.data_path("box_stats", "v", "s", first.attempt)
    before = local_output.read(path)
    second = write_shard(local_output, ["x"], version=2)
    assert second.attempt > first.attempt
    assert local_output.read(path) == before
    with ShardWriter(local_output, "v", "s", "f") as writer:
        writer.attempt = first.attempt
        with pytest.raises(FileExistsError):
            writer.add_maps(["x"], ["a"], np.zeros((1, 6, 6)))


def test_sweep_removes_what_no_commit_names_and_nothing_else(
    output: Output, write_shard: WriteShard, lay_out: LayOut, made_up_map: MakeMap
) -> None:
    lay_out(output, {"x": "1", "y": "1"})
    write_shard(output, ["x"], shard="s", quarantined=[("z", None)])
    write_shard(output, ["x"], shard="s", version=1)
    write_shard(output, ["y"], shard="t")
    write_shard(output, ["y"], variant="dropped")
    kept = names(output) - {info for info in names(output) if info.startswith("quarantine/v/s.")}
    kept -= {info for info in kept if info.split("/")[:2] in (["attributions", "v"], ["box_stats", "v"])}
    kept |= committed_files(output, "v")
    with ShardWriter(output, "v", "u", "f") as writer:
        writer.add_maps(["x"], ["a"], made_up_map("x")[None])
    for name in ("image_stats/v/.s.parquet.1.tmp", ".study.json.2.tmp", "report/.index.html.3.tmp"):
        output.put(output.path(name), b"half")
    for name in ("report/index.html", "attributions.txt", "report/a.tmp"):
        output.put(output.path(name), b"whole")
        kept.add(name)
    before = names(output)
    removed = sweep(output, committed_files(output, "v", "dropped"))
    assert names(output) == kept
    assert sorted(removed) == sorted(before - kept)
    assert len(removed) == 3 + 3 + 1
    assert sweep(output, committed_files(output, "v", "dropped")) == []


def test_a_commit_never_names_a_file_that_was_swept(output: Output, made_up_map: MakeMap) -> None:
    """As when the driver is gone, and the next run sweeps while its worker still writes."""
    with ShardWriter(output, "v", "s", "f") as writer:
        writer.add_maps(["x"], ["a"], made_up_map("x")[None])
        writer.add_box_stats([])
        writer._maps.close()  # type: ignore[union-attr]
        writer._map_file.close()  # type: ignore[union-attr]
        assert sweep(output, set())
        with pytest.raises(OSError, match="gone before its commit"):
            writer.commit()
    assert not output.files("image_stats")
