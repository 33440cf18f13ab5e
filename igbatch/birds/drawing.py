"""Vector drawings and how they become shaded sprites: splines, feathers, relief, light.

A `Drawing` is a display list in a frame of its own (x to the right, y up, any unit). `rasterise` places it in
the picture, draws it supersampled with Pillow and gives it volume: the gradient of a blurred relief map plays
the part of the surface normal. Everything is a pure function of its arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Floats = NDArray[np.float32]
Points = NDArray[np.float64]
Colour = tuple[int, ...]
"""Red, green and blue, 0 to 255."""

SIZE = 224

# Half a feather along its shaft (0 root, 1 tip) and across it, in units of its width; then the whole outline.
_VANE = [(0, 0.22), (0.25, 0.46), (0.7, 0.5), (0.92, 0.34)]
_FEATHER = np.array([*_VANE, (1, 0), *((along, -across) for along, across in reversed(_VANE))])


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    `direction` is the unit vector towards the sun in image axes (x right, y down), `strength` the
    contrast between lit and shaded sides (0 to 1), `tint` the factor per colour channel, `haze` the colour
    of distance.
    """

    direction: tuple[float, float]
    strength: float
    tint: tuple[float, float, float]
    haze: Colour


@dataclass(frozen=True)
class Sprite:
    """A drawing in the picture, its corner at (left, top).

    `rgb` [h, w, 3] (0 to 255) is premultiplied by the coverage `alpha` [h, w] (0 to 1).
    """

    rgb: Floats
    alpha: Floats
    left: int
    top: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that the sprite covers."""
        height, width = self.alpha.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass
class Drawing:
    """A display list: filled polygons and strokes in drawing order, with a relief for the shading."""

    paths: list[Points] = field(default_factory=list)
    styles: list[tuple[Colour, float, int]] = field(default_factory=list)

    def fill(self, points: Points, colour: Colour, relief: int = 0) -> None:
        """Add a polygon [n, 2]; `relief` 1 to 255 raises it in the shading, 0 leaves the relief as it is."""
        self.paths.append(points)
        self.styles.append((colour, 0.0, relief))

    def stroke(self, points: Points, colour: Colour, width: float) -> None:
        """Add an open line [n, 2] of a width in the drawing's unit."""
        self.paths.append(points)
        self.styles.append((colour, width, 0))

    def strokes(self, starts: Points, ends: Points, colours: list[Colour], width: float) -> None:
        """Add n straight lines from `starts` to `ends` [n, 2]."""
        self.paths.extend(np.stack([starts, ends], axis=1))
        self.styles.extend((colour, width, 0) for colour in colours)

    def disc(self, centre: Points, radius: float, colour: Colour, relief: int = 0) -> None:
        """Add a filled circle."""
        self.fill(centre + radius * unit(np.linspace(0, 2 * np.pi, 14, endpoint=False)), colour, relief)

    def feathers(
        self, roots: Points, tips: Points, widths: Points, colours: list[Colour], relief: int = 0
    ) -> None:
        """Add n feathers, later ones on top: `roots` and `tips` [n, 2], `widths` [n]."""
        shaft = tips - roots
        length = np.hypot(shaft[:, 0], shaft[:, 1])[:, None]
        across = np.stack([-shaft[:, 1], shaft[:, 0]], axis=1) / np.maximum(length, 1e-9) * widths[:, None]
        self.paths.extend(
            roots[:, None] + _FEATHER[:, :1] * shaft[:, None] + _FEATHER[:, 1:] * across[:, None]
        )
        self.styles.extend((colour, 0.0, relief) for colour in colours)

    def bounds(self, turn: float = 0.0) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max after a rotation by `turn` radians."""
        points = np.concatenate(self.paths)
        c, s = np.cos(turn), np.sin(turn)
        x, y = points[:, 0] * c - points[:, 1] * s, points[:, 0] * s + points[:, 1] * c
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())


@dataclass(frozen=True)
class Frame:
    """Coordinates of a part of a drawing: turned by `angle` radians, `length` is that of their unit."""

    centre: Points
    angle: float
    length: float = 1.0

    def at(self, points: Points | list[tuple[float, float]]) -> Points:
        """Points [n, 2] of this frame in the drawing's."""
        c, s = np.cos(self.angle) * self.length, np.sin(self.angle) * self.length
        placed: Points = self.centre + np.asarray(points) @ np.array([[c, s], [-s, c]])
        return placed


@lru_cache(maxsize=8)
def _basis(per: int) -> Points:
    t = np.arange(per)[:, None] / per
    powers = np.concatenate([np.ones_like(t), t, t**2, t**3], axis=1)
    return powers @ (np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2)


def spline(points: Points, per: int = 5, closed: bool = True) -> Points:
    """Catmull-Rom curve through `points` [n, 2], `per` samples a segment.

    Closed: [n * per, 2], where sample `i * per` is point i. Open: [(n - 1) * per + 1, 2].
    """
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([points[:1], points, points[-1:]])
    windows = np.stack([padded[:-3], padded[1:-2], padded[2:-1], padded[3:]], axis=1)
    curve = np.einsum("pk,nkd->npd", _basis(per), windows).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])


def shifted(point: Points, *moves: tuple[float, float]) -> Points:
    """A point [2] moved by each of some (dx, dy), [n, 2]."""
    moved: Points = point + np.array(moves)
    return moved


