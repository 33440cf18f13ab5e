"""Verification of an output: each row is there once, files match their commits, numbers agree.

Maps that have not converged are counted apart from damage: they follow from the study's settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.store import provenance
from igbatch.store.fingerprint import digest
from igbatch.store.output import DATA_KINDS, Output
from igbatch.store.pruned import pruned_at
from igbatch.store.rankings import misranked, stored_rankings
from igbatch.store.reader import Reader
from igbatch.store.verification import MAX_NAMED, Problem, Unconverged, Verification
from igbatch.store.verify_regions import kind_of
from igbatch.store.verify_shard import ROWS, Expected, ShardCheck

THREADS = 8
LOST_NAMED = 1000
"""So many images of a variant without a row are named one by one."""

_Range = dict[str, Any]
"""Of some maps, as `ranges.parquet` should have it: minimum, maximum, n_maps, complete."""
_Ranges = dict[tuple[str, str | None, str], _Range]
"""By scope, variant and contrast: "" for classes."""


def verify(output: Output, *, quick: bool = False) -> Verification:
    """Check everything that an output holds; memory grows with the rows of one variant.

    Args:
        output: of a study.
        quick: leave out digests, maps and histograms, that is, read footers and other statistics only.

    Raises:
        InputError: there is no study at this place, or its own tables cannot be read.
    """
    reader = Reader(output)
    study = reader.record
    try:
        images = output.read_table(output.path("images.parquet"), ["image_id", "etag"])
        variants = reader.variants.select(["variant_id", "model"]).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{output.uri}: the study's list cannot be read ({error}); run it again") from None
    found = Verification(allowance=study["study"].get("quarantine", {}).get("allowance"))
    models = {} if quick else study.get("models", {})
    rankings = {name: stored_rankings(output, name, models[name], found.problems) for name in models}
    named, ranges = set[str](), _Ranges()
    for row in variants:
        part = _Variant(reader, images, row, found)
        named |= part.check(quick, rankings.get(row["model"]))
        ranges |= {("variant", row["variant_id"], family): each for family, each in part.ranges.items()}
    _check_ranges(reader, ranges, found)
    for kind in DATA_KINDS:
        found.leftovers += sum(output.relative(info.path) not in named for info in output.files(kind))
    return found


class _Variant:
    """The check of one variant, which adds to a `Verification` what it finds."""

    def __init__(
        self, reader: Reader, images: pa.Table, variant: Mapping[str, str], found: Verification
    ) -> None:
        variant_id = variant["variant_id"]
        self.output, self.targets, self.families = reader.output, reader.target_names, reader.families
        self.images = images
        self.required = reader.expected(variant_id)
        self.found = found
        self.ranges: dict[str, _Range] = {}
        study = reader.record
        settings = study["fingerprint"].get(variant_id)
        decisive = settings or study["study"]["attribution"]
        maps = study["study"]["store"]["maps"]
        self.expected = Expected(
            variant_id,
            digest(settings) if settings is not None else None,
            decisive["tolerance"],
            decisive["atol"],
            maps if isinstance(maps, str) else "sample",
            pruned_at(self.output) is not None,
            variant["model"],
        )

    def check(self, quick: bool, rankings: pa.Table | None) -> set[str]:
        """Check the shards, then whether every row is there once; return the data files that they name.

        `rankings` are those by the variant's model, as far as they are stored and read.
        """
        if self.expected.fingerprint is None:
            self._add("fingerprint", "study.json", f"says nothing of variant {self.expected.variant_id}")
        checks = [
            ShardCheck(self.output, self.output.relative(info.path), self.expected, quick)
            for info in self.output.files("image_stats", self.expected.variant_id)
            if not info.base_name.startswith(".")
        ]
        with ThreadPoolExecutor(THREADS) as pool:
            shards = list(pool.map(ShardCheck.run, checks))
        self.found.shards += len(shards)
        for shard in shards:
            self.found.problems += shard.problems
            self.found.maps += shard.maps
            self.found.pruned += shard.pruned
            self.found.size += shard.size
        self._check_rows([shard for shard in shards if shard.attempt])
        if rankings is not None and shards:
            for row, ranked in misranked(pa.concat_tables([shard.ranked for shard in shards]), rankings):
                name = "/".join([self.expected.variant_id, row["image_id"], row["target"]])
                what = f"explains class {row['target_index']}, its image's ranking says {ranked}"
                self._add("ranking", name, what)
        return set().union(*(shard.files for shard in shards))

    def _check_rows(self, shards: Sequence[ShardCheck]) -> None:
        width = len(self.targets)
        expected = int(np.count_nonzero(self.required)) * width
        rows = pa.concat_tables([ROWS.empty_table(), *(shard.rows for shard in shards)])
        attempts = np.unique([shard.attempt for shard in shards], return_inverse=True)[1]
        of = np.repeat(attempts, np.array([len(shard.rows) for shard in shards], dtype=np.int64))
        keys = self._keys(rows)
        order = np.lexsort((of, keys))
        order = order[keys[order] >= 0]
        last = np.append(np.diff(keys[order]) > 0, True)[: len(order)]
        for row in order[:-1][~last[:-1] & (np.diff(of[order]) == 0)]:
            self._add("twice", self._name(keys[row]), "two rows of the same attempt")
        current = order[last]
        self.found.expected += expected
        self.found.unlisted += len(keys) - len(order)
        self.found.superseded += len(order) - len(current)
        self.found.committed += len(current)
        for family, targets in self.families.items():
            own = current[np.isin(keys[current] % width, [self.targets.index(name) for name in targets])]
            if len(own):
                self.ranges[family] = {
                    "minimum": rows["minimum"].to_numpy()[own].min(),
                    "maximum": rows["maximum"].to_numpy()[own].max(),
                    "n_maps": len(own),
                    "complete": len(own) == expected * len(targets) // width,
                    **_patch_ends([shard.patch_ends for shard in shards if len(shard.rows)], own),
                }
        if len(current):
            self._add_unconverged(rows, current)
        latest = np.full(self.required.size * width, -1)
        locked = np.zeros(latest.shape, dtype=bool)
        latest[keys[current]] = of[current]
        for shard, attempt in zip(shards, attempts, strict=True):
            if shard.quarantine is None:
                continue
            held = self._quarantined(shard.quarantine)
            locked[held] = True
            for key in held[latest[held] == attempt]:
                self._add("twice", self._name(key), "it is in quarantine and a row of the same attempt")
        self.found.quarantined += int((locked & (latest < 0)).sum())
        self._add_lost(((latest < 0) & ~locked).reshape(-1, width) & self.required[:, None])

    def _add_unconverged(self, rows: pa.Table, current: NDArray[np.int64]) -> None:
        """Count the maps that have not converged among current rows, and name those furthest off."""
        off = current[~rows["converged"].to_numpy()[current]]
        error, allowed = (rows[name].to_numpy()[off] for name in ("error", "allowed"))
        furthest = np.argsort(-error / np.maximum(allowed, 1e-300), kind="stable")[:MAX_NAMED]
        columns = ("image_id", "target", "steps", "error", "allowed")
        named = rows.select(columns).take(off[furthest]).to_pylist()
        self.found.add_unconverged(
            len(off), [Unconverged(variant_id=self.expected.variant_id, **row) for row in named]
        )

    def _keys(self, table: pa.Table) -> NDArray[np.int64]:
        """Return image position times targets plus target position of each row, -1 where it is not listed."""
        places = self._places(table)
        targets = pc.index_in(table["target"], pa.array(self.targets, pa.string()))
        columns = pc.fill_null(targets, -1).to_numpy()
        return np.where((places >= 0) & (columns >= 0), places * len(self.targets) + columns, -1)

    def _places(self, table: pa.Table) -> NDArray[np.int64]:
        """Return the position of each row's image, -1 where it is not listed so, or not for this variant."""
        found = pc.index_in(table["image_id"], self.images["image_id"])
        etags = self.images["etag"].take(found.combine_chunks())
        same = pc.fill_null(pc.equal(etags, table["image_etag"]), False).to_numpy()
        places: NDArray[np.int64] = pc.fill_null(found, -1).to_numpy().astype(np.int64)
        return np.where(same & np.append(self.required, False)[places], places, -1)

    def _quarantined(self, table: pa.Table) -> NDArray[np.int64]:
        """Return the keys of rows of a quarantine; a null target stands for all of them."""
        places, width, keys = self._places(table), len(self.targets), self._keys(table)
        whole = places[pc.is_null(table["target"]).to_numpy() & (places >= 0)]
        every = (whole[:, None] * width + np.arange(width)).ravel()
        return np.unique(np.concatenate([every, keys[keys >= 0]]))

    def _add_lost(self, lost: NDArray[np.bool_]) -> None:
        """Name images that lack a row, with the targets that they lack."""
        images = np.flatnonzero(lost.any(axis=1))
        for image in images[:LOST_NAMED]:
            targets = ", ".join(self.targets[column] for column in np.flatnonzero(lost[image]))
            name = f"{self.expected.variant_id}/{self.images['image_id'][int(image)].as_py()}"
            self._add("lost", name, f"neither committed nor in quarantine: {targets}; run the study again")
        if len(images) > LOST_NAMED:
            more = f"and {len(images) - LOST_NAMED} more images without a row"
            self._add("lost", self.expected.variant_id, more)

    def _name(self, key: int) -> str:
        image, target = divmod(int(key), len(self.targets))
        return "/".join(
            [self.expected.variant_id, self.images["image_id"][image].as_py(), self.targets[target]]
        )

    def _add(self, kind: str, where: str, what: str) -> None:
        self.found.problems.append(Problem(kind, where, what))


