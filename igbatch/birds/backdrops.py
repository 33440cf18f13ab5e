"""Backgrounds close behind the bird: foliage out of focus, and walls of rock, brick, planks or plaster."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from igbatch.birds.drawing import SIZE, Colour, Floats, Light, mix, scaled, tinted
from igbatch.birds.noise import noise


def foliage(rng: np.random.Generator, leaf: Colour, low: Colour, light: Light) -> Floats:
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


def wall(rng: np.random.Generator, light: Light) -> tuple[Floats, Colour]:
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
