"""Backgrounds: sky, field, snow, water, foliage and wall, each with its light and its palette.

Images are float32 [SIZE, SIZE, 3], 0 to 255. They do not depend on the species in the scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from igbatch.birds.drawing import SIZE, Colour, Floats, Light, mix, scaled, tinted
from igbatch.birds.noise import TILE, line, noise, tile

PLACES = ("sky", "field", "snow", "water", "foliage", "wall")

# Sky at the zenith and at the horizon, tint of the light, strength of its shadows.
_HOURS: dict[str, tuple[Colour, Colour, tuple[float, float, float], float]] = {
    "noon": ((74, 130, 200), (190, 214, 232), (1.04, 1.02, 0.98), 0.9),
    "clear": ((104, 160, 214), (222, 234, 240), (1.03, 1.02, 1.0), 0.8),
    "morning": ((128, 160, 196), (248, 222, 190), (1.08, 1.0, 0.9), 0.85),
    "overcast": ((150, 160, 172), (206, 210, 214), (0.97, 0.98, 1.0), 0.35),
    "dusk": ((84, 84, 134), (238, 162, 116), (1.06, 0.9, 0.8), 0.8),
    "storm": ((92, 104, 120), (168, 178, 188), (0.92, 0.95, 1.0), 0.4),
}
_GRASS: tuple[tuple[Colour, Colour], ...] = (
    ((74, 108, 44), (128, 158, 74)),
    ((92, 116, 56), (166, 174, 92)),
    ((140, 124, 68), (200, 180, 110)),
    ((104, 84, 60), (150, 126, 92)),
    ((58, 92, 52), (104, 136, 84)),
)


@dataclass(frozen=True)
class Landscape:
    """A background with what the scene needs to know: its light and the row where walkable ground begins."""

    place: str
    image: Floats
    light: Light
    ground: int | None  # feet may stand below this row; None without ground
    soil: Colour  # colour of the ground, for grass tufts and for light from below
    foliage: Colour  # colour of leaves here


def landscape(rng: np.random.Generator) -> Landscape:
    """Draw a background with its light from a generator."""
    place = PLACES[int(rng.choice(len(PLACES), p=(0.18, 0.24, 0.1, 0.18, 0.18, 0.12)))]
    hour = list(_HOURS)[int(rng.choice(len(_HOURS), p=(0.22, 0.22, 0.16, 0.16, 0.14, 0.1)))]
    top, low, tint, strength = _HOURS[hour]
    top, low = scaled(top, rng.uniform(0.88, 1.1)), scaled(low, rng.uniform(0.92, 1.05))
    angle = np.radians(rng.uniform(25, 155))
    light = Light((float(np.cos(angle)), -float(np.sin(angle))), strength * rng.uniform(0.8, 1.15), tint, low)
    leaf = ((70, 104, 40), (96, 124, 52), (150, 104, 40), (54, 84, 48), (164, 132, 60))[int(rng.integers(5))]
    if place == "sky":
        return Landscape(place, _sky(rng, top, low, SIZE * 1.1), light, None, mix(low, top, 0.3), leaf)
    if place == "foliage":
        return Landscape(place, _foliage(rng, leaf, low, light), light, None, scaled(leaf, 0.7), leaf)
    if place == "wall":
        image, colour = _wall(rng, light)
        return Landscape(place, image, light, None, colour, leaf)
    horizon = float(rng.uniform(60, 150))
    image = _sky(rng, top, low, horizon)
    if place == "water":
        beach = _water(rng, image, horizon, top, low, light)
        return Landscape(place, image, light, beach, (176, 156, 124), leaf)
    soil = _field(rng, image, horizon, low, light, place == "snow")
    return Landscape(place, image, light, int(horizon) + 22, soil, leaf)


def _sky(rng: np.random.Generator, top: Colour, low: Colour, horizon: float) -> Floats:
    height = np.clip(np.arange(SIZE, dtype=np.float32) / np.float32(max(horizon, 1)), 0, 1) ** 1.2
    zenith, low_sky = np.asarray(top, dtype=np.float32), np.asarray(low, dtype=np.float32)
    column = zenith + height[:, None] * (low_sky - zenith)
    cover = rng.uniform(-0.75, 0.6)
    puff = noise(rng, "cloud", (rng.uniform(1.0, 1.8), rng.uniform(0.6, 1.1)))
    cloud = np.clip((puff + np.float32(cover)) * np.float32(rng.uniform(0.9, 2.2)), 0, 1)
    cloud *= np.float32(rng.uniform(0.5, 0.95))
    lit = np.asarray(mix(low, (255, 255, 255), 0.65), dtype=np.float32)
    image = np.empty((SIZE, SIZE, 3), dtype=np.float32)
    shadow = 1 - 0.16 * np.clip(cloud * 1.6 - 0.5, 0, 1)
    for channel in range(3):
        band = column[:, channel : channel + 1]
        image[:, :, channel] = (band + cloud * (lit[channel] - band)) * shadow
    return image


def _cover(image: Floats, edge: Floats, colour: Floats, first: int | None = None) -> None:
    """Paint what lies below a curve of rows [SIZE], from row `first` on; `colour` broadcasts to them."""
    first = max(0, int(edge.min()) - 1) if first is None else first
    rows = np.arange(first, SIZE, dtype=np.float32)
    mask = np.clip(rows[:, None] - edge[None, :] + np.float32(0.5), 0, 1)[:, :, None]
    view = image[first:]
    view += mask * (colour - view)


def _hills(
    rng: np.random.Generator, image: Floats, horizon: float, base: Colour, low: Colour, light: Light
) -> None:
    for index in range(int(rng.integers(1, 4))):
        distance = 0.75 - 0.22 * index
        colour = tinted(mix(base, low, distance), light, 0.9)
        if index == 2 or rng.uniform() < 0.3:  # a treeline
            rise = np.float32(rng.uniform(3, 14)) + 7 * np.abs(line(rng, 26, 3, 0.7))
            colour = tinted(mix(scaled(base, 0.62), low, distance * 0.7), light)
        else:
            rise = np.float32(rng.uniform(2, 22)) * (1 + 0.9 * line(rng, 3, 4, 0.4))
        _cover(image, (horizon - np.maximum(rise, 0)).astype(np.float32), colour)


def _perspective(rng: np.random.Generator, horizon: float, kind: str, stretch: float) -> Floats:
    """A tile seen at a slant below the horizon: [SIZE - horizon, SIZE], fading out towards it."""
    first = int(horizon)
    below = np.arange(1, SIZE - first + 1, dtype=np.float32)
    distance = 1 / (below + 5)
    v = (distance * np.float32(9000) + np.float32(rng.uniform(0, TILE))).astype(np.int32) % TILE
    x = np.arange(SIZE, dtype=np.float32) - np.float32(rng.uniform(40, 184))
    u = x * (distance[:, None] * np.float32(110 / stretch)) + np.float32(rng.uniform(200, 300))
    fade = np.minimum(1, below / 24)[:, None]
    seen: Floats = tile(kind)[v[:, None], u.astype(np.int32) & (TILE - 1)] * fade
    return seen


def _field(
    rng: np.random.Generator, image: Floats, horizon: float, low: Colour, light: Light, snow: bool
) -> Colour:
    pair = ((196, 206, 222), (248, 250, 253)) if snow else _GRASS[int(rng.integers(len(_GRASS)))]
    trees = (70, 84, 78) if snow else mix(pair[0], (60, 84, 50), 0.5)
    _hills(rng, image, horizon, trees, low, light)
    first = int(horizon)
    texture = _perspective(rng, horizon, "rough", 1.0)
    share = 0.5 + 0.30 * texture + 0.28 * noise(rng, "cloud", (1.6, 0.5), (SIZE - first, SIZE))
    if not snow:
        blades = noise(rng, "fine", (1.0, 4.5), (SIZE - first, SIZE))
        share += blades * np.linspace(0.05, 0.28, SIZE - first, dtype=np.float32)[:, None]
    share = np.clip(share, 0, 1)[:, :, None].astype(np.float32)
    dark, pale = tinted(pair[0], light, 0.9), tinted(pair[1], light)
    ground = dark + share * (pale - dark)
    fade = np.clip(1 - np.arange(SIZE - first, dtype=np.float32) / 40, 0, 1)[:, None, None] * np.float32(0.45)
    ground += fade * (np.asarray(low, dtype=np.float32) - ground)
    _cover(image, (horizon + 1.5 * line(rng, 4, 3)).astype(np.float32), ground, first)
    if rng.uniform() < (0.3 if snow else 0.6):
        straw = ((150, 130, 90), (120, 100, 70))
        _blades(rng, image[first + 30 :], straw if snow else pair, light, 30 if snow else 110)
    return mix(pair[0], pair[1], 0.5)


def _blades(
    rng: np.random.Generator, image: Floats, pair: tuple[Colour, Colour], light: Light, count: int
) -> None:
    """Blades of grass, longer towards the viewer, drawn at twice the size over part of a picture."""
    rows = len(image)
    if rows < 10:
        return
    layer = Image.new("RGBX", (SIZE * 2, rows * 2))
    draw = ImageDraw.Draw(layer)
    x, t = rng.uniform(0, SIZE * 2, count), np.sort(rng.uniform(0.1, 1, count))
    lean, tall, pick = rng.normal(0, 5, count), rng.uniform(0.5, 1, count), rng.uniform(0, 1, count)
    for cx, depth, dx, length, share in np.stack([x, t, lean, tall, pick], axis=1).tolist():
        y = depth * rows * 2
        colour = tinted(mix(*pair, share), light, 0.9).astype(int).tolist()
        bent = (cx, y, cx + dx * 0.4, y - 12 * depth * length, cx + dx, y - 22 * depth * length)
        draw.line(bent, fill=(*colour, 255), width=2)
    pixels = np.asarray(layer.reduce(2), dtype=np.float32)
    image *= 1 - pixels[:, :, 3:] / 255
    image += pixels[:, :, :3]


def _water(
    rng: np.random.Generator, image: Floats, horizon: float, top: Colour, low: Colour, light: Light
) -> int | None:
    shore = mix((64, 84, 60), low, rng.uniform(0.2, 0.6))
    _hills(rng, image, horizon, shore, low, light)
    first = int(horizon)
    rows = SIZE - first
    mirror = image[np.maximum(first - 1 - np.arange(rows), 0)]
    hues = ((40, 74, 96), (52, 92, 104), (66, 84, 84), (84, 100, 112))
    hue = np.asarray(hues[int(rng.integers(4))], dtype=np.float32)
    depth = np.linspace(0.30, 0.72, rows, dtype=np.float32)[:, None, None]
    water = mirror * (1 - depth) + hue * depth * np.asarray(light.tint, dtype=np.float32)
    waves = _perspective(rng, horizon, "rough", rng.uniform(2.5, 5.0)) * np.float32(rng.uniform(0.5, 1.2))
    water *= (1 + 0.16 * waves)[:, :, None]
    glint = np.clip(waves * 1.4 - 0.75, 0, 1)[:, :, None]
    water += glint * (tinted(mix(low, (255, 255, 255), 0.5), light) - water) * np.float32(0.7)
    image[first:] = water
    if rng.uniform() < 0.55:
        beach = int(max(horizon + 40, rng.uniform(120, 178)))
        if beach < 190:
            sand = tinted(((186, 164, 128), (150, 138, 118), (118, 112, 104))[int(rng.integers(3))], light)
            grain = 1 + 0.10 * noise(rng, "rough", (1.4, 0.7)) + 0.05 * noise(rng, "fine")
            wavy = beach + 5 * line(rng, 3, 4)
            edge = (wavy + np.linspace(-8, 8, SIZE) * rng.uniform(-1, 1)).astype(np.float32)
            _cover(image, edge - 3, np.asarray((232, 236, 236), dtype=np.float32))
            first = max(0, int(edge.min()) - 1)
            _cover(image, edge, (sand * grain[first:, :, None]).astype(np.float32))
            return beach + 18
    return None


def _foliage(rng: np.random.Generator, leaf: Colour, low: Colour, light: Light) -> Floats:
    """Out-of-focus leaves, limbs and discs of light."""
    shade = noise(rng, "cloud", (1.3, 1.3)) * np.float32(0.5) + np.float32(rng.uniform(0.25, 0.6))
    share = np.clip(shade + 0.25 * noise(rng, "cloud", (3.2, 3.2)), 0, 1)[:, :, None]
    dark, pale = tinted(scaled(leaf, 0.38), light), tinted(mix(leaf, low, 0.45), light, 1.1)
    image: Floats = (dark + share * (pale - dark)).astype(np.float32)
    half = SIZE // 2
    layer = Image.new("RGBX", (half, half))
    draw = ImageDraw.Draw(layer)
    for _ in range(int(rng.integers(2, 6))):  # limbs behind
        x, y, angle = rng.uniform((0, 0, 0), (half, half, np.pi)).tolist()
        dx, dy = 160 * np.cos(angle), 160 * np.sin(angle)
        colour = mix(scaled((84, 70, 58), rng.uniform(0.5, 1.1)), leaf, 0.3)
        width = int(rng.integers(1, 7))
        draw.line((x - dx, y - dy, x + dx, y + dy), fill=(*scaled(colour, 0.86), 220), width=width)
    count = int(rng.integers(14, 44))
    place, radius = rng.uniform(0, half, (count, 2)), rng.uniform(1.5, 7, count)
    glow = rng.uniform(0.1, 1.0, count)
    for x, y, r, g in np.column_stack([place, radius, glow]).tolist():
        colour = mix(scaled(leaf, 0.5 + g), low, 0.6 * g)
        share = 0.25 + 0.5 * g  # colours premultiplied by the coverage, as everywhere
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(*scaled(colour, share), int(255 * share)))
    soft = layer.filter(ImageFilter.GaussianBlur(float(rng.uniform(1.0, 2.6))))
    pixels = np.asarray(soft.resize((SIZE, SIZE), Image.Resampling.BILINEAR), dtype=np.float32)
    image *= 1 - pixels[:, :, 3:] / 255
    image += pixels[:, :, :3] * np.asarray(light.tint, dtype=np.float32)
    return image


def _wall(rng: np.random.Generator, light: Light) -> tuple[Floats, Colour]:
    """A rock face, a brick or stone wall, or planks: relief lit from the side."""
    kind = int(rng.choice(4, p=(0.45, 0.2, 0.2, 0.15)))
    colour = (
        ((140, 132, 122), (116, 110, 106), (164, 146, 120), (104, 100, 98)),
        ((146, 88, 68), (160, 112, 88), (132, 120, 110), (172, 160, 146)),
        ((130, 106, 82), (108, 94, 80), (150, 140, 128), (92, 76, 62)),
        ((190, 184, 170), (170, 174, 172), (196, 176, 146), (150, 150, 146)),
    )[kind][int(rng.integers(4))]
    relief = noise(rng, "cloud", (1.2, 0.8)) * np.float32(1.5)
    relief += noise(rng, "rough", (1.2, 1.0)) * np.float32(0.55)
    if kind == 0:
        strata = noise(rng, "cloud", (2.6, 0.5))  # cracks and steps along its contours
        relief += np.tanh(strata * 5) * np.float32(1.6) - np.exp(-((strata * 14) ** 2)) * np.float32(1.4)
    elif kind == 3:
        relief *= np.float32(0.35)
    rows, columns = np.arange(SIZE, dtype=np.float32)[:, None], np.arange(SIZE, dtype=np.float32)[None, :]
    tone = np.ones((SIZE, SIZE), dtype=np.float32)
    if kind == 1:
        height, width = rng.uniform(14, 26), rng.uniform(30, 60)
        course = np.floor((rows + rng.uniform(0, 20)) / height)
        shift = columns + (course % 2) * width / 2 + np.float32(rng.uniform(0, 50))
        y, x = (rows + rng.uniform(0, 20)) % height, shift % width
        joint = np.clip(np.minimum(np.minimum(y, height - y), np.minimum(x, width - x)) - 0.6, 0, 1.5) / 1.5
        brick = np.sin(course * 12.9 + np.floor(shift / width) * 78.2) * 0.5 + 0.5
        relief = relief * np.float32(0.5) + (joint * 1.6).astype(np.float32)
        tone = (0.78 + 0.22 * joint) * (0.86 + 0.24 * brick)
    elif kind == 2:
        width = rng.uniform(24, 44)
        x = (columns + rng.uniform(0, 40)) % width
        joint = np.clip(np.minimum(x, width - x) - 0.5, 0, 1.5) / 1.5
        plank = np.sin(np.floor((columns + 7) / width) * 37.7) * 0.5 + 0.5
        relief = noise(rng, "rough", (0.8, 7.0)) * np.float32(0.8) + (joint * 1.2).astype(np.float32)
        tone = (0.6 + 0.4 * joint) * (0.88 + 0.2 * plank)
    slope = np.zeros((SIZE, SIZE), dtype=np.float32)
    slope[:, 1:] += (relief[:, 1:] - relief[:, :-1]) * np.float32(-light.direction[0])
    slope[1:] += (relief[1:] - relief[:-1]) * np.float32(-light.direction[1])
    factor = np.clip(1 + slope * np.float32(0.35 + 0.4 * light.strength), 0.45, 1.5) * tone
    factor *= 1 + 0.13 * noise(rng, "cloud", (1.5, 1.5))
    image = (factor[:, :, None] * tinted(colour, light)).astype(np.float32)
    if rng.uniform() < 0.45:  # lichen or moss
        patch = np.clip(noise(rng, "rough", (2.2, 2.2)) * 2.0 - 0.9, 0, 0.65)[:, :, None]
        moss = tinted(((120, 128, 70), (176, 164, 90), (90, 104, 64))[int(rng.integers(3))], light)
        image += patch * (moss * factor[:, :, None] - image)
    return np.clip(image, 0, 255).astype(np.float32), colour
