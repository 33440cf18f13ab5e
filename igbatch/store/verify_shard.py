"""Checks of one committed shard against its commit: its files, its rows, and the maps and boxes of these."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from igbatch.errors import InputError, one_line
from igbatch.statistics.image_stats import allowed_error
from igbatch.store import schemas
from igbatch.store.commit import COMMIT_KEY
from igbatch.store.encoding import RELATIVE_ERROR, stored_maps
from igbatch.store.output import DATA_KINDS, Output
from igbatch.store.pruned import KIND
from igbatch.store.rankings import RANKED, ranked_rows
from igbatch.store.removals import wrong_removals
from igbatch.store.verification import Problem
from igbatch.store.verify_regions import ShardRegions, kind_of, region_ends
from igbatch.store.verify_spread import other_spreads, wrong_spreads
from igbatch.store.verify_sums import wrong_sums

MAPS_AT_ONCE = 32
ROUNDING = 1e-9
"""Of sums in float64, relative to the map's absolute sum and its scores."""

_NUMBERS = (
    "score", "score_baseline", "minimum", "maximum", "sum", "abs_sum", "positive_sum", "negative_sum",
    "convergence_delta", "map_error", "converged",
)  # fmt: skip
_OWN = ("variant_id", "attempt", "fingerprint", *(f"{kind}_bytes" for kind in DATA_KINDS))
_KEPT = ("image_id", "target", "image_etag", "minimum", "maximum", "sum", "abs_sum", "steps", "converged")
ROWS = pa.schema(
    [*map(schemas.IMAGE_STATS.field, _KEPT), *(pa.field(name, pa.float64()) for name in ("error", "allowed"))]
)
_REGIONS = ("label_maps", *(f"patches.list.element.{name}" for name in ("size", "minimum", "maximum")))
_PLACE = ("image_id", "target", "target_index", "image_etag", "image_sha256", "steps", "spread")
_COLUMNS = (*_PLACE, *_NUMBERS, *_OWN)
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, pa.ArrowException)


@dataclass(frozen=True)
class Expected:
    """What every shard of a variant has to agree with.

    Attributes:
        variant_id: of the variant.
        fingerprint: digest of what decides its numbers; None where the study has none.
        tolerance: relative error that is allowed.
        atol: absolute error that is allowed.
        maps: `all`, `none` or `sample`.
        pruned: files of maps may be gone: they were deleted on purpose.
        model: the study's name of its model.
    """

    variant_id: str
    fingerprint: str | None
    tolerance: float
    atol: float
    maps: str
    pruned: bool = False
    model: str = ""


