"""Label maps of images: which superpixel or object each pixel is in; once an image, not once a variant.

`label_maps/<model>/<digest>.parquet` holds those of the images of one shard; rows of `image_stats` name the
digest. It is of all that decides them: the images with their etags, the model's preprocessing, the number of
superpixels. So variants whose shards hold the same images share a file, two workers that write it at once
write the same, and it may be replaced. A label map is a PNG of 16 bits, whose checksum tells of damage.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from igbatch.errors import InputError
from igbatch.statistics.partitions import SEGMENTS, LabelMap
from igbatch.store import schemas
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output, table_bytes
from igbatch.store.scan import scan

FOLDER = "label_maps"
LabelMaps = tuple[LabelMap, ...]


def file_name(images: Sequence[tuple[str, str]], facts: Mapping[str, Any]) -> str:
    """Return the name of the label maps of images, ids and etags, under `facts` that decide them."""
    return digest([dict(facts), *images])


def write_label_maps(output: Output, model: str, name: str, maps: Mapping[str, LabelMaps]) -> None:
    """Write the label maps of some images, by id, together with those that the file holds already."""
    held = read_label_maps(output, model, name) | dict(maps)
    rows = [
        {"image_id": image_id, "segments": each.segments, "labels": png(each.labels), "names": each.names}
        for image_id, found in held.items()
        for each in found
    ]
    table = pa.Table.from_pylist(rows, schema=schemas.LABEL_MAPS)
    output.put(_path(output, model, name), table_bytes(table, row_group_size=64))


class LabelMapFile:
    """The label maps of some images, read once, as PNGs; each image's are decoded when they are asked for.

    Args:
        output, model, name: of the file; where there is none, no image has any.
        image_ids: read those of these images alone.

    Raises:
        InputError: the file is damaged.
    """

    def __init__(self, output: Output, model: str, name: str, image_ids: Iterable[str] | None = None) -> None:
        self._path = _path(output, model, name)
        self._rows: dict[str, list[dict[str, Any]]] = {}
        if output.exists(self._path):
            among = None if image_ids is None else pc.field("image_id").isin(list(image_ids))
            with self._whole():
                table = pq.read_table(
                    self._path, filesystem=output.filesystem, partitioning=None, filters=among
                )
                for row in table.cast(schemas.LABEL_MAPS).to_pylist():
                    self._rows.setdefault(row["image_id"], []).append(row)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def of(self, image_id: str) -> LabelMaps:
        """Return the label maps of an image; none where it has none.

        Raises:
            InputError: one is damaged.
        """
        with self._whole():
            return tuple(map(_decoded, self._rows.get(image_id, ())))

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, ValueError, SyntaxError, LookupError, TypeError, OSError) as error:
            raise InputError(
                f"{self._path}: label maps cannot be read ({error}); delete it and the rows of its images "
                "are without regions, or compute the study again into another output"
            ) from error


def read_label_maps(
    output: Output, model: str, name: str, image_ids: Iterable[str] | None = None
) -> dict[str, LabelMaps]:
    """Read the label maps of the images of a file, all or some, by id; none where there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    file = LabelMapFile(output, model, name, image_ids)
    return {image_id: file.of(image_id) for image_id in file}


def unnamed_label_maps(output: Output) -> list[str]:
    """Return the paths of files that no committed row names, as of shards that were never committed."""
    held = output.files(FOLDER)
    if not held:
        return []
    schema = pa.schema([schemas.IMAGE_STATS.field("label_maps")])
    named: set[str] = set()
    for variant_id in output.folders("image_stats"):
        files = (info for info in output.files("image_stats", variant_id) if info.base_name[0] != ".")
        for _, rows in scan(output, [info.path for info in files], schema):
            named.update(filter(None, rows["label_maps"].unique().to_pylist()))
    return [info.path for info in held if info.base_name.removesuffix(".parquet") not in named]


def png(labels: np.ndarray) -> bytes:
    """Return labels, uint16 [H, W], as a PNG of 16 bits."""
    sink = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint16)).save(sink, "PNG")
    return sink.getvalue()


def _decoded(row: dict[str, Any]) -> LabelMap:
    if row["segments"] not in SEGMENTS:
        raise ValueError(f"no segments are {row['segments']!r}")
    picture = Image.open(io.BytesIO(row["labels"]), formats=("PNG",))
    return LabelMap(row["segments"], np.asarray(picture).astype(np.uint16), tuple(row["names"]))


def _path(output: Output, model: str, name: str) -> str:
    return output.path(FOLDER, model, f"{name}.parquet")
