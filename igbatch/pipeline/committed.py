"""Finds which rows of a study are committed already, in one scan of each variant's statistics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.pipeline.target_names import Class
from igbatch.store import schemas
from igbatch.store.commits import commit_paths, read_commit
from igbatch.store.fingerprint import bytes_digest
from igbatch.store.output import DATA_KINDS, Output, shard_of
from igbatch.store.pruned import KIND, pruned_at
from igbatch.store.row_index import Listing
from igbatch.store.scan import Found, gathered, scan

_KEY = ("image_id", "target", "image_etag")
_CLASSES = ("target_index", "other_index")
_SCANNED = pa.schema(
    [schemas.IMAGE_STATS.field(name) for name in (*_KEY, *_CLASSES, "attempt", "fingerprint")]
    + [schemas.IMAGE_STATS.field(f"{kind}_bytes") for kind in DATA_KINDS]
)
_CUT_SHORT = "it is cut short, or no commit of igbatch"
ROWS_AT_A_TIME = 500_000
"""Rows of statistics that are compared with the study at once."""


@dataclass(frozen=True)
class PairSet:
    """Some of the (image, target) pairs of a study, a bit each: [images, targets]."""

    bits: NDArray[np.uint8]
    shape: tuple[int, int]
    count: int
    images: int

    @classmethod
    def of(cls, matrix: NDArray[np.bool_]) -> PairSet:
        """Pack a matrix of booleans."""
        rows, columns = matrix.shape
        images = int(np.count_nonzero(matrix.any(axis=1)))
        return cls(np.packbits(matrix), (rows, columns), int(np.count_nonzero(matrix)), images)

    def matrix(self) -> NDArray[np.bool_]:
        """Return the pairs as bool [images, targets]."""
        size = self.shape[0] * self.shape[1]
        return np.unpackbits(self.bits, count=size).astype(bool).reshape(self.shape)


@dataclass(frozen=True)
class DamagedCommit:
    """A commit that cannot be believed: its file, or one that it names, was cut short or is gone."""

    path: str
    reason: str


@dataclass
class Committed:
    """What is committed of one variant.

    Attributes:
        done: the pairs that are computed, or in quarantine where these count as done.
        damaged: commits that have to go, so that their pairs are computed again.
        attempts: `<shard>.<attempt>` of each commit that counts.
    """

    done: NDArray[np.bool_]
    damaged: list[DamagedCommit] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)


def digest_of(attempts: Iterable[str]) -> str:
    """Return a digest of a set of commits, which changes whenever one is added, replaced or removed."""
    return bytes_digest("\n".join(sorted(attempts)).encode())


class CommitScan:
    """Compares the commits of a study's variants with the images and targets that it lists now.

    `images` are rows of `schemas.IMAGES`. With `retry_quarantined` pairs in quarantine count as missing.
    """

    def __init__(
        self, output: Output, images: pa.Table, targets: Iterable[str], *, retry_quarantined: bool = False
    ) -> None:
        self.output = output
        self.retry_quarantined = retry_quarantined
        self.pruned = pruned_at(output) is not None
        self.listing = Listing(images, list(targets))

    def variant(self, variant_id: str, fingerprint: str, indices: Mapping[str, Class | None]) -> Committed:
        """Read what is committed of a variant, whose commits must carry the fingerprint.

        `indices` are the logit indices of named targets, two of a contrast, None for those that are found for
        each image.

        Raises:
            InputError: a commit was computed under another study, or for another class of a target's name.
        """
        paths = commit_paths(self.output, variant_id)
        part = _VariantScan(self, variant_id, fingerprint, indices)
        try:
            return part.read(paths)
        except (OSError, pa.ArrowException):  # one of them is cut short: find out which, and leave it out
            damaged = [DamagedCommit(path, _CUT_SHORT) for path in paths if not part.is_whole(path)]
            return part.read(sorted(set(paths) - {commit.path for commit in damaged}), damaged)

    def mark(self, rows: pa.Table, done: NDArray[np.bool_]) -> None:
        """Set the pairs of rows (a null target: all of an image), if the image is listed and unchanged."""
        keys = self.listing.keys(rows)
        done.reshape(-1)[keys[keys >= 0]] = True
        places = self.listing.places(rows.filter(pc.is_null(rows["target"])))
        done[places[places >= 0]] = True


@dataclass(frozen=True)
class _VariantScan:
    """One variant's part of a scan."""

    study: CommitScan
    variant_id: str
    fingerprint: str
    indices: Mapping[str, Class | None]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Sizes of the variant's data files, by path."""
        files = (self.study.output.files(kind, self.variant_id) for kind in DATA_KINDS)
        return {info.path: info.size for info in chain.from_iterable(files)}

    def read(self, paths: list[str], damaged: Sequence[DamagedCommit] = ()) -> Committed:
        """Mark the rows of commits, a bounded number of them at a time; `damaged` are left out already."""
        study, believed = self.study, dict[str, bool]()
        shape = (len(study.listing.image_ids), len(study.listing.targets))
        found = Committed(np.zeros(shape, dtype=bool), list(damaged))

        def trusted() -> Iterator[Found]:
            for path, batch in scan(study.output, paths, _SCANNED):
                if path not in believed:
                    believed[path] = self._trusts(path, batch.slice(0, 1).to_pylist()[0], found)
                if believed[path]:
                    yield path, batch.select([*_KEY, *_CLASSES])

        for parts in gathered(trusted(), ROWS_AT_A_TIME):
            rows = pa.Table.from_batches([batch for _, batch in parts])
            self._check_classes(rows)
            study.mark(rows, found.done)
        for path in set(paths) - set(believed):  # every image of such a shard is in quarantine
            commit = read_commit(study.output.filesystem, self.variant_id, path)
            sizes = {f"{kind}_bytes": commit.files.get(kind, {}).get("bytes") for kind in DATA_KINDS}
            facts = {"attempt": commit.attempt, "fingerprint": commit.fingerprint, **sizes}
            self._trusts(path, facts, found)
        return found

    def is_whole(self, path: str) -> bool:
        """Return whether a file is a whole commit."""
        try:
            read_commit(self.study.output.filesystem, self.variant_id, path)
            self.study.output.read_table(path, [name for name in _SCANNED.names if name != "other_index"])
        except (InputError, OSError, pa.ArrowException):
            return False
        return True

    def _trusts(self, path: str, facts: Mapping[str, Any], found: Committed) -> bool:
        """Check the record of a commit; take its rows of quarantine."""
        output = self.study.output
        shard, attempt = shard_of(path), facts["attempt"]
        if facts["fingerprint"] != self.fingerprint:
            raise InputError(
                f"{path}: was computed under another study (fingerprint {facts['fingerprint']}, this one is "
                f"{self.fingerprint}); choose another --out"
            )
        for kind in DATA_KINDS:
            expected = facts[f"{kind}_bytes"]
            data = output.data_path(kind, self.variant_id, shard, attempt)
            if kind == KIND and self.study.pruned and data not in self.sizes:
                continue  # deleted on purpose: the rows are there, and are not computed again
            if expected is not None and self.sizes.get(data) != expected:
                there = f"has {self.sizes[data]} bytes of {expected}" if data in self.sizes else "is gone"
                found.damaged.append(DamagedCommit(path, f"{data} {there}"))
                return False
        found.attempts.append(f"{shard}.{attempt}")
        if facts["quarantine_bytes"] is not None and not self.study.retry_quarantined:
            lost = output.data_path("quarantine", self.variant_id, shard, attempt)
            self.study.mark(output.read_table(lost, list(_KEY)), found.done)
        return True

    def _check_classes(self, rows: pa.Table) -> None:
        for target, index in self.indices.items():
            if index is None:
                continue
            first, other = index if isinstance(index, tuple) else (index, None)
            own = pc.field("other_index")
            unlike = own.is_valid() if other is None else ~pc.coalesce(own == other, False)
            others = rows.filter(
                (pc.field("target") == target) & ((pc.field("target_index") != first) | unlike)
            )
            if len(others):
                before = [others[name][0].as_py() for name in _CLASSES]
                now = _in_words(first, other)
                raise InputError(
                    f"{self.study.output.uri}: variant {self.variant_id}: target {target!r} was computed for "
                    f"class {_in_words(*before)}, the study now says {now}; choose another --out, or another "
                    "name for the target"
                )


def _in_words(first: int, other: int | None) -> str:
    return f"{first}" if other is None else f"{first} less class {other}"
