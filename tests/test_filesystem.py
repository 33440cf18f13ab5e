"""Places by URI: local paths, stores of Arrow and of fsspec, and what is refused."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import fsspec
import fsspec.implementations.memory
import pytest
from pyarrow import fs

from igbatch import filesystem
from igbatch.errors import InputError
from igbatch.filesystem import StoreError, is_local, read_bytes, resolve
from igbatch.store.output import Output


def refusal(uri: str) -> str:
    with pytest.raises(InputError) as caught:
        resolve(uri)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_local_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    for given, path in (
        ("out", str(Path.cwd() / "out")),
        ("/data/a b", "/data/a b"),
        ("/data/a%20b", "/data/a%20b"),
        ("~/out", "/home/somebody/out"),
        ("~nobody-of-that-name/out", str(Path.cwd() / "~nobody-of-that-name/out")),
    ):
        store, found = resolve(given)
        assert isinstance(store, fs.LocalFileSystem)
        assert found == path
        assert is_local(given)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///data/out", "/data/out"),
        ("file:///data/a%20b", "/data/a b"),
        ("file:///data/a b", "/data/a b"),
        ("file:///data/a#b?c", "/data/a#b?c"),
    ],
)
def test_file_uris_are_local_paths(uri: str, path: str) -> None:
    store, found = resolve(uri)
    assert isinstance(store, fs.LocalFileSystem)
    assert found == path
    assert is_local(uri)


def test_a_relative_file_uri_is_refused() -> None:
    assert "absolute path" in refusal("file://out/here")


def test_a_store_of_fsspec_is_opened() -> None:
    store, path = resolve("memory://filesystem-test/a/b.txt")
    assert not is_local("memory://filesystem-test")
    with store.open_output_stream(path) as stream:
        stream.write(b"held in memory")
    assert fsspec.filesystem("memory").cat_file("/filesystem-test/a/b.txt") == b"held in memory"
    assert read_bytes("memory://filesystem-test/a/b.txt", 100) == b"held in memory"


def test_what_no_driver_opens_is_refused_with_the_fix() -> None:
    line = refusal("nope://bucket/out")
    assert line.startswith("nope://bucket/out: no driver opens nope://")
    assert "install it" in line


def test_a_store_that_cannot_be_reached_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(uri: str) -> None:
        raise OSError("no route\nto host")

    monkeypatch.setattr(filesystem, "fs", SimpleNamespace(FileSystem=SimpleNamespace(from_uri=fail)))
    line = refusal("s3://bucket/out")
    assert line == "s3://bucket/out: cannot be opened (no route to host); check the address"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://KEY:SECRET@bucket/out",
        "s3://SECRET@bucket/out",
        "simplecache::s3://KEY:SECRET@bucket/out",
        "https://user:SECRET@host/boxes.csv",
        "abfss://:SECRET@account.dfs.core.windows.net/out",
        "s3://bucket/out?access_key=KEY&secret_key=SECRET",
        "https://host/boxes.csv?X-Amz-Signature=SECRET",
        "az://container/out?sig=SECRET",
        "memory://out?Token=SECRET",
    ],
)
def test_credentials_are_refused_and_not_repeated(uri: str) -> None:
    line = refusal(uri)
    assert "credentials" in line
    assert "environment" in line
    assert "SECRET" not in line
    assert "KEY" not in line


@pytest.mark.parametrize(
    "uri",
    ["gs://anonymous@bucket/out", "abfss://container@account.dfs.core.windows.net/out", "memory://a@b/c"],
)
def test_an_at_sign_alone_is_no_credential(uri: str) -> None:
    assert resolve(uri)[1]


def test_a_query_without_a_secret_is_no_credential() -> None:
    assert resolve("s3://bucket/out?endpoint_override=localhost:9000&region=x&scheme=http")[1] == "bucket/out"


def test_read_bytes_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"12345")
    assert read_bytes(str(path), 5) == b"12345"
    with pytest.raises(InputError, match="5 bytes, more than the 4"):
        read_bytes(str(path), 4)
    with pytest.raises(FileNotFoundError):
        read_bytes(str(tmp_path / "missing"), 4)
    with pytest.raises(FileNotFoundError):
        read_bytes(str(tmp_path), 4)


def test_places_of_a_bucket_share_a_client_that_no_other_process_uses(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.new_bucket()
    first, path = resolve(f"s3://{bucket}/out/a%20b/")
    assert path == f"{bucket}/out/a b"
    assert resolve(f"s3://{bucket}/elsewhere")[0] is first
    assert resolve(f"s3://{bucket}") == (first, bucket)
    assert resolve(f"s3://{bucket}/out?region=eu-west-1")[0] is not first
    assert resolve("s3://another-bucket/out")[0] is not first
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        assert resolve(f"s3://{bucket}/out")[0] is not first


def test_an_object_is_found_whatever_its_name(s3: Any) -> None:
    bucket = s3.new_bucket()
    for name in ("a#b", "a%20b", "a b", "ä+b"):
        s3.client.put_object(Bucket=bucket, Key=f"d/{name}", Body=name.encode())
        assert read_bytes(f"s3://{bucket}/d/{quote(name)}", 100) == name.encode()


def test_an_option_that_s3_does_not_have_is_refused() -> None:
    assert "cannot be opened" in refusal("s3://bucket/out?colour=red")


def settings(store: Any) -> dict[str, Any]:
    """Return what a client of S3 was made with, as a copy of it would be."""
    known: dict[str, Any] = store.__reduce__()[1][0]
    return known


def test_a_client_of_s3_keeps_what_its_uri_says_and_waits_for_so_long(s3: Any) -> None:
    store, _ = resolve("s3://bucket/out?region=eu-west-1&scheme=http&endpoint_override=localhost:9000")
    known = settings(store)
    options = (known["region"], known["scheme"], known["endpoint_override"], known["allow_delayed_open"])
    assert options == ("eu-west-1", "http", "localhost:9000", True)
    assert {name: known[name] for name in filesystem.S3_LIMITS} == filesystem.S3_LIMITS
    assert settings(resolve("s3://bucket/out")[0])["endpoint_override"] == s3.endpoint


def test_what_a_copy_of_a_client_would_lose_is_not_lost() -> None:
    known = settings(resolve("s3://bucket/out?region=x&tls_verify_certificates=false")[0])
    assert known["connect_timeout"] < 0  # Arrow's own: that client is no copy


def test_a_client_of_googles_store_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[str] = []

    def note(uri: str) -> tuple[Any, str]:
        requested.append(uri)
        return fs.LocalFileSystem(), "/"

    monkeypatch.setattr(filesystem, "fs", SimpleNamespace(FileSystem=SimpleNamespace(from_uri=note), **KINDS))
    for uri in (
        "gs://anonymous@bucket/x",
        "gcs://bucket/x?project_id=p",
        "gs://bucket/x?retry_limit_seconds=5",
    ):
        resolve(uri)
    limit = f"retry_limit_seconds={filesystem.GCS_RETRY_SECONDS}"
    assert requested == [
        f"gs://anonymous@bucket/x?{limit}",
        f"gcs://bucket/x?project_id=p&{limit}",
        "gs://bucket/x?retry_limit_seconds=5",
    ]


KINDS = {"LocalFileSystem": fs.LocalFileSystem, "PyFileSystem": fs.PyFileSystem}


class ForeignError(Exception):
    """Stands for the exceptions of a store's library, which are of no class that others know."""


