"""Sheets as the page shows them: pictures as data URIs, places in percent, everything else text."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from igbatch.report.bar import Tick, lay_out
from igbatch.report.canvas import text_width
from igbatch.report.encoding import map_png, photo_jpeg, strip_png
from igbatch.report.labels import place_labels
from igbatch.report.normalization import Normalization
from igbatch.report.panels import Box, Panel, Picture
from igbatch.report.sheets import Row
from igbatch.report.text import number, plain, shorten

SHOWN_SIZE = 224
_LABEL_HEIGHT, _LABEL_SIZE = 15.0, 11.0


@dataclass(frozen=True)
class TickView:
    """A label of a colour bar: where, which end of the text is there, and the text."""

    at: str
    anchor: str
    text: str


@dataclass(frozen=True)
class BarView:
    """A colour bar: its colours as a data URI, where zero is, and its labels."""

    source: str
    zero: str
    zero_anchor: str
    above: tuple[TickView, ...]
    below: tuple[TickView, ...]


@dataclass(frozen=True)
class PanelView:
    """A map and what is told below it; `source` is empty where the map is missing, and `missing` says why."""

    target: str
    alt: str
    source: str
    width: int
    height: int
    pixel_width: int
    pixel_height: int
    bar: BarView | None
    numbers: tuple[tuple[str, str], ...]
    label: str
    marks: tuple[str, ...]
    missing: str


@dataclass(frozen=True)
class BlockView:
    """Maps that are looked at together, under a heading and what is said of them."""

    title: str
    said: str
    caution: str
    panels: tuple[PanelView, ...]


@dataclass(frozen=True)
class LabelView:
    """A box's label on the picture, in pixels of the model's input."""

    x: float
    y: float
    width: float
    text: str
    color: str


@dataclass(frozen=True)
class PictureView:
    """The image with its boxes; `source` is empty where it cannot be read."""

    source: str
    width: int
    height: int
    pixel_width: int
    pixel_height: int
    boxes: tuple[Box, ...]
    labels: tuple[LabelView, ...]
    missing: str


def data_uri(content: bytes, kind: str) -> str:
    """Return bytes as a data URI of a media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def picture_view(picture: Picture) -> PictureView:
    """Prepare a picture for the page."""
    if picture.pixels is None:
        return PictureView("", SHOWN_SIZE, SHOWN_SIZE, SHOWN_SIZE, SHOWN_SIZE, (), (), picture.missing)
    high, wide = picture.pixels.shape[:2]
    scale = _scale(wide)
    texts = [shorten(box.name, 20) for box in picture.boxes]
    widths = [text_width(text, _LABEL_SIZE) + 8 for text in texts]
    spots = place_labels(picture.boxes, widths, _LABEL_HEIGHT, (wide * scale, high * scale), scale)
    labels = [
        LabelView(spot.x, spot.y, width, text, box.color)
        for spot, width, text, box in zip(spots, widths, texts, picture.boxes, strict=True)
    ]
    source = data_uri(photo_jpeg(picture.pixels), "image/jpeg")
    return PictureView(source, wide * scale, high * scale, wide, high, picture.boxes, tuple(labels), "")


def block_view(row: Row, image_name: str) -> BlockView:
    """Prepare a row of maps for the page."""
    panels = tuple(_panel_view(panel, image_name) for panel in row.panels)
    return BlockView(row.title, "; ".join(row.facts), row.caution, panels)


def _panel_view(panel: Panel, image_name: str) -> PanelView:
    target = plain(panel.target)
    source, wide, high, alt = "", SHOWN_SIZE, SHOWN_SIZE, ""
    if panel.values is not None and panel.normalization is not None:
        high, wide = panel.values.shape
        source = data_uri(map_png(panel.values, panel.normalization.gain), "image/png")
        alt = f"Attribution map of {image_name}, {plain(panel.variant_id)}, target {target}"
    numbers: tuple[tuple[str, str], ...] = ()
    if panel.minimum is not None and panel.maximum is not None and panel.total is not None:
        numbers = (
            ("min", number(panel.minimum)),
            ("max", number(panel.maximum)),
            ("sum", number(panel.total)),
        )
    normalization = panel.normalization
    return PanelView(
        target=target,
        alt=alt,
        source=source,
        width=wide * _scale(wide),
        height=high * _scale(wide),
        pixel_width=wide,
        pixel_height=high,
        bar=None if normalization is None else _bar_view(normalization, wide * _scale(wide)),
        numbers=numbers,
        label="" if normalization is None else normalization.label,
        marks=panel.marks,
        missing=panel.missing,
    )


def _bar_view(normalization: Normalization, length: int) -> BarView:
    bar = lay_out(normalization, length)
    source = data_uri(strip_png(bar.colors), "image/png")
    return BarView(source, _percent(bar.zero), _anchor(bar.zero), _ticks(bar.above), _ticks(bar.below))


def _ticks(ticks: Sequence[Tick]) -> tuple[TickView, ...]:
    return tuple(TickView(_percent(tick.at), _anchor(tick.at), tick.text) for tick in ticks)


def _anchor(at: float) -> str:
    """Keep the text at the ends of the bar from reaching beyond it."""
    return "start" if at < 0.04 else "end" if at > 0.96 else "middle"


def _percent(at: float) -> str:
    return f"{100 * at:.2f}%"


def _scale(wide: int) -> int:
    return max(1, round(SHOWN_SIZE / wide))
