"""An output folder: where files lie, and how single files are written and read."""

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from igbatch.errors import InputError
from igbatch.store.output import Output, table_bytes


def test_files_lie_where_the_design_says(output: Output) -> None:
    root = output.path()
    data = output.data_path("box_stats", "random-1", "abc", "7")
    assert data == f"{root}/box_stats/random-1/abc.7.parquet"
    assert output.commit_path("random-1", "abc") == f"{root}/image_stats/random-1/abc.parquet"


def test_what_is_put_is_read(output: Output) -> None:
    path = output.path("deep", "down", "file.json")
    assert not output.exists(path)
    assert output.read_json(path) is None
    output.put_json(path, {"b": "Häher", "a": [1, None]})
    assert output.exists(path)
    assert output.read_json(path) == {"b": "Häher", "a": [1, None]}
    assert list(output.read_json(path)) == ["b", "a"]
    output.put(path, b"again")
    assert output.read(path) == b"again"
    output.delete(path)
    assert not output.exists(path)


def test_tables_keep_their_columns_and_gain_none(output: Output) -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    path = output.path("image_stats", "kind=odd", "t.parquet")
    output.put_table(path, table)
    assert output.read_table(path) == table
    assert output.read_table(path, ["b"]).column_names == ["b"]
    assert pq.read_table(io.BytesIO(table_bytes(table))) == table


def test_listing_is_recursive_sorted_and_of_files_only(output: Output) -> None:
    assert output.files("nowhere") == []
    for name in ("b/z", "b/a/y", "a/x"):
        output.put(output.path("data", name), b"1")
    root = output.path("data")
    assert [info.path.removeprefix(root + "/") for info in output.files("data")] == ["a/x", "b/a/y", "b/z"]
    assert len(output.files()) == 3


def test_an_output_is_the_same_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    output = Output("out")
    assert output.uri == str(Path.cwd() / "out")
    output.put(output.path("file"), b"1")
    code = "import pickle, sys; o = pickle.load(sys.stdin.buffer); print(o.uri, o.exists(o.path('file')))"
    where = {"cwd": "/", "env": {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}}
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(output), capture_output=True, check=True, **where
    )
    assert done.stdout.decode().split() == [output.uri, "True"]


def test_a_uri_stays_a_uri_in_another_process() -> None:
    output = pickle.loads(pickle.dumps(Output("memory://bucket/out")))
    assert (output.uri, output.local, output.path("x")) == ("memory://bucket/out", False, "/bucket/out/x")
    assert Output("file:///data/my%20out").uri == "/data/my out"


def test_credentials_in_the_uri_are_refused() -> None:
    with pytest.raises(InputError, match="credentials"):
        Output("s3://KEY:SECRET@bucket/out")


def test_a_local_file_is_whole_or_as_before(local_output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    path = local_output.path("file")
    local_output.put(path, b"before")
    real = os.replace
    replaced: list[Path] = []

    def look_then_replace(source: Path, target: Path) -> None:
        replaced.append(target)
        assert source.parent == target.parent
        assert source.name.startswith(".")
        assert source.name.endswith(".tmp")
        assert source.read_bytes() == b"after"
        assert target.read_bytes() == b"before"
        real(source, target)

    monkeypatch.setattr(os, "replace", look_then_replace)
    local_output.put(path, b"after")
    assert replaced == [Path(path)]
    assert local_output.read(path) == b"after"
    assert [info.base_name for info in local_output.files()] == ["file"]


def test_an_object_store_is_put_to_and_never_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a rename is a copy and a delete")

    for name in ("mv", "move", "rename", "cp_file", "copy"):
        monkeypatch.setattr(MemoryFileSystem, name, refuse)
    output = Output(f"memory://{tmp_path.name}")
    output.put(output.path("file"), b"1")
    assert [info.base_name for info in output.files()] == ["file"]