def _check_ranges(reader: Reader, ranges: _Ranges, found: Verification) -> None:
    """Compare `ranges.parquet`, where it is there, with the `ranges` of the current rows.

    The tables beside it must come from these rows (`provenance`), and all that a run noted must be there.
    """
    output, name, differences = reader.output, "ranges.parquet", list[str]()
    faults = dict(provenance.faults(output, reader.state))
    with suppress(ValueError):
        noted = output.read_json(output.path("derived.json"))
        for table in noted.get("tables", ()) if isinstance(noted, dict) else ():
            if not output.exists(output.path(f"{table}.parquet")):
                faults.setdefault(f"{table}.parquet", "missing, and the study was reduced")
    if output.exists(output.path(name)):
        try:
            rows = [_stated(row) for row in output.read_table(output.path(name)).to_pylist()]
            differences = list(_differences(rows, ranges, _shares(reader, found.expected)))
        except (OSError, pa.ArrowException) as error:
            faults.setdefault(name, f"cannot be read ({error})")
    for path, what in [*faults.items(), *((name, each) for each in differences)]:
        found.problems.append(Problem("ranges", path, f"{what}; reduce the study again"))


def _patch_ends(shards: Sequence[dict[int, NDArray[np.float64]]], current: NDArray[np.int64]) -> _Range:
    """Return the extremes of the patches of current rows, of those sizes that all shards have."""
    found = {}
    for size in sorted(set.intersection(*map(set, shards))) if shards else ():
        ends = np.concatenate([shard[size] for shard in shards], axis=1)[:, current]
        found[f"minimum of {kind_of(size)}"] = ends[0].min()
        found[f"maximum of {kind_of(size)}"] = ends[1].max()
    return found


