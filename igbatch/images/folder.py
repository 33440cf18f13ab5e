"""Listing the image files under a root, on this machine or in an object store, without opening any."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from igbatch.errors import InputError
from igbatch.filesystem import is_local, resolve

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Endings, in either case, of the files that count as images in a folder."""

IMAGE_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("uri", pa.string()),
        ("size", pa.int64()),
        ("etag", pa.string()),
        ("label", pa.string()),
    ]
)
"""One row an image: `size` in bytes and `etag` are null where only asking for each image would tell."""

_PERCENT_DECODED = ("s3", "gs", "gcs", "hdfs", "abfs", "abfss")
"""Schemes that Arrow opens itself, taking ``%20`` in a URI for a space; fsspec takes paths as they are."""


def list_folder(root: str, noun: str = "image", files: str = f"files in {', '.join(SUFFIXES)}") -> pa.Table:
    """List the image files under `root`, in all folders, as rows of `IMAGE_SCHEMA` sorted by image_id.

    The image_id is the path below `root`. Names that begin with a dot are left out, and so are links to
    folders within the root (what they hold is listed where it lies). `etag` is size and modification time in
    ns as the store reports them. `noun` and `files` are what a message calls them where there are none.

    Raises:
        InputError: no such folder, no image in it, a link that leads out of it, or a name that is not UTF-8.
    """
    found = _list_local(local_root(root)) if is_local(root) else _list_store(root)
    if len(found) == 0:
        raise InputError(f"{root}: no {noun} in this folder; give one with {files}")
    found = found.sort_by("image_id")
    uris, label = uris_under(root, found["image_id"]), pa.nulls(len(found), pa.string())
    return pa.table([found["image_id"], uris, found["size"], found["etag"], label], schema=IMAGE_SCHEMA)


def local_root(root: str) -> Path:
    """Return the real path of a local root folder.

    Raises:
        InputError: there is no such folder.
    """
    path = Path(resolve(root)[1])
    if not path.is_dir():
        raise InputError(f"{root}: no such folder; check the path")
    return path.resolve()


def uris_under(root: str, image_ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the URI of each image id, a path relative to `root`: absolute paths for local roots."""
    if is_local(root):
        return pc.binary_join_element_wise(str(local_root(root)).rstrip("/"), image_ids, "/")
    base, mark, query = root.partition("?")
    if base.split("://")[0] in _PERCENT_DECODED:
        unusual = pc.match_substring_regex(image_ids, r"[^A-Za-z0-9/._~-]")
        if pc.any(unusual).as_py():
            image_ids = pa.chunked_array([[quote(name) for name in image_ids.to_pylist()]], pa.string())
    uris = pc.binary_join_element_wise(base.rstrip("/"), image_ids, "/")
    return pc.binary_join_element_wise(uris, query, mark) if mark else uris


def file_names(uris: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the names, without folders, of files whose URIs `uris_under` gave for one root."""
    one = uris[0].as_py() if len(uris) else ""
    if not is_local(one):
        uris = pc.replace_substring_regex(uris, r"\?.*$", "")
    names = pc.replace_substring_regex(uris, r"(?s)^.*/", "")
    if one.split("://")[0] in _PERCENT_DECODED:
        names = pa.chunked_array([[unquote(name) for name in names.to_pylist()]], pa.string())
    return names


def make_etag(size: pa.Array, modified: pa.Array) -> pa.Array:
    """Join size in bytes and modification time in ns, the size alone where the store reports no time."""
    size_text = pc.cast(size, pa.string())
    return pc.coalesce(pc.binary_join_element_wise(size_text, pc.cast(modified, pa.string()), "-"), size_text)


def refuse_escape(path: str | Path, root: Path) -> NoReturn:
    """Raise the `InputError` of a path that leads out of its root."""
    raise InputError(f"{path}: leads out of {root}; copy the file there, or choose a root that holds both")


def _rows(image_ids: pa.Array, sizes: list[int | None], modified: list[int | None]) -> pa.Table:
    size, time = pa.array(sizes, pa.int64()), pa.array(modified, pa.int64())
    return pa.table({"image_id": image_ids, "size": size, "etag": make_etag(size, time)})


def _list_local(root: Path) -> pa.Table:
    tables, pending = [], [""]
    while pending:
        prefix = pending.pop()
        names: list[str] = []
        sizes: list[int | None] = []
        modified: list[int | None] = []
        try:
            with os.scandir(root / prefix) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_symlink():
                        _check_link(Path(entry.path), root)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(f"{prefix}{entry.name}/")
                    elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                        stat = entry.stat()
                        names.append(entry.name)
                        sizes.append(stat.st_size)
                        modified.append(stat.st_mtime_ns)
            image_ids = pa.array([prefix + name for name in names], pa.string())
        except PermissionError as error:
            raise InputError(f"{error.filename}: it may not be read; grant access or move it away") from error
        except UnicodeEncodeError as error:
            raise InputError(f"{root}/{prefix}: name {error.object!r} is not UTF-8; rename it") from error
        tables.append(_rows(image_ids, sizes, modified))
    return pa.concat_tables(tables)


def _check_link(link: Path, root: Path) -> None:
    target = link.resolve()
    if not target.is_relative_to(root):
        refuse_escape(link, root)
    if not target.exists():
        raise InputError(f"{link}: a link to nothing; remove it")


def _list_store(root: str) -> pa.Table:
    filesystem, path = resolve(root)
    try:
        infos = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    except FileNotFoundError as error:
        raise InputError(f"{root}: no such folder; check the address") from error
    except NotADirectoryError as error:
        raise InputError(f"{root}: not a folder; give the folder that holds the images") from error
    start = len(path.rstrip("/")) + 1
    images = [
        info for info in infos if info.type == fs.FileType.File and info.path.lower().endswith(SUFFIXES)
    ]
    image_ids = pa.array([info.path[start:] for info in images], pa.string())
    rows = _rows(image_ids, [info.size for info in images], [info.mtime_ns for info in images])
    return rows.filter(pc.invert(pc.match_substring_regex(image_ids, r"(^|/)\.")))
