"""Label masks of a data set: a folder of PNG files, one an image, whose values number the objects."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from igbatch.errors import ImageError, InputError
from igbatch.images.decoder_messages import off_the_terminal
from igbatch.images.decoding import MAX_PIXELS
from igbatch.images.folder import list_folder
from igbatch.images.loading import read_file

SEGMENTATION = "segmentation"
"""What the study says instead of a folder where the outlines are those of its file of boxes."""


def match_masks(root: str, image_ids: pa.ChunkedArray) -> tuple[pa.Table, list[str]]:
    """Find the mask of each image in a folder: `<image id without its ending>.png`.

    Returns:
        uri and etag of each image's mask, null where it has none, in the order of the images; and a warning
        where some have none.

    Raises:
        InputError: there is no such folder, it holds no PNG file, or none is of an image of the study.
    """
    found = list_folder(
        root, "label mask", "a PNG of labels for each image, `<image id without its ending>.png`"
    )
    names = pc.utf8_lower(found["image_id"])
    found = found.filter(pc.ends_with(names, ".png"))
    stems = pc.replace_substring_regex(found["image_id"], r"\.[^./]*$", "")
    names = pc.replace_substring_regex(image_ids, r"\.[^./]*$", "")
    at = pc.index_in(names, value_set=stems.combine_chunks()).combine_chunks()
    missing = at.null_count
    if missing == len(at):
        first = image_ids[0].as_py()
        raise InputError(
            f"{root}: no mask of the study's images; {first} needs {names[0].as_py()}.png, a PNG of labels"
        )
    warnings = []
    if missing:
        first = image_ids.filter(pc.is_null(at))[0].as_py()
        warnings.append(
            f"images.masks: {missing:,} of {len(at):,} images have no mask (the first is {first}): "
            "they are background throughout"
        )
    columns = {name: found[name].combine_chunks().take(at) for name in ("uri", "etag")}
    return pa.table(columns), warnings


def read_mask(uri: str) -> NDArray[np.integer]:
    """Read a label mask: whole numbers or booleans [height, width], those of the palette of a palette's PNG.

    Raises:
        ImageError: it is gone or too large, no PNG, no single channel of 1 to 16 bits, or damaged.
        OSError: the store failed.
    """
    data = read_file(uri)
    with off_the_terminal():
        try:
            image = Image.open(io.BytesIO(data), formats=("PNG",))
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ImageError(f"{width} x {height} pixels are more than {MAX_PIXELS}")
            if image.mode not in ("1", "L", "P", "I", "I;16"):
                raise ImageError(
                    f"it has the mode {image.mode}; give one channel, whose values number objects"
                )
            labels: NDArray[np.integer] = np.asarray(image)
        except ImageError as error:
            raise ImageError(f"its mask: {error}") from error
        except MemoryError:
            raise
        except Exception as error:  # decoders meet hostile bytes with exceptions of nearly every class
            raise ImageError(f"its mask is no whole PNG file ({error}); replace {uri}") from error
    return labels
