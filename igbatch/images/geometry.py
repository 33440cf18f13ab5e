"""Where a pixel of the original image comes to lie in the model's input, after the resize and the crop."""

from __future__ import annotations

from dataclasses import dataclass

from igbatch.images.boxes import Box


@dataclass(frozen=True, slots=True)
class MappedBox:
    """A box in pixels of the model's input, half-open, with the share of its area that the crop left.

    `visible_fraction` lies between 0 and 1; at 0 the box holds no pixel (x_min == x_max or y_min == y_max).
    """

    box_id: str
    label: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int
    visible_fraction: float

    @property
    def visible(self) -> bool:
        """Whether the crop left a pixel of it."""
        return self.x_max > self.x_min and self.y_max > self.y_min


@dataclass(frozen=True, slots=True)
class Geometry:
    """The resize of an upright image and the crop after it, all in pixels.

    Attributes:
        width: of the original image.
        height: of the original image.
        resized_width: of the image once resized, before the crop.
        resized_height: of the image once resized, before the crop.
        crop_x: left edge of the crop in the resized image; negative where the image is padded instead.
        crop_y: top edge of the crop in the resized image; negative where the image is padded instead.
        input_width: of the crop, which is the model's input.
        input_height: of the crop, which is the model's input.
    """

    width: int
    height: int
    resized_width: int
    resized_height: int
    crop_x: int
    crop_y: int
    input_width: int
    input_height: int

    def map_box(self, box: Box) -> MappedBox:
        """Take a box of the original image through the resize and the crop.

        Edges are rounded outwards and clipped to the input, in whole numbers throughout, so that no rounding
        error moves one. The resampling filter lets a pixel reach a little beyond its mapped box.
        """
        x_min, x_max, x_visible = _map_edges(
            box.x_min, box.x_max, self.width, self.resized_width, self.crop_x, self.input_width
        )
        y_min, y_max, y_visible = _map_edges(
            box.y_min, box.y_max, self.height, self.resized_height, self.crop_y, self.input_height
        )
        return MappedBox(box.box_id, box.label, x_min, y_min, x_max, y_max, x_visible * y_visible)


def _map_edges(
    low: int, high: int, size: int, resized: int, crop: int, length: int
) -> tuple[int, int, float]:
    """Map the edges of a box along one axis: both in the input, and the visible fraction of the extent."""
    mapped_low = low * resized // size - crop
    mapped_high = -(-high * resized // size) - crop
    # The same edges in units of 1 / size of a resized pixel, before rounding.
    visible = min(high * resized, (crop + length) * size) - max(low * resized, crop * size)
    fraction = max(0, visible) / ((high - low) * resized)
    return min(max(mapped_low, 0), length), min(max(mapped_high, 0), length), fraction
