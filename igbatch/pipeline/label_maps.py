"""The label maps of a shard's images: read where another variant left them, else drawn, and stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igbatch.images.boxes import Box
from igbatch.images.geometry import Geometry
from igbatch.images.label_maps import mask_labels, object_labels, superpixels
from igbatch.images.masks import SEGMENTATION, read_mask
from igbatch.images.segmentations import from_text
from igbatch.pipeline.plan import Shard, ShardImage
from igbatch.statistics.partitions import LabelMap
from igbatch.store.label_maps import LabelMaps, file_name, read_label_maps, write_label_maps
from igbatch.store.output import Output
from igbatch.study import Images


class ShardLabelMaps:
    """Makes the label maps of the images of one shard, and keeps them beside its rows.

    Attributes:
        name: of the file that holds them, for the rows; None where the study has neither superpixels nor
            objects.

    Args:
        output: of the study.
        shard: whose images they are.
        images: what the study says of images.
        data_config: the model's, which decides how images are resized and cropped.
    """

    def __init__(self, output: Output, shard: Shard, images: Images, data_config: Mapping[str, Any]) -> None:
        self._output, self._model, self._images = output, shard.spec.model, images
        self._stored: dict[str, LabelMaps] = {}
        self._drawn: dict[str, LabelMaps] = {}
        self.name: str | None = None
        if images.superpixels or images.objects:
            facts = {"superpixels": images.superpixels, "masks": images.masks, "preprocessing": data_config}
            self.name = file_name([(each.image_id, each.etag) for each in shard.images], facts)
            self._stored = read_label_maps(output, self._model, self.name)

    def of(
        self, entry: ShardImage, boxes: tuple[Box, ...], geometry: Geometry, pixels: NDArray[np.float32]
    ) -> LabelMaps:
        """Return the label maps of an image.

        Args:
            entry: of the plan.
            boxes: in its own pixels.
            geometry: its resize and crop.
            pixels: what these give, float32 [H, W, 3] in 0..1.

        Raises:
            ImageError: its mask cannot be used.
            OSError: the store failed.
        """
        if self.name is None:
            return ()
        if entry.image_id not in self._stored and entry.image_id not in self._drawn:
            self._drawn[entry.image_id] = tuple(self._draw(entry, boxes, geometry, pixels))
        return self._stored.get(entry.image_id) or self._drawn[entry.image_id]

    def keep(self) -> None:
        """Store what was drawn; call it before the shard's rows are committed, which name the file."""
        if self.name is not None and self._drawn:
            write_label_maps(self._output, self._model, self.name, self._drawn)

    def _draw(
        self, entry: ShardImage, boxes: tuple[Box, ...], geometry: Geometry, pixels: NDArray[np.float32]
    ) -> list[LabelMap]:
        found = []
        if self._images.superpixels:
            found.append(LabelMap("superpixels", superpixels(pixels, self._images.superpixels)))
        if self._images.masks not in (None, SEGMENTATION):
            empty = np.zeros((geometry.height, geometry.width), dtype=np.int64)
            mask = empty if entry.mask is None else read_mask(entry.mask)
            found.append(LabelMap("objects", *mask_labels(mask, geometry)))
        elif self._images.objects:
            outlined = [(geometry.map_box(box), from_text(box.mask) if box.mask else None) for box in boxes]
            found.append(LabelMap("objects", *object_labels(outlined, geometry)))
        return found
