"""An output folder: where files lie, and how single files are written and read."""

import http.client
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from igbatch.errors import InputError
from igbatch.store import output as output_module
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


def test_tables_are_joined_as_one_file_in_row_groups(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_module, "GROUP_ROWS", 5)
    tables = [pa.table({"a": list(range(start, start + 2))}) for start in range(0, 14, 2)]
    path = output.path("joined.parquet")
    output.put_tables(path, tables[0].schema, iter(tables))
    assert output.read_table(path) == pa.concat_tables(tables)
    groups = pq.ParquetFile(io.BytesIO(output.read(path)))
    assert [groups.metadata.row_group(n).num_rows for n in range(groups.num_row_groups)] == [6, 6, 2]
    output.put_tables(path, tables[0].schema, [])
    assert output.read_table(path) == tables[0].slice(0, 0)
    assert [info.base_name for info in output.files()] == ["joined.parquet"]


def test_joining_that_fails_midway_leaves_what_was_there(output: Output) -> None:
    path, schema = output.path("joined.parquet"), pa.schema([pa.field("a", pa.int64())])
    output.put_tables(path, schema, [pa.table({"a": [1]})])

    def failing() -> Iterator[pa.Table]:
        yield pa.table({"a": [2]})
        raise OSError("the store is away")

    with pytest.raises(OSError, match="away"):
        output.put_tables(path, schema, failing())
    assert output.read_table(path)["a"].to_pylist() == [1]
    assert [info.base_name for info in output.files()] == ["joined.parquet"]


def test_listing_is_recursive_sorted_and_of_files_only(output: Output) -> None:
    assert output.files("nowhere") == []
    for name in ("b/z", "b/a/y", "a/x"):
        output.put(output.path("data", name), b"1")
    root = output.path("data")
    assert [info.path.removeprefix(root + "/") for info in output.files("data")] == ["a/x", "b/a/y", "b/z"]
    assert len(output.files()) == 3


@pytest.mark.slow
def test_an_output_is_the_same_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    output = Output("out")
    assert output.uri == str(Path.cwd() / "out")
    output.put(output.path("file"), b"1")
    code = "import pickle, sys; o = pickle.load(sys.stdin.buffer); print(o.uri, o.exists(o.path('file')))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(output), capture_output=True, check=True, cwd="/"
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


class Gateway(ThreadingHTTPServer):
    """Stands before the S3 server: notes requests, and refuses those whose path holds `refused`."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), Forward)
        self.behind = urlsplit(endpoint).netloc
        self.requests: list[str] = []
        self.refused = "nothing"


class Forward(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        server: Any = self.server
        body = self.body()
        server.requests.append(f"{self.command} {self.path}")
        if server.refused in self.path:
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = http.client.HTTPConnection(server.behind, timeout=30)
        dropped = ("transfer-encoding", "expect", "content-length", "connection")
        kept = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        connection.request(self.command, self.path, body, {**kept, "Content-Length": str(len(body))})
        answer = connection.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection", "server", "date", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        connection.close()

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    server = Gateway(s3.endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield server
    server.shutdown()
    server.server_close()


def test_a_small_object_is_one_request(s3: Any, gateway: Gateway) -> None:
    bucket = s3.new_bucket()
    output = Output(f"s3://{bucket}/out")
    gateway.requests.clear()
    output.put(output.path("file"), b"1" * 100_000)
    assert gateway.requests == [f"PUT /{bucket}/out/file"]


def test_an_object_whose_writing_failed_midway_is_not_there(s3: Any, gateway: Gateway) -> None:
    output = Output(f"s3://{s3.new_bucket()}/out")
    gateway.refused = "partNumber=2"
    with pytest.raises(OSError, match="UploadPart"):
        output.put(output.path("file"), os.urandom(25_000_000))
    assert any("partNumber=1" in request for request in gateway.requests)
    assert not output.exists(output.path("file"))
    assert output.files() == []


def test_an_interrupt_leaves_a_whole_object(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    real = output_module._put_object
    begun, interrupted = threading.Event(), threading.Event()

    def put_slowly(*arguments: Any) -> None:
        begun.set()
        interrupted.wait()
        real(*arguments)

    def interrupt() -> None:
        begun.wait()
        time.sleep(0.1)  # until it is waited for
        os.kill(os.getpid(), signal.SIGINT)
        interrupted.set()

    monkeypatch.setattr(output_module, "_put_object", put_slowly)
    if output.local:
        pytest.skip("a local file is renamed into place")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            output.put(output.path("file"), b"whole")
    finally:
        signal.signal(signal.SIGINT, before)
    assert output.read(output.path("file")) == b"whole"
