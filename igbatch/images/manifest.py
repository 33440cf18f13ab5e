"""Lists of a study's images that a CSV file names or the scene generator draws, without opening any."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from igbatch.errors import InputError
from igbatch.filesystem import is_local, resolve
from igbatch.images.csv_table import CsvTable, read_csv
from igbatch.images.faults import MAX_NAMED, shown
from igbatch.images.folder import IMAGE_SCHEMA, local_root, make_etag, refuse_escape, uris_under


def scene_uri(seed: int, kind: str | None, label: str | None) -> str:
    """Return the URI of a drawn scene, which `igbatch.images.loading.load_image` draws."""
    query = urlencode({key: value for key, value in (("kind", kind), ("label", label)) if value is not None})
    return f"scene:{seed}?{query}" if query else f"scene:{seed}"


def list_scenes(entries: Sequence[tuple[str, int, str | None, str | None]]) -> pa.Table:
    """List drawn scenes as rows of `IMAGE_SCHEMA`, in the given order.

    Args:
        entries: (image_id, seed, kind, label); None leaves the choice to the generator. The URI holds all but
            the id, ``scene:<seed>?kind=<kind>&label=<label>``; the etag is the generator's version.

    Raises:
        InputError: there is none, or an image_id stands twice.
    """
    from igbatch.birds.scenes import GENERATOR_VERSION

    if not entries:
        raise InputError("images.scenes: no scene; give at least one seed")
    image_ids, seeds, kinds, labels = zip(*entries, strict=True)
    ids = pa.array(image_ids, pa.string())
    repeated = np.flatnonzero(ids.to_pandas().duplicated())
    if len(repeated):
        twice = image_ids[repeated[0]]
        raise InputError(f"images.scenes: {twice} stands twice; give each scene another seed")
    uris = pa.array(map(scene_uri, seeds, kinds, labels), pa.string())
    sizes, etags = pa.nulls(len(ids), pa.int64()), pa.repeat(str(GENERATOR_VERSION), len(ids))
    return pa.table([ids, uris, sizes, etags, pa.array(labels, pa.string())], schema=IMAGE_SCHEMA)


def list_manifest(manifest: str, root: str | None = None) -> pa.Table:
    """List the images that a CSV file names, in its order, as rows of `IMAGE_SCHEMA`.

    Columns are uri (a path relative to the root, or an absolute path or URI under it) and, optionally,
    image_id (by default the relative path) and label. Size and etag are known of local files only.

    Args:
        manifest: path or URI of the CSV file.
        root: folder of all images; by default the manifest's own.

    Raises:
        InputError: nothing to list, no such folder or file, a path or link that leads out of the root, or an
            image_id twice.
    """
    table = read_csv(manifest, ("uri",), ("image_id", "label"))
    root = _parent(manifest) if root is None else root
    paths = _relative_paths(table, root)
    image_ids = pc.coalesce(table.rows["image_id"], paths)
    repeated = np.flatnonzero(image_ids.to_pandas().duplicated())
    if len(repeated):
        texts = [f"image_id {image_ids[row].as_py()} stands twice" for row in repeated[:MAX_NAMED].tolist()]
        table.refuse_rows(repeated, texts, "remove the row or rename one")
    size, etag = pa.nulls(len(paths), pa.int64()), pa.nulls(len(paths), pa.string())
    if is_local(root):
        size, etag = _local_states(table, paths, root)
    columns = [image_ids, uris_under(root, paths), size, etag, table.rows["label"]]
    return pa.table(columns, schema=IMAGE_SCHEMA)


def _parent(uri: str) -> str:
    return str(Path(resolve(uri)[1]).parent) if is_local(uri) else uri.rsplit("/", 1)[0]


def _relative_paths(table: CsvTable, root: str) -> pa.ChunkedArray:
    """Paths of the manifest's rows relative to the root, without ``.`` and doubled slashes."""
    paths = table.rows["uri"]
    bases = [str(local_root(root)), resolve(root)[1]] if is_local(root) else [root.partition("?")[0]]
    for base in bases:
        prefix = base.rstrip("/") + "/"
        below = pc.starts_with(paths, prefix)
        paths = pc.if_else(below, pc.utf8_slice_codeunits(paths, len(prefix)), paths)
    outside = pc.match_substring_regex(paths, r"^/|://|(^|/)\.\.(/|$)")
    table.refuse_where(outside, "uri", f"leads out of {root}; name a file under it, or choose another root")
    for pattern, replacement in ((r"/(\.?/)+", "/"), (r"^(\./)+", "")):
        paths = pc.replace_substring_regex(paths, pattern, replacement)
    table.refuse_where(pc.match_substring_regex(paths, r"^\.?$|/\.?$"), "uri", "it names no file; name one")
    return paths


def _local_states(table: CsvTable, paths: pa.ChunkedArray, root: str) -> tuple[pa.Array, pa.Array]:
    """Sizes and etags of local files, each read once; folders are checked for links once each."""
    base = local_root(root)
    for folder in pc.replace_substring_regex(paths, r"/?[^/]*$", "").unique().to_pylist():
        if not (base / folder).resolve().is_relative_to(base):
            refuse_escape(base / folder, base)
    sizes, times = [], []
    missing: dict[int, str] = {}
    for row, path in enumerate(paths.to_pylist()):
        try:
            state = os.lstat(f"{base}/{path}")
            if stat.S_ISLNK(state.st_mode):
                if not (base / path).resolve().is_relative_to(base):
                    refuse_escape(base / path, base)
                state = os.stat(f"{base}/{path}")
        except (OSError, ValueError) as error:  # a ValueError of characters that no name may have
            missing[row] = getattr(error, "strerror", None) or str(error)
            continue
        if not stat.S_ISREG(state.st_mode):
            missing[row] = "not a file"
        sizes.append(state.st_size)
        times.append(state.st_mtime_ns)
    if missing:
        rows = list(missing)
        texts = [f"uri is {shown(paths[row].as_py())}: {missing[row]}" for row in rows[:MAX_NAMED]]
        slashes = "; write / for \\" if "\\" in paths[rows[0]].as_py() else ""
        table.refuse_rows(rows, texts, f"restore it in {base}, or correct or remove the row{slashes}")
    size = pa.array(sizes, pa.int64())
    return size, make_etag(size, pa.array(times, pa.int64()))
