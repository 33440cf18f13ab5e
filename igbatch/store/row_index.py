"""The index of current rows: those that the study lists, each from the latest attempt that computed it.

Rows of superseded attempts, and of images or targets that are no longer listed, are dropped here. A key is a
number for one (image, target) of the study: the image's position in its list times the number of targets,
plus the target's position. One scan of a variant's statistics keeps for every key the file that its row comes
from: 4 bytes a key. Maps are found by it as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.store import schemas
from igbatch.store.fingerprint import digest, texts_digest
from igbatch.store.output import DATA_KINDS, Output, shard_of
from igbatch.store.scan import Found, ahead, gathered, scan

ROWS_AT_ONCE = 500_000
"""Rows that are compared with the list of images at once; a table of its ids is built each time."""

FEW = 50
"""Ids are few where the list has this many times as many: then each listed id is searched among them."""

_SIZES = {kind: f"{kind}_bytes" for kind in DATA_KINDS}
COLUMNS = ("image_id", "target", "image_etag", "attempt", *_SIZES.values())
"""Columns of `image_stats` that decide which rows are current."""


class Listing:
    """The images and targets that a study lists now.

    Args:
        images: `schemas.IMAGES`, at least its columns image_id and etag.
        targets: values of the `target` column, in the study's order.
    """

    def __init__(self, images: pa.Table, targets: Sequence[str]) -> None:
        self.image_ids = images["image_id"].combine_chunks()
        self.targets = list(targets)
        self._etags = images["etag"].combine_chunks()
        self._places: dict[str, int | None] = {}  # of few
        self._requested: NDArray[np.bool_] | None = None

    @property
    def size(self) -> int:
        """Number of keys."""
        return len(self.image_ids) * len(self.targets)

    def key(self, image_id: str, target: str) -> int:
        """Return the key of one image and target, -1 where the study does not list it."""
        place = int(pc.index(self.image_ids, image_id).as_py())
        known = place >= 0 and target in self.targets and (self._requested is None or self._requested[place])
        return place * len(self.targets) + self.targets.index(target) if known else -1

    def of_variant(self, requested: NDArray[np.bool_] | None) -> Listing:
        """Return the listing in which images that a variant is not computed on are as if not listed.

        `requested` tells which images it is computed on: bool [images]; None: every one.
        """
        found = copy(self)
        found._requested = requested
        return found

    def places(self, rows: pa.Table) -> NDArray[np.int64]:
        """Return the position of each row's image in the list, -1 where it is not listed.

        Where rows have the column `image_etag`, an image that changed since is not listed either.
        """
        found = self._found(rows["image_id"])
        if "image_etag" in rows.column_names:
            same = pc.equal(self._etags.take(found), rows["image_etag"].combine_chunks())
            found = pc.if_else(same.fill_null(False), found, None)
        places = np.asarray(found.cast(pa.int64()).fill_null(-1).to_numpy(), dtype=np.int64)
        some = self._requested
        return places if some is None else np.where(np.append(some, False)[places], places, -1)

    def _found(self, image_ids: pa.ChunkedArray) -> pa.Array:
        """Return the position of each id in the list, null where it has none; few are remembered."""
        if len(image_ids) * FEW > len(self.image_ids):
            return pc.index_in(image_ids, value_set=self.image_ids).combine_chunks()
        names = image_ids.to_pylist()
        if new := list(set(names) - self._places.keys()):
            among = pc.index_in(self.image_ids, value_set=pa.array(new, pa.string()))
            self._places |= dict.fromkeys(new)
            places = pc.indices_nonzero(pc.is_valid(among)).to_pylist()
            self._places |= {
                new[at]: place for at, place in zip(among.drop_null().to_pylist(), places, strict=True)
            }
        return pa.array([self._places[name] for name in names], pa.int32())

    def places_of(self, image_ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the position of each image in the list, from 0; -1 where it is not listed."""
        ids = image_ids if isinstance(image_ids, pa.ChunkedArray) else pa.array(image_ids, pa.string())
        return self.places(pa.table({"image_id": ids}))

    def ids(self, places: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """Return the ids of images by their positions in the list."""
        return list(self.image_ids.take(pa.array(places, pa.int64())).to_pylist())

    def keys(self, rows: pa.Table) -> NDArray[np.int64]:
        """Return the key of each row, -1 where the study no longer lists it."""
        places = self.places(rows)
        names = pa.array(self.targets, pa.string())
        targets = pc.index_in(rows["target"], value_set=names).combine_chunks().cast(pa.int64())
        columns = targets.fill_null(-1).to_numpy()
        return np.where((places >= 0) & (columns >= 0), places * len(self.targets) + columns, -1)

    def part(self, keys: NDArray[np.int64]) -> tuple[Listing, NDArray[np.bool_]]:
        """Return the listing of some keys' images alone, and which of its keys those are: bool [size + 1].

        A table of a few names is built in no time, where that of a million takes a fifth of a second.
        """
        wide = len(self.targets)
        places, position = np.unique(keys // wide, return_inverse=True)
        small = self.only(places)
        among = np.zeros(small.size + 1, dtype=bool)
        among[position * wide + keys % wide] = True
        return small, among

    def only(self, places: NDArray[np.int64]) -> Listing:
        """Return the listing of the images at some places alone."""
        ids, etags = (each.take(pa.array(places)) for each in (self.image_ids, self._etags))
        found = Listing(pa.table({"image_id": ids, "etag": etags}), self.targets)
        return found if self._requested is None else found.of_variant(self._requested[places])

    def digest(self) -> str:
        """Return a digest of what the keys stand for: images with their etags in their order, and targets."""
        return digest([texts_digest(self.image_ids), texts_digest(self._etags), self.targets])


@dataclass
class CommittedFile:
    """A file of `image_stats`: its attempt, the sizes of its attempt's data files by kind, and its rows.

    `span` has the places of the first and the last listed image of the rows, -1 where there is none.
    """

    path: str
    attempt: str
    sizes: dict[str, int | None]
    rows: int = 0
    span: tuple[int, int] = (-1, -1)

    @property
    def shard(self) -> str:
        """The shard that the file commits."""
        return shard_of(self.path)


class Chunk(NamedTuple):
    """Rows that were scanned, [n] each; `current` marks those that nothing scanned so far replaces."""

    rows: pa.Table
    keys: NDArray[np.int64]
    files: NDArray[np.int64]
    current: NDArray[np.bool_]


class RowIndex:
    """For every key of a variant the file that its row comes from, once `scan` has run through.

    Args:
        listing: what the study lists now of the variant.

    Attributes:
        file_of_key: int32 [keys + 1], a position in `files`; -1 where there is no row, as in the last place,
            which the key -1 stands for.
        files: the files that hold rows.
        paths: all files that were scanned, those without rows too.
    """

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.file_of_key = np.full(listing.size + 1, -1, dtype=np.int32)
        self.files: list[CommittedFile] = []
        self.paths: list[str] = []
        self._positions: dict[str, int] = {}

    def scan(
        self,
        output: Output,
        paths: Sequence[str],
        columns: Sequence[str] = (),
        where: pc.Expression | None = None,
    ) -> Iterator[Chunk]:
        """Scan files of `image_stats`, yielding rows (those `where`): `COLUMNS` and the requested ones.

        A row's `current` holds until a later attempt at it is scanned.

        Raises:
            InputError: a file is no commit of igbatch.
        """
        self.paths = list(paths)
        names = dict.fromkeys([*COLUMNS, *columns])
        schema = pa.schema([schemas.IMAGE_STATS_FILE.field(name) for name in names])
        for found in ahead(gathered(scan(output, paths, schema, where), ROWS_AT_ONCE)):
            yield self._add(found)

    @property
    def images(self) -> NDArray[np.bool_]:
        """Which images have any row: bool [images], in the order of the listing."""
        rows = self.file_of_key[:-1].reshape(-1, len(self.listing.targets)) >= 0
        return np.asarray(rows.any(axis=1), dtype=np.bool_)

    def file_of(self, image_id: str, target: str) -> CommittedFile | None:
        """Return the file that holds the row of an image and target."""
        position = int(self.file_of_key[self.listing.key(image_id, target)])
        return self.files[position] if position >= 0 else None

    def keys_by_file(self, keys: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
        """Return those of some keys that have a row, by the file that holds it."""
        keys = keys[np.argsort(self.file_of_key[keys], kind="stable")]
        files, starts = np.unique(self.file_of_key[keys], return_index=True)
        parts = zip(files.tolist(), np.split(keys, starts[1:]), strict=False)
        return {file: part for file, part in parts if file >= 0}

    def current_counts(self) -> NDArray[np.int64]:
        """Return how many rows of each file are current: int64 [files]."""
        return np.bincount(self.file_of_key[self.file_of_key >= 0], minlength=len(self.files))

    def all_current(self) -> NDArray[np.bool_]:
        """Return for each file whether all its rows are current: bool [files]."""
        return np.equal(self.current_counts(), np.array([file.rows for file in self.files], dtype=np.int64))

    def _add(self, found: Sequence[Found]) -> Chunk:
        rows = pa.Table.from_batches([batch for _, batch in found])
        keys = self.listing.keys(rows)
        lengths = [len(batch) for _, batch in found]
        positions = [self._position(path, batch) for path, batch in found]
        for position, own in zip(positions, np.split(keys, np.cumsum(lengths)[:-1]), strict=True):
            self._assign(position, own[own >= 0])
            self.files[position].rows += len(own)
        files = np.repeat(np.array(positions), lengths)
        return Chunk(rows, keys, files, self.file_of_key[keys] == files)

    def _position(self, path: str, batch: pa.RecordBatch) -> int:
        if path not in self._positions:
            first = batch.slice(0, 1).select(["attempt", *_SIZES.values()]).to_pylist()[0]
            if first["attempt"] is None:
                raise InputError(
                    f"{path}: not a whole commit of igbatch (it names no attempt); "
                    "delete the file and run again"
                )
            self._positions[path] = len(self.files)
            sizes = {kind: first[name] for kind, name in _SIZES.items()}
            self.files.append(CommittedFile(path, first["attempt"], sizes))
        return self._positions[path]

    def _assign(self, position: int, keys: NDArray[np.int64]) -> None:
        if not len(keys):
            return
        file = self.files[position]
        places = [int(key) // len(self.listing.targets) for key in (keys.min(), keys.max())]
        known = [place for place in (*file.span, *places) if place >= 0]
        file.span = min(known), max(known)
        before = self.file_of_key[keys]
        self.file_of_key[keys[before < 0]] = position
        for other in np.unique(before[before >= 0]):
            if self.files[other].attempt < file.attempt:
                self.file_of_key[keys[before == other]] = position
