"""Label maps of images: which superpixel or object each pixel is in; once an image, not once a variant.

`label_maps/<model>/<digest>.parquet` holds those of the images of one shard; rows of `image_stats` name the
digest. It is of all that decides them: the images with their etags, the model's preprocessing, the number of
superpixels. So variants whose shards hold the same images share a file, two workers that write it at once
write the same, and it may be replaced. A label map is a PNG of 16 bits, whose checksum tells of damage.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
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


def read_label_maps(
    output: Output, model: str, name: str, image_ids: Iterable[str] | None = None
) -> dict[str, LabelMaps]:
    """Read the label maps of the images of a file, all or some, by id; none where there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    path = _path(output, model, name)
    if not output.exists(path):
        return {}
    among = None if image_ids is None else pc.field("image_id").isin(list(image_ids))
    found: dict[str, LabelMaps] = {}
    try:
        table = pq.read_table(path, filesystem=output.filesystem, partitioning=None, filters=among)
        for row in table.cast(schemas.LABEL_MAPS).to_pylist():
            if row["segments"] not in SEGMENTS:
                raise ValueError(f"no segments are {row['segments']!r}")
            each = LabelMap(row["segments"], _labels(row["labels"]), tuple(row["names"]))
            found[row["image_id"]] = (*found.get(row["image_id"], ()), each)
    except (pa.ArrowException, ValueError, SyntaxError, LookupError, TypeError, OSError) as error:
        raise InputError(
            f"{path}: label maps cannot be read ({error}); delete it and the rows of its images are "
            "without regions, or compute the study again into another output"
        ) from error
    return found


def png(labels: np.ndarray) -> bytes:
    """Return labels, uint16 [H, W], as a PNG of 16 bits."""
    sink = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint16)).save(sink, "PNG")
    return sink.getvalue()


def _labels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data), formats=("PNG",))).astype(np.uint16)


def _path(output: Output, model: str, name: str) -> str:
    return output.path(FOLDER, model, f"{name}.parquet")