def test_what_the_library_of_a_store_raises_is_an_error_of_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    store, path = resolve("memory://filesystem-test/foreign")

    def fail(self: Any, *arguments: Any, **how: Any) -> Any:
        raise ForeignError("two\nlines")

    monkeypatch.setattr(fsspec.implementations.memory.MemoryFileSystem, "info", fail)
    with pytest.raises(StoreError, match=r"^ForeignError: two lines$"):
        store.get_file_info(path)


@pytest.mark.parametrize("error", [PermissionError("x"), ValueError("x")], ids=repr)
def test_what_has_a_meaning_keeps_it(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    store, path = resolve("memory://filesystem-test/meaning")

    def fail(self: Any, *arguments: Any, **how: Any) -> Any:
        raise error

    monkeypatch.setattr(fsspec.implementations.memory.MemoryFileSystem, "info", fail)
    with pytest.raises(type(error)):
        store.get_file_info(path)


def test_an_object_that_is_put_fails_as_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, *arguments: Any, **how: Any) -> Any:
        raise ForeignError("away")

    output = Output("memory://filesystem-test/put")
    output.put(output.path("x"), b"whole")
    assert output.read(output.path("x")) == b"whole"
    monkeypatch.setattr(fsspec.implementations.memory.MemoryFileSystem, "pipe_file", fail)
    with pytest.raises(StoreError, match="ForeignError: away"):
        output.put(output.path("x"), b"lost")