@dataclass
class ShardCheck:
    """The check of a committed shard and of the data files that it names; `run` finds the attributes.

    Attributes:
        output: where it lies.
        path: of its commit, below the output.
        expected: what its variant has to agree with.
        quick: leave out digests, the numbers of maps and the sum of histograms.
        attempt: that wrote it; "" where the commit cannot be read.
        rows: of its rows image_id, target, image_etag, minimum, maximum, sum, abs_sum, steps, converged, and
            what their maps are off by (error) and may be (allowed), in units of the output.
        ranked: those of its rows whose target follows from a ranking, as `rankings.RANKED`.
        quarantine: image_id, target and image_etag of its rows in quarantine.
        files: paths of data files that it names.
        size: bytes of all its files.
        maps: how many it keeps.
        pruned: files of maps that were deleted on purpose.
        problems: what is wrong with it.
        patch_ends: minimum and maximum of the regions of its rows, [2, rows] by size; empty where quick.
    """

    output: Output
    path: str
    expected: Expected
    quick: bool = False
    attempt: str = ""
    rows: pa.Table = field(default_factory=ROWS.empty_table)
    ranked: pa.Table = field(default_factory=RANKED.empty_table)
    quarantine: pa.Table | None = None
    files: set[str] = field(default_factory=set)
    size: int = 0
    maps: int = 0
    pruned: int = 0
    problems: list[Problem] = field(default_factory=list)
    patch_ends: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    def run(self) -> ShardCheck:
        """Read the shard and its files, and check them."""
        try:
            with self.output.filesystem.open_input_file(self.output.path(self.path)) as file:
                self.size += file.size()
                parquet = pq.ParquetFile(file)
                record = json.loads((parquet.schema_arrow.metadata or {})[COMMIT_KEY])
                named = {kind: dict(record["files"][kind]) for kind in DATA_KINDS if kind in record["files"]}
                rows = parquet.read([*_COLUMNS, *(() if self.quick else _REGIONS)])
                self.attempt = str(record["attempt"])
                row_count, fingerprint = int(record["rows"]), str(record["fingerprint"])
                wrong = "" if self.quick else wrong_sums(parquet)
        except _UNREADABLE as error:
            self._add("commit", self.path, f"not a whole commit of igbatch ({one_line(error, 200)})")
            return self
        self._check_record(rows, row_count, fingerprint, named)
        self._check_numbers(rows)
        self._spreads = rows["spread"].to_numpy() if "spread" in rows.column_names else None
        self.patch_ends = region_ends(rows)
        self._regions = ShardRegions(self.output, self.expected.model, rows)
        if wrong:
            self._add("numbers", self.path, wrong)
        self.ranked = ranked_rows(rows)
        keys = {place: row for row, place in enumerate(_pairs(rows))}
        if len(keys) < len(rows):
            self._add("twice", self.path, f"{len(rows) - len(keys)} of its rows are in it twice")
        for kind, entry in named.items():
            self.files.add(str(entry.get("path")))
            try:
                self._check_file(kind, entry, keys)
            except _UNREADABLE as error:
                self._add("file", str(entry.get("path")), f"cannot be read ({one_line(error, 200)})")
        if self.expected.maps == "all" and "attributions" not in named and len(rows):
            self._add("maps", self.path, f"none of its {len(rows)} maps is stored; store.maps is all")
        return self

    def _add(self, kind: str, where: str, what: str) -> None:
        problem = Problem(kind, where, what)
        if problem not in self.problems[-1:]:  # one file, and many maps that need it
            self.problems.append(problem)

    def _check_record(
        self, rows: pa.Table, row_count: int, fingerprint: str, named: dict[str, dict[str, Any]]
    ) -> None:
        expected = self.expected
        if row_count != len(rows):
            self._add("rows", self.path, f"holds {len(rows)} rows, its commit says {row_count}")
        if expected.fingerprint is not None and fingerprint != expected.fingerprint:
            what = f"was computed under {fingerprint}, the study is {expected.fingerprint}"
            self._add("fingerprint", self.path, what)
        sizes = [named.get(kind, {}).get("bytes") for kind in DATA_KINDS]
        own: tuple[Any, ...] = (expected.variant_id, self.attempt, fingerprint, *sizes)
        for name, value in zip(_OWN, own, strict=True):
            others = set(rows[name].unique().to_pylist()) - {value}
            if others:
                what = f"{name} is {others.pop()!r} in a row, its commit says {value!r}"
                self._add("column", self.path, what)

    def _check_numbers(self, rows: pa.Table) -> None:
        """Keep rows with what their maps are off by and may be (`statistics.image_stats.convergence`).

        Check that the numbers of each row fit each other.
        """
        of = {name: rows[name].to_numpy() for name in _NUMBERS}
        change = of["score"] - of["score_baseline"]
        slack = ROUNDING * (of["abs_sum"] + np.abs(of["score"]) + np.abs(of["score_baseline"]))
        error, allowed = allowed_error(of, self.expected.tolerance, self.expected.atol)
        kept = [rows[name].combine_chunks() for name in _KEPT]
        self.rows = pa.table([*kept, pa.array(error), pa.array(allowed)], schema=ROWS)
        misses = {
            "convergence_delta is not sum - (score - score_baseline)": (
                of["sum"] - change - of["convergence_delta"]
            ),
            "sum is not positive_sum + negative_sum": of["positive_sum"] + of["negative_sum"] - of["sum"],
            "abs_sum is not positive_sum - negative_sum": (
                of["positive_sum"] - of["negative_sum"] - of["abs_sum"]
            ),
        }
        holds = {what: np.abs(miss) <= slack for what, miss in misses.items()} | {
            "minimum is larger than maximum": of["minimum"] <= of["maximum"],
            "converged is true, but its numbers say that it has not": (
                ~of["converged"] | (error <= allowed + slack)
            ),
            "converged is false, but its numbers say that it has": (
                of["converged"] | ~(error < allowed - slack)
            ),
        }
        for what, fits in holds.items():
            for row in np.flatnonzero(~fits):
                self._add("numbers", self._name(row), what)

    def _check_file(self, kind: str, entry: dict[str, Any], keys: dict[tuple[str, str], int]) -> None:
        path = str(entry["path"])
        info = self.output.filesystem.get_file_info(self.output.path(path))
        if info.type != fs.FileType.File:
            if kind == KIND and self.expected.pruned:
                self.pruned += 1
            else:
                self._add("file", path, "is missing")
            return
        self.size += info.size
        if info.size != entry["bytes"]:
            self._add("file", path, f"has {info.size} bytes, its commit says {entry['bytes']}")
            return
        with self.output.filesystem.open_input_file(info.path) as file:
            if not self.quick and hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                self._add("file", path, "its content has changed: another SHA-256 than its commit says")
                return
            parquet = pq.ParquetFile(file)
            if parquet.metadata.num_rows != entry["rows"]:
                what = f"holds {parquet.metadata.num_rows} rows, its commit says {entry['rows']}"
                self._add("rows", path, what)
            if kind == "quarantine":
                self.quarantine = parquet.read(["image_id", "target", "image_etag"])
            elif kind == "box_stats":
                self._check_boxes(path, parquet, keys)
            else:
                self._check_maps(path, parquet, keys)

    def _check_boxes(self, path: str, parquet: pq.ParquetFile, keys: dict[tuple[str, str], int]) -> None:
        for wrong in filter(None, (wrong_removals(parquet), wrong_spreads(parquet))):
            self._add("boxes", path, wrong)
        table = parquet.read(["image_id", "target", "box_id"])
        strange = sum(place not in keys for place in _pairs(table))
        if strange:
            self._add("boxes", path, f"{strange} of its rows belong to no row of {self.path}")
        twice = len(table) - len(table.group_by(table.column_names).aggregate([]))
        if twice:
            self._add("boxes", path, f"{twice} of its rows are in it twice")

    def _check_maps(self, path: str, parquet: pq.ParquetFile, keys: dict[tuple[str, str], int]) -> None:
        self.maps = parquet.metadata.num_rows
        if self.expected.maps == "none":
            self._add("maps", path, f"{self.maps} maps are stored; store.maps is none")
        stored: set[tuple[str, str]] = set()
        whole = not self.quick and self.maps > 0
        names = [name for name in parquet.schema_arrow.names if whole or name in ("image_id", "target")]
        for batch in parquet.iter_batches(MAPS_AT_ONCE if whole else 1 << 16, columns=names):
            places = list(_pairs(batch))
            for place in places:
                if place not in keys:
                    self._add("maps", path, f"holds a map of {'/'.join(place)}, a row that it does not have")
                elif place in stored:
                    self._add("maps", path, f"holds the map of {'/'.join(place)} twice")
                stored.add(place)
            if whole:
                of = np.array([keys.get(place, -1) for place in places])
                self._compare_maps(pa.Table.from_batches([batch]), of)
        if self.expected.maps == "all":
            for place, row in keys.items():
                if place not in stored:
                    self._add("maps", self._name(row), f"its map is missing in {path}")

    def _compare_maps(self, table: pa.Table, of: NDArray[np.int64]) -> None:
        """Compare extremes and sums of maps, and extremes of their patches, with those in their rows."""
        table, of = table.filter(pa.array(of >= 0)), of[of >= 0]
        if not len(table):
            return
        maps = stored_maps(table).astype(np.float64)
        if "spread" in table.column_names and self._spreads is not None:
            for row in of[other_spreads(table, self._spreads[of])]:
                self._add("numbers", self._name(row), "spread is another than its deviations say")
        stated = {name: self.rows[name].to_numpy()[of] for name in ("minimum", "maximum", "sum", "abs_sum")}
        rough = RELATIVE_ERROR * np.abs(maps).max(axis=(1, 2)) if "scale" in table.column_names else 0.0
        seen = {
            "minimum": (maps.min(axis=(1, 2)), rough),
            "maximum": (maps.max(axis=(1, 2)), rough),
            "sum": (maps.sum(axis=(1, 2)), maps[0].size * rough + 1e-6 * stated["abs_sum"]),
        }
        image_ids = self.rows["image_id"].take(pa.array(of)).to_pylist()
        for size, ends in self.patch_ends.items():
            try:
                cut = self._regions.partitions(size, image_ids)
                sums = [regions.sums(each) for regions, each in zip(cut, maps, strict=True)]
            except (InputError, KeyError, ValueError) as error:
                self._add("regions", self.path, one_line(error, 200))
                continue
            exact = np.array([regions.largest for regions in cut]) * rough + 1e-6 * stated["abs_sum"]
            for name, end, extreme in (("minimum", ends[0], np.min), ("maximum", ends[1], np.max)):
                stated[f"{name} of {kind_of(size)}"] = end[of]
                seen[f"{name} of {kind_of(size)}"] = (np.array([extreme(each) for each in sums]), exact)
        for name, (value, slack) in seen.items():
            for index in np.flatnonzero(~(np.abs(value - stated[name]) <= slack)):
                what = f"{name} is {stated[name][index]:.6g}, its map says {value[index]:.6g}"
                self._add("numbers", self._name(of[index]), what)

    def _name(self, row: int | np.integer[Any]) -> str:
        place = (self.rows[name][int(row)].as_py() for name in ("image_id", "target"))
        return "/".join([self.expected.variant_id, *place])


def _pairs(table: pa.Table | pa.RecordBatch) -> Iterator[tuple[str, str]]:
    return zip(table["image_id"].to_pylist(), table["target"].to_pylist(), strict=True)
