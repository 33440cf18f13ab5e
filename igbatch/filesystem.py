"""Files and folders by URI: local paths, and every store that pyarrow or fsspec knows."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pyarrow as pa
from pyarrow import fs

from igbatch.errors import InputError, one_line

_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
S3_LIMITS = {"connect_timeout": 4.0, "request_timeout": 4.0}
"""Seconds to connect, and without a single byte; a transfer that goes on may take as long as it takes."""
S3_ATTEMPTS = 3
"""Tries of a request: with the limits a store that is away is known in 15 s. AWS's own default is 10."""
GCS_RETRY_SECONDS = 30

_SECRET_QUERY = re.compile(r"[?&][^=&]*(key|token|secret|password|sig|credential)[^=&]*=", re.IGNORECASE)


def is_local(uri: str) -> bool:
    """Tell whether `uri` is a path of this machine (no scheme, or ``file://``)."""
    return "://" not in uri or uri.startswith("file://")


def resolve(uri: str) -> tuple[fs.FileSystem, str]:
    """Return the file system that holds `uri` and the path of it there.

    Local paths may be relative. Schemes that Arrow does not know itself (``memory://``, ``az://``, ``hf://``)
    are opened through fsspec, whose driver must be installed. Credentials come from the environment only, and
    so does the endpoint of an S3 store that is not Amazon's (``AWS_ENDPOINT_URL``).

    Raises:
        InputError: the scheme is unknown, its driver is missing, or the URI carries credentials.
    """
    if "://" not in uri:
        return fs.LocalFileSystem(), str(Path(os.path.expanduser(uri)).absolute())
    refuse_credentials(uri)
    scheme, rest = uri.split("://", 1)
    if scheme == "file":
        if not rest.startswith("/"):
            raise InputError(
                f"{uri}: a file:// URI names an absolute path, file:///…; or give the path alone"
            )
        return fs.LocalFileSystem(), unquote(rest)
    try:
        if scheme == "s3":
            return _resolve_s3(rest)
        if scheme in ("gs", "gcs") and "retry_limit_seconds=" not in uri:
            limit = f"{'&' if '?' in uri else '?'}retry_limit_seconds={GCS_RETRY_SECONDS}"
            uri += limit
        filesystem, path = fs.FileSystem.from_uri(uri)
    except pa.ArrowNotImplementedError:
        return _resolve_fsspec(uri, scheme)
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, pa.ArrowInvalid) and scheme != "s3":
            return _resolve_fsspec(uri, scheme)
        raise InputError(f"{uri}: cannot be opened ({one_line(error)}); check the address") from error
    return filesystem, path


def _resolve_s3(rest: str) -> tuple[fs.FileSystem, str]:
    """Return a client that all places of a bucket share, with its connections, and a path."""
    place, _, query = rest.partition("?")
    bucket, _, key = place.partition("/")
    endpoints = tuple(os.environ.get(name) for name in _ENDPOINT_VARIABLES)
    filesystem = _s3_client(bucket, query, os.getpid(), endpoints)
    return filesystem, f"{bucket}/{unquote(key)}".rstrip("/")


@lru_cache(maxsize=64)
def _s3_client(bucket: str, query: str, process: int, endpoints: tuple[str | None, ...]) -> fs.FileSystem:
    """Make a client, one a process: its threads do not survive a fork.

    With a delayed open a small file is one request, and is there whole or not at all. A URI cannot say how
    long to wait, so a client is made from what it says and again with limits; what a copy would lose (of TLS)
    stays as it is.
    """
    options = "&".join(filter(None, [query, "allow_delayed_open=true"]))
    client = fs.FileSystem.from_uri(f"s3://{bucket}?{options}")[0]
    make, (settings,) = client.__reduce__()
    if not parse_qs(options).keys() <= settings.keys():
        return client
    return make({**settings, **S3_LIMITS, "retry_strategy": fs.AwsStandardS3RetryStrategy(S3_ATTEMPTS)})


def refuse_credentials(uri: str) -> None:
    """Refuse a URI that carries credentials, without repeating it: they would end up in logs and outputs.

    Raises:
        InputError: there is a password (for S3 any user) before the host, or a key or token in the query.
    """
    scheme, _, rest = uri.partition("://")
    user, at, _ = rest.split("/", 1)[0].rpartition("@")
    if (at and (":" in user or scheme.endswith("s3"))) or _SECRET_QUERY.search(rest):
        raise InputError(f"{scheme}://…: the URI carries credentials; put them into the environment instead")


def _resolve_fsspec(uri: str, scheme: str) -> tuple[fs.FileSystem, str]:
    import fsspec

    try:  # a listing that is remembered would hide what other processes write
        filesystem, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    except (ValueError, ImportError, OSError) as error:
        raise InputError(
            f"{uri}: no driver opens {scheme}:// ({one_line(error)}); install it, or use another store"
        ) from error
    return fs.PyFileSystem(_StoreHandler(filesystem)), path


class StoreError(OSError):
    """What the library of a store raised, of whatever class; other stores raise an OSError themselves."""


class _StoreHandler(fs.FSSpecHandler):  # type: ignore[misc]
    """Arrow's handler of fsspec's stores; what their libraries raise becomes a `StoreError`."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return _raising_os_errors(found) if inspect.ismethod(found) and not name.startswith("_") else found

    def put(self, path: str, data: bytes) -> None:
        """Write a whole object, which is there at once or not at all."""
        self.fs.pipe_file(path, data)


def _raising_os_errors(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except OSError:
            raise
        except Exception as error:
            if type(error).__module__ == "builtins":
                raise
            raise StoreError(f"{type(error).__name__}: {one_line(error, limit=300)}") from error

    return call


def read_bytes(uri: str, limit: int) -> bytes:
    """Read a whole file of at most `limit` bytes.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: the file is larger than `limit` bytes.
    """
    filesystem, path = resolve(uri)
    info = filesystem.get_file_info(path)
    if info.type != fs.FileType.File:
        raise FileNotFoundError(uri)
    if info.size is not None and info.size > limit:
        raise InputError(f"{uri}: {info.size} bytes, more than the {limit} that are read of such a file")
    with filesystem.open_input_stream(path) as stream:
        data: bytes = stream.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{uri}: more than the {limit} bytes that are read of such a file")
    return data
