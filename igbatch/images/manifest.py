"""The list of a study's images, from a folder, a manifest or the scene generator, without opening any."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.filesystem import is_local, resolve
from igbatch.images.csv_table import CsvTable, read_csv
from igbatch.images.faults import MAX_NAMED, shown
from igbatch.images.folder import list_folder, local_root, make_etag, refuse_escape, uris_under

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


@dataclass(frozen=True)
class FolderSource:
    """Every image file under `root`, a path or a URI."""

    root: str


@dataclass(frozen=True)
class ManifestSource:
    """The images that a CSV file names, under `root`; the manifest's own folder where `root` is None."""

    manifest: str
    root: str | None = None


@dataclass(frozen=True)
class SceneSource:
    """Drawn scenes: entries of (image_id, seed, kind, label); None leaves the choice to the generator."""

    entries: tuple[tuple[str, int, str | None, str | None], ...]


Source = FolderSource | ManifestSource | SceneSource


def list_images(source: Source) -> pa.Table:
    """List the images of a source as rows of `IMAGE_SCHEMA`.

    From a folder: files with an image's ending, image_id the path relative to the root, sorted by it. From a
    manifest, in its order: column uri (a path relative to the root, or an absolute path or URI under it) and,
    optionally, image_id (by default the relative path) and label; size and etag for local files only. From
    scenes, in the given order: uri ``scene:<seed>?kind=<kind>&label=<label>``, etag the generator's version.
    Labels are null where none is given.

    Raises:
        InputError: nothing to list, no such folder or file, a path or link that leads out of the root, or an
            image_id twice.
    """
    if isinstance(source, FolderSource):
        rows = list_folder(source.root)
        uri = uris_under(source.root, rows["image_id"])
        columns = [rows["image_id"], uri, rows["size"], rows["etag"], pa.nulls(len(rows), pa.string())]
        return pa.table(columns, schema=IMAGE_SCHEMA)
    if isinstance(source, ManifestSource):
        return _list_manifest(source)
    return _list_scenes(source)


def scene_uri(seed: int, kind: str | None, label: str | None) -> str:
    """Return the URI of a drawn scene, which `igbatch.images.loading.load_image` draws."""
    query = urlencode({key: value for key, value in (("kind", kind), ("label", label)) if value is not None})
    return f"scene:{seed}?{query}" if query else f"scene:{seed}"


def _list_scenes(source: SceneSource) -> pa.Table:
    from igbatch.birds.scenes import GENERATOR_VERSION

    if not source.entries:
        raise InputError("images.scenes: no scene; give at least one seed")
    image_ids, seeds, kinds, labels = zip(*source.entries, strict=True)
    ids = pa.chunked_array([image_ids], pa.string())
    repeated = _repeated(ids)
    if len(repeated):
        twice = image_ids[repeated[0]]
        raise InputError(f"images.scenes: {twice} stands twice; give each scene another seed")
    uris = pa.array(map(scene_uri, seeds, kinds, labels), pa.string())
    sizes, etags = pa.nulls(len(ids), pa.int64()), pa.repeat(str(GENERATOR_VERSION), len(ids))
    return pa.table([ids, uris, sizes, etags, pa.array(labels, pa.string())], schema=IMAGE_SCHEMA)


def _list_manifest(source: ManifestSource) -> pa.Table:
    table = read_csv(source.manifest, ("uri",), ("image_id", "label"))
    root = source.root if source.root is not None else _parent(source.manifest)
    paths = _relative_paths(table, root)
    image_ids = paths
    if table.has("image_id"):
        image_ids = pc.if_else(pc.equal(table.rows["image_id"], ""), paths, table.rows["image_id"])
    repeated = _repeated(image_ids)
    if len(repeated):
        texts = [f"image_id {image_ids[row].as_py()} stands twice" for row in repeated[:MAX_NAMED].tolist()]
        table.refuse_rows(repeated, texts, "remove the row or rename one")
    size, etag, label = (
        pa.nulls(len(paths), IMAGE_SCHEMA.field(name).type) for name in ("size", "etag", "label")
    )
    if is_local(root):
        size, etag = _local_states(table, paths, root)
    if table.has("label"):
        label = pc.if_else(pc.equal(table.rows["label"], ""), None, table.rows["label"])
    return pa.table([image_ids, uris_under(root, paths), size, etag, label], schema=IMAGE_SCHEMA)


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
    """Sizes and etags of local files, each asked for once; folders are checked for links once each."""
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


def _repeated(image_ids: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the rows of image ids that stood before."""
    numbered = pa.table({"id": image_ids, "row": pa.array(np.arange(len(image_ids)))})
    firsts = numbered.group_by("id").aggregate([("row", "min")])["row_min"].to_numpy()
    repeated = np.ones(len(image_ids), dtype=np.bool_)
    repeated[firsts] = False
    return np.flatnonzero(repeated)
