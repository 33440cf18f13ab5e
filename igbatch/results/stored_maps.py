"""Reads the stored maps of many images of one variant, file by file, one row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from igbatch.errors import InputError
from igbatch.store.encoding import stored_maps
from igbatch.store.pruned import KIND
from igbatch.store.reader import Reader
from igbatch.store_errors import UNREADABLE, is_damage

StoredMap = tuple[str, str, NDArray[np.float32]]
"""An image's id, a target, and the map: float32 [H, W], in units of the output."""


def maps_of(reader: Reader, variant_id: str, image_ids: Sequence[str]) -> Iterator[StoredMap]:
    """Yield the stored maps of a variant on some images, in any order; those of a row group are held.

    Raises:
        InputError: a file of maps is gone or damaged.
    """
    index, width = reader.row_index_of(variant_id, image_ids), len(reader.target_names)
    places = np.unique(index.listing.places_of(image_ids))
    keys = (places[places >= 0][:, None] * width + np.arange(width)).ravel()
    for position, held in index.keys_by_file(keys).items():
        file = index.files[position]
        path = reader.output.data_path(KIND, variant_id, file.shard, file.attempt)
        pruned = reader.pruned_at and not reader.output.exists(path)
        if file.sizes[KIND] is None or pruned:
            continue
        part, among = index.listing.part(held)
        try:
            with reader.output.filesystem.open_input_file(path) as source:
                maps = pq.ParquetFile(source)
                for group in range(maps.num_row_groups):
                    current = among[part.keys(maps.read_row_group(group, ["image_id", "target"]))]
                    if current.any():
                        rows = maps.read_row_group(group).filter(current)
                        names = (rows[name].to_pylist() for name in ("image_id", "target"))
                        yield from zip(*names, stored_maps(rows), strict=True)
        except UNREADABLE as error:
            gone = isinstance(error, FileNotFoundError)
            if not gone and not is_damage(error):
                raise
            what = "is gone" if gone else "cannot be read"
            raise InputError(f"{path}: a file of maps {what}; `igbatch verify` says what is lost") from error