def unit(angle: Points | float) -> Points:
    """Unit vectors [..., 2] in the directions of angles [...] in radians."""
    vectors: Points = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return vectors


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with a `share` (0 to 1) of `second`."""
    return tuple(int(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def mixed(colours: list[Colour], second: Colour, shares: Points) -> list[Colour]:
    """Colours [n], each with a share [n] of `second`."""
    return [mix(colour, second, share) for colour, share in zip(colours, shares.tolist(), strict=True)]


def scaled(colour: Colour, factor: float) -> Colour:
    """A colour made darker or lighter by a factor, kept in 0 to 255."""
    return tuple(max(0, min(255, int(level * factor))) for level in colour)


def tinted(colour: Colour, light: Light, factor: float = 1.0) -> Floats:
    """A colour in a light, float32 [3]."""
    bright = np.asarray(colour, dtype=np.float32) * np.asarray(light.tint, dtype=np.float32)
    lit: Floats = np.minimum(bright * np.float32(factor), 255)
    return lit


def shades(rng: np.random.Generator, colour: Colour, count: int, spread: float) -> list[Colour]:
    """`count` variations of a colour, factors drawn uniformly from 1 - spread to 1 + spread."""
    return factored([colour] * count, rng.uniform(1 - spread, 1 + spread, count))


def factored(colours: list[Colour], factors: Points | float) -> list[Colour]:
    """Colours [n] times factors [n] (or one factor for all), kept in 0 to 255."""
    table = np.array(colours) * np.reshape(factors, (-1, 1))
    return list(map(tuple, np.clip(table, 0, 255).astype(int).tolist()))


def rasterise(
    drawing: Drawing,
    at: tuple[float, float],
    scale: float,
    light: Light,
    grain: Floats,
    *,
    turn: float = 0.0,
    mirror: bool = False,
    soften: float = 0.0,
    depth: float = 1.0,
) -> Sprite | None:
    """Draw with the origin at pixel `at` and `scale` pixels a unit; None where it misses the picture.

    `turn` rotates (radians, anticlockwise to the eye), then `mirror` flips left and right. `grain` is a
    texture [SIZE, SIZE] around 1 that multiplies the colours. `depth` scales the relief's radius, `soften` is
    the blur of the result in pixels.
    """
    points = np.concatenate(drawing.paths)
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    x = points[:, 0] * c - points[:, 1] * s
    placed = np.stack([at[0] + (-x if mirror else x), at[1] - (points[:, 0] * s + points[:, 1] * c)], axis=1)
    low = np.maximum(np.floor(placed.min(axis=0)).astype(int) - 3, 0)
    high = np.minimum(np.ceil(placed.max(axis=0)).astype(int) + 3, SIZE)
    width, height = (high - low).tolist()
    if width < 2 or height < 2:
        return None
    small, relief, coarse = _paint(drawing, placed - low, (width, height), scale)
    if soften > 0:
        small = small.filter(ImageFilter.GaussianBlur(soften))
    pixels = np.asarray(small, dtype=np.float32)
    shade = _shading(relief, light, scale * depth / coarse)
    grown = np.asarray(Image.fromarray(shade).resize((width, height), Image.Resampling.BILINEAR))
    rgb = pixels[:, :, :3] * (grown * grain[:height, :width])[:, :, None]
    rgb *= np.asarray(light.tint, dtype=np.float32)
    alpha = pixels[:, :, 3] / np.float32(255)
    return Sprite(np.minimum(rgb, 255 * alpha[:, :, None]), alpha, int(low[0]), int(low[1]))


def _paint(
    drawing: Drawing, points: Points, size: tuple[int, int], scale: float
) -> tuple[Image.Image, Image.Image, int]:
    """Draw into a picture of `size`, and the relief, which is soft anyway, in blocks of some pixels.

    The picture is of mode RGBX, four plain bands for Pillow. The fourth carries the coverage, and as the
    canvas starts out black, averaging the colours leaves them premultiplied by it.
    """
    width, height = size
    factor, coarse = (3, 1) if width * height < 9000 else (2, 2)
    image = Image.new("RGBX", (width * factor, height * factor), (0, 0, 0, 0))
    relief = Image.new("L", (-(-width // coarse), -(-height // coarse)), 0)
    canvas, mould = ImageDraw.Draw(image), ImageDraw.Draw(relief)
    flat, fine = (points / coarse).ravel().tolist(), (points * factor).ravel().tolist()
    start = 0
    for path, (colour, thick, raised) in zip(drawing.paths, drawing.styles, strict=True):
        stop = start + 2 * len(path)
        if thick > 0:
            canvas.line(fine[start:stop], fill=(*colour, 255), width=max(1, round(thick * scale * factor)))
        else:
            canvas.polygon(fine[start:stop], fill=(*colour, 255))
            if raised:
                mould.polygon(flat[start:stop], fill=raised)
        start = stop
    return image.reduce(factor), relief, coarse


def _shading(relief: Image.Image, light: Light, scale: float) -> Floats:
    """Factor [h, w] from the relief's slope against the light, and from the sky above."""
    total = np.zeros((relief.height, relief.width), dtype=np.float32)
    for share, weight in ((0.14, 1.0), (0.05, 0.5)):
        radius = max(share * scale, 0.8)
        blurred = np.asarray(relief.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
        strength = np.float32(weight * radius / 128)
        toward = blurred[:, 2:] - blurred[:, :-2]
        total[:, 1:-1] -= toward * (strength * np.float32(light.direction[0] * light.strength))
        toward = blurred[2:] - blurred[:-2]
        total[1:-1] -= toward * (strength * np.float32(light.direction[1] * light.strength - 0.25))
    shade: Floats = np.clip(1 + 0.55 * total, 0.42, 1.7)
    return shade


def blend(image: Floats, sprite: Sprite | None) -> None:
    """Lay a sprite over the picture [SIZE, SIZE, 3] (0 to 255), in place."""
    if sprite is not None:
        view = image[sprite.window]
        view *= 1 - sprite.alpha[:, :, None]
        view += sprite.rgb