def _stated(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `ranges.parquet` with the extremes of its patches beside its own."""
    ends = {
        f"{extreme} of {kind_of(each['size'])}": each[extreme]
        for each in row.get("patches") or ()
        for extreme in ("minimum", "maximum")
    }
    return row | ends


def _shares(reader: Reader, expected: int) -> dict[str, int]:
    """Return how many of the expected maps are of classes, and of each contrast."""
    width = len(reader.target_names)
    return {family: expected * len(targets) // width for family, targets in reader.families.items()}


def _differences(stated: list[dict[str, Any]], ranges: _Ranges, expected: Mapping[str, int]) -> Iterator[str]:
    true = dict(ranges)
    for family in dict.fromkeys(family for _, _, family in ranges):
        own = [each for (_, _, of), each in ranges.items() if of == family]
        maps = sum(each["n_maps"] for each in own)
        whole = {"n_maps": maps, "complete": maps == expected[family]}
        for extreme, of in (("minimum", min), ("maximum", max)):
            for name in sorted(name for name in set.intersection(*map(set, own)) if name.startswith(extreme)):
                whole[name] = of(each[name] for each in own)
        true["dataset", None, family] = whole
    by_scope = {(row["scope"], row["variant_id"], row.get("target") or ""): row for row in stated}
    for key in sorted({*true, *by_scope}, key=str):
        scope = " ".join(filter(None, key))
        if key not in true or key not in by_scope:
            yield f"{scope}: {'no row has it' if key not in true else 'it has no range'}"
            continue
        for name, value in true[key].items():
            if by_scope[key].get(name) != value:
                yield f"{scope}: {name} is {by_scope[key].get(name)}, the rows say {value}"
