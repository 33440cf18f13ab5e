"""Reading an output: committed shards only, and of these only the rows that the study still lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.store import schemas
from igbatch.store.commits import commit_paths, commits_at, latest, read_commits
from igbatch.store.encoding import stored_maps
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output
from igbatch.store.provenance import made_from
from igbatch.store.pruned import KIND, pruned_at
from igbatch.store.scan import gathered, scan
from igbatch.store.shards import ShardSpans, read_shards, shard_of
from igbatch.store.study_lists import StudyLists
from igbatch.store.winners import FEW, ROWS_AT_ONCE, Chunk, CommittedFile, Winners

KEY = ("variant_id", "image_id", "target")
ATTEMPT = pa.field("attempt", pa.string())
KEPT_KEYS = 1 << 26
"""Keys whose files are kept, of all variants together: 256 MiB. Of variants that were not asked for lately
they are found again by another scan."""


class Reader(StudyLists):
    """The committed rows of an output, read when they are asked for.

    Raises:
        InputError: there is no study at this place.
    """

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._winners: dict[str, Winners] = {}
        self._few: dict[str, tuple[NDArray[np.int64], Winners]] = {}  # places, and what is known of these

    @cached_property
    def pruned_at(self) -> str | None:
        """When maps were deleted on purpose (UTC), None where they were not."""
        return pruned_at(self.output)

    def winners(self, variant_id: str) -> Winners:
        """Return which rows of a variant count: a scan at first (1 us a row), 4 bytes a row from then on.

        Raises:
            InputError: a file is no whole commit of igbatch.
        """
        if variant_id not in self._winners:
            for _ in self.claims(variant_id):
                pass
        self._winners[variant_id] = found = self._winners.pop(variant_id)  # the last one asked for
        while len(self._winners) > 1 and len(self._winners) * (self.listing.size + 1) > KEPT_KEYS:
            del self._winners[next(iter(self._winners))]
        return found

    def winners_of(self, variant_id: str, image_ids: Sequence[str]) -> Winners:
        """Return which rows of some images of a variant count; its `listing` may be of these images alone.

        Of few images among many only the files are read that may hold them, by the last reduction
        (`ShardSpans`): those that it did not see are read as well, so that the same rows count as by
        `winners`.

        Raises:
            InputError: a file is no whole commit of igbatch.
        """
        places = np.unique(self.listing.places_of(image_ids))
        places = places[places >= 0]
        many = len(places) * FEW > len(self.listing.image_ids)
        if variant_id in self._winners or many or self._spans is None:
            return self.winners(variant_id)
        known, winners = self._few.get(variant_id, (places[:0], None))
        if winners is None or not np.isin(places, known).all():
            listing = self.listing.only(places)
            winners = Winners(listing, self._asked(variant_id, listing))
            paths = self._spans.holding(variant_id, places, commit_paths(self.output, variant_id))
            where = pc.field("image_id").isin(listing.image_ids)
            for _ in self._scanned(winners, variant_id, paths, where=where):
                pass
            self._few[variant_id] = places, winners
        return winners

    @cached_property
    def _spans(self) -> ShardSpans | None:
        table = read_shards(self.output)
        return None if table is None else ShardSpans.of(table, self.listing_digest)

    @cached_property
    def state(self) -> str:
        """A digest of what a reduction follows from: what the study lists, and the committed shards."""
        shards = {each: sorted(map(shard_of, commit_paths(self.output, each))) for each in self.variant_ids}
        return digest([self.listing_digest, shards])

    def reduced(self, table: str) -> bool:
        """Tell whether a table of the reduction is there, and was made from what is committed now."""
        return made_from(self.output, table) == self.state

    def _scanned(
        self, winners: Winners, variant_id: str, paths: Sequence[str], *args: Any, **how: Any
    ) -> Iterator[Chunk]:
        try:
            yield from winners.scan(self.output, paths, *args, **how)
        except (OSError, pa.ArrowException):
            read_commits(self.output, [variant_id])  # names the damaged file
            raise

    def claims(self, variant_id: str, columns: Sequence[str] = ()) -> Iterator[Chunk]:
        """Scan all committed rows of a variant once, some at a time; `winners` knows them from then on.

        Raises:
            InputError: a file is no whole commit of igbatch.
        """
        winners = Winners(self.listing, self._asked(variant_id))
        yield from self._scanned(winners, variant_id, commit_paths(self.output, variant_id), columns)
        self._winners[variant_id] = winners

    def batches(self, columns: Sequence[str], variant_id: str) -> Iterator[pa.RecordBatch]:
        """Yield columns of the rows of a variant that count, some thousand rows at a time, in any order."""
        winners = self.winners(variant_id)
        whole, counting = winners.whole(), winners.counting()
        schema = pa.schema([schemas.IMAGE_STATS.field(name) for name in columns])
        every = [file.path for file, all_count in zip(winners.files, whole, strict=True) if all_count]
        for _, batch in scan(self.output, every, schema):
            yield batch
        some = np.flatnonzero(~whole & (counting > 0))
        yield from self.counting_rows(columns, winners, some)

    def counting_rows(
        self, columns: Sequence[str], winners: Winners, files: Iterable[int]
    ) -> Iterator[pa.RecordBatch]:
        """Yield columns of the rows that count of some files (positions in `winners.files`)."""
        names = dict.fromkeys([*columns, "image_id", "target", "image_etag"])
        schema = pa.schema([schemas.IMAGE_STATS.field(name) for name in names])
        held = {winners.files[file].path: keys for file, keys in winners.held_by(files).items()}
        parts = {}
        for path, batch in scan(self.output, [path for path, keys in held.items() if len(keys)], schema):
            if path not in parts:
                parts = {path: winners.listing.part(held[path])}  # batches come file by file
            listing, among = parts[path]
            counts = among[listing.keys(pa.Table.from_batches([batch]))]
            yield batch.filter(pa.array(counts)).select(list(columns))

    def image_stats(self, columns: Sequence[str] | None = None, variant_id: str | None = None) -> pa.Table:
        """Read one row per variant, image and target: `schemas.IMAGE_STATS`, of all variants or of one.

        Rows are in the order of `KEY`. It holds all of them at once; `batches` does not.
        """
        wanted = list(columns or schemas.IMAGE_STATS.names)
        names = list(dict.fromkeys([*KEY, *wanted]))
        schema = pa.schema([schemas.IMAGE_STATS.field(name) for name in names])
        found = (batch for each in self._chosen(variant_id) for batch in self.batches(names, each))
        return _sorted(pa.Table.from_batches(found, schema), KEY).select(wanted)

    def rows_of(
        self, image_ids: Sequence[str], columns: Sequence[str] | None = None, variant_id: str | None = None
    ) -> pa.Table:
        """Read the rows of some images, of all variants or of one, from the few files that hold them.

        Which rows count is what `winners_of` finds. They are in the order of `KEY`. It holds them and a few
        row groups at a time.
        """
        return self._rows_of("image_stats", schemas.IMAGE_STATS, KEY, image_ids, columns, variant_id)

    def boxes_of(
        self, image_ids: Sequence[str], columns: Sequence[str] | None = None, variant_id: str | None = None
    ) -> pa.Table:
        """Read the rows of `box_stats` of some images as `rows_of` does, in the order of `box_stats`."""
        key = (*KEY, "box_id")
        return self._rows_of("box_stats", schemas.BOX_STATS, key, image_ids, columns, variant_id)

    def keyed_boxes(
        self, columns: Sequence[str], variant_id: str
    ) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
        """Yield columns of the rows of `box_stats` of a variant that count, after the key of each row.

        They come some at a time, in any order; a key stands for an image and a target (see `Winners`).
        """
        winners = self.winners(variant_id)
        paths = {
            self._data_path("box_stats", variant_id, file): position
            for position, file in enumerate(winners.files)
            if file.sizes["box_stats"] is not None
        }
        names = dict.fromkeys([*columns, "image_id", "target"])
        schema = pa.schema([schemas.BOX_STATS.field(name) for name in names])
        for found in gathered(scan(self.output, list(paths), schema), ROWS_AT_ONCE):
            rows = pa.Table.from_batches([batch for _, batch in found])
            owners = np.repeat([paths[path] for path, _ in found], [len(batch) for _, batch in found])
            keys = self.listing.keys(rows)
            counts = winners.owner[keys] == owners
            yield keys[counts], rows.filter(pa.array(counts)).select(list(columns))

    def box_stats(self, variant_id: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one row per variant, image, target and box: `schemas.BOX_STATS`, of all variants or of one.

        The boxes of a map come from the attempt that its row of `image_stats` comes from. Rows are in the
        order of `KEY` and the box's id. It holds all of them at once; `keyed_boxes` does not.
        """
        wanted = list(columns or schemas.BOX_STATS.names)
        names = list(dict.fromkeys([*KEY, "box_id", *wanted]))
        tables = [pa.schema([schemas.BOX_STATS.field(name) for name in names]).empty_table()]
        tables += [rows for each in self._chosen(variant_id) for _, rows in self.keyed_boxes(names, each)]
        return _sorted(pa.concat_tables(tables), (*KEY, "box_id")).select(wanted)

    def quarantine(self) -> pa.Table:
        """Read what is missing and why: `schemas.QUARANTINE`; a null target stands for all of them.

        What was quarantined and computed later, for instance after `--retry-quarantined`, is not listed.
        """
        tables = [self.quarantine_of(each) for each in sorted(self.variant_ids)]
        table = pa.concat_tables([schemas.QUARANTINE.empty_table(), *tables])
        named = pc.is_valid(table["target"])
        return pa.concat_tables([table.filter(pc.invert(named)), table.filter(named)])

    def quarantine_of(self, variant_id: str) -> pa.Table:
        """Read what is missing of one variant, as `quarantine` does, in the order of image and target."""
        rows = self._quarantined(variant_id)
        return latest(rows, KEY).select(schemas.QUARANTINE.names)

    def attribution(self, variant_id: str, image_id: str, target: str) -> np.ndarray:
        """Read one stored map: float32 [height, width], in units of the output, whatever its encoding.

        The first call looks for the image's rows (see `winners_of`); a call then reads one row group.

        Raises:
            KeyError: there is no such map; the message says what is missing.
            InputError: the file that holds it is gone or damaged.
        """
        known = variant_id in self.variant_ids
        file = self.winners_of(variant_id, [image_id]).file_of(image_id, target) if known else None
        if file is not None and file.sizes["attributions"] is not None:
            if self.pruned_at and not self.output.exists(self._data_path(KIND, variant_id, file)):
                raise KeyError(
                    f"no map of variant {variant_id!r}, image {image_id!r}, target {target!r} in "
                    f"{self.output.uri}: maps were pruned on {self.pruned_at}; their statistics are there"
                )
            path = self._data_path(KIND, variant_id, file)
            try:
                found = pq.read_table(
                    path,
                    filters=(pc.field("image_id") == image_id) & (pc.field("target") == target),
                    filesystem=self.output.filesystem,
                    partitioning=None,
                )
            except (FileNotFoundError, pa.ArrowException) as error:
                what = "is gone" if isinstance(error, FileNotFoundError) else "cannot be read"
                raise InputError(
                    f"{path}: a file of maps {what}; `igbatch verify` says what is lost"
                ) from error
            if len(found):
                array: np.ndarray = stored_maps(found)[0]
                return array
        raise KeyError(
            f"no map of variant {variant_id!r}, image {image_id!r}, target {target!r} in {self.output.uri}: "
            "it is not in the study, not computed yet, quarantined, or not kept (`store.maps`)"
        )

    def _rows_of(
        self,
        kind: str,
        schema: pa.Schema,
        key: Sequence[str],
        image_ids: Sequence[str],
        columns: Sequence[str] | None,
        variant_id: str | None,
    ) -> pa.Table:
        """Read the rows of some images that count, their ids being looked for in the files that hold any."""
        wanted = list(columns or schema.names)
        names = dict.fromkeys([*key, *wanted, *(["image_etag"] if kind == "image_stats" else [])])
        schema = pa.schema([schema.field(name) for name in names])
        tables = [schema.empty_table()]
        for each in self._chosen(variant_id):
            winners = self.winners_of(each, image_ids)
            listing, width = winners.listing, len(self.target_names)
            places = listing.places_of(image_ids)
            keys = (np.unique(places[places >= 0])[:, None] * width + np.arange(width)).ravel()
            among = listing.image_ids.take(pa.array(np.unique(keys // width)))
            held: dict[str, NDArray[np.int64]] = {}
            for owner in np.unique(winners.owner[keys][winners.owner[keys] >= 0]).tolist():
                file = winners.files[owner]
                if kind == "image_stats":
                    held[file.path] = keys[winners.owner[keys] == owner]
                elif file.sizes[kind] is not None:
                    held[self._data_path(kind, each, file)] = keys[winners.owner[keys] == owner]
            for path, batch in scan(self.output, list(held), schema, pc.field("image_id").isin(among)):
                part, counted = listing.part(held[path])
                counts = counted[part.keys(pa.Table.from_batches([batch]))]
                tables.append(pa.Table.from_batches([batch.filter(pa.array(counts))]))
        return _sorted(pa.concat_tables(tables), key).select(wanted)

    def _chosen(self, variant_id: str | None) -> list[str]:
        return [each for each in self.variant_ids if variant_id in (None, each)]

    def _data_path(self, kind: str, variant_id: str, file: CommittedFile) -> str:
        return self.output.data_path(kind, variant_id, file.shard, file.attempt)

    def _quarantine_files(self, variant_id: str) -> dict[str, str]:
        """Return the paths of a variant's quarantine that commits name, and their attempts."""
        names = {
            info.path: tuple(info.base_name.removesuffix(".parquet").rsplit(".", 1))
            for info in self.output.files("quarantine", variant_id)
        }
        wanted = {f"{shard}.parquet" for shard, *_ in names.values()}
        paths = [path for path in commit_paths(self.output, variant_id) if path.rsplit("/", 1)[-1] in wanted]
        commits = {(commit.shard, commit.attempt) for commit in commits_at(self.output, variant_id, paths)}
        return {path: name[-1] for path, name in names.items() if name in commits}

    def _quarantined(self, variant_id: str) -> pa.Table:
        """Read the listed rows of a variant's quarantine that were not computed since, and their attempts."""
        attempts = self._quarantine_files(variant_id)
        found = list(scan(self.output, list(attempts), schemas.QUARANTINE))
        rows = pa.Table.from_batches([batch for _, batch in found], schemas.QUARANTINE)
        named_by = [attempts[path] for path, batch in found for _ in range(len(batch))]
        rows = rows.append_column(ATTEMPT, pa.array(named_by, pa.string()))
        if not len(rows):
            return rows
        winners = self.winners_of(variant_id, rows["image_id"].unique().to_pylist())
        listing, asked = winners.listing, self._asked(variant_id, winners.listing)
        places, keys = listing.places(rows), listing.keys(rows)
        of_all = pc.is_null(rows["target"]).to_numpy()
        untouched = np.append(~winners.images, True)  # the last stands for images not listed
        missing = np.where(of_all, untouched[places], winners.owner[keys] < 0)
        listed = np.where(of_all, places, keys) >= 0
        if asked is not None:
            listed &= np.append(asked, False)[places]  # likewise
        return rows.filter(pa.array(listed & missing))


def _sorted(table: pa.Table, key: Sequence[str]) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in key])
