"""Which images a variant is computed on, as `variants.parquet` says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def asked_images(variants: pa.Table, variant_id: str, image_ids: pa.Array) -> NDArray[np.bool_] | None:
    """Tell which images a variant is computed on: bool [images]; None: on every one.

    Args:
        variants: rows of `schemas.VARIANTS`; outputs of earlier versions have no column `images`.
        variant_id: one of them.
        image_ids: of the study.
    """
    row = pc.index(variants["variant_id"], variant_id).as_py()
    if row < 0 or "images" not in variants.column_names:
        return None
    listed = variants["images"][row].values
    return None if listed is None else np.asarray(pc.is_in(image_ids, value_set=listed), dtype=np.bool_)


def asked_keys(keys: NDArray[np.int64], asked: NDArray[np.bool_] | None, targets: int) -> NDArray[np.int64]:
    """Return keys (`igbatch.store.winners`) with -1 in place of those of images that are not asked for."""
    if asked is None:
        return keys
    return np.where((keys >= 0) & asked[keys // targets], keys, -1)
