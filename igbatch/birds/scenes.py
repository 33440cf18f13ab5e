"""Procedural scenes of eagles and magpies: the data set that is part of the package.

A scene is a function of its seed. Its stage (background, light, perches, pose, size and place of every bird)
is drawn first, from a random stream that does not depend on the species; species and individual come from
streams of their own. So the class evidence lies in the bird alone, by construction.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from igbatch.birds.drawing import SIZE, Drawing, Floats, Sprite, blend, rasterise
from igbatch.birds.flight import flying
from igbatch.birds.noise import noise
from igbatch.birds.species import individual
from igbatch.birds.staging import Slot, Stage, stage
from igbatch.birds.standing import standing

CLASSES = ("eagle", "magpie", "crow", "gull", "none")
KINDS = ("single", "double", "empty")
GENERATOR_VERSION = 1

_SHARES = {"single": 0.60, "double": 0.25, "empty": 0.15}
_BIRDS = {"single": ("eagle", "magpie", "crow", "gull"), "double": ("eagle", "magpie"), "empty": ("none",)}
_STAGE, _CAST, _BIRD, _KIND = range(4)  # random streams of a seed
_RATIO = 1.7  # of the drawn areas in a double, at least
_SMALLEST = 42.0  # pixels, longest side of the smaller bird in a double


@dataclass(frozen=True)
class SceneBox:
    """A bird's box: half-open pixels, tight around its visible silhouette."""

    label: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int


@dataclass(frozen=True)
class Scene:
    """A scene: `image` uint8 [224, 224, 3], `label` the class of the largest bird (`none` without one)."""

    seed: int
    kind: str
    image: NDArray[np.uint8]
    label: str
    boxes: tuple[SceneBox, ...]


@dataclass
class _Actor:
    slot: Slot
    species: str
    drawing: Drawing
    size: float
    sprite: Sprite | None = None

    @property
    def area(self) -> float:
        return 0.0 if self.sprite is None else float(np.count_nonzero(self.sprite.alpha > 0.5))


def render_scene(seed: int, kind: str | None = None, *, label: str | None = None) -> Scene:
    """Draw the scene of a seed.

    `kind` is `single` (one bird, perhaps with a clearly smaller crow or gull), `double` (an eagle and a
    magpie, one at least 1.6 times as large in area) or `empty`; None draws it from the seed (60, 25, 15 %).
    `label` forces the class of the largest bird and leaves the stage as it is: `double` takes eagle or
    magpie, `empty` none; where `kind` is None, the kind is drawn among those that can have the label.

    The same seed gives the same pixels. Seeds from 0 to 2**31 are free for held-out and users' scenes; the
    bundled model is trained on seeds from 2**32 on.

    Raises `ValueError` for a negative seed, an unknown kind or label, or a label that the kind
    cannot have.
    """
    return _drawn(seed, kind, label)[0]


def render_without_each(
    seed: int, kind: str | None = None, *, label: str | None = None
) -> tuple[Scene, tuple[NDArray[np.uint8], ...]]:
    """Draw the scene of a seed, and the same scene once without each of its birds.

    Bird and shadow are gone, and what they hid is seen; nothing else changes, since all was drawn before it
    is laid over each other: stage, other birds, exposure and noise are the same to the bit.

    Arguments and errors are those of `render_scene`.

    Returns:
        the scene, and pictures uint8 [224, 224, 3] in the order of its boxes.
    """
    scene, seen, finished = _drawn(seed, kind, label)
    return scene, tuple(finished(actor) for actor, _ in seen)


def write_scenes(directory: Path, count: int, first_seed: int = 0, kind: str | None = None) -> None:
    """Write scenes of `count` consecutive seeds as PNG files, with their boxes and a manifest.

    `directory` receives `scene-<seed>.png`, `boxes.csv` (image, label, x_min, y_min, x_max, y_max; half-open
    pixels) and `manifest.csv` (image_id, uri, label, kind, seed). Raises `ValueError` as `render_scene` does,
    and where `count` is negative.
    """
    if count < 0:
        raise ValueError(f"count is {count}: give a number of scenes of 0 or more")
    directory.mkdir(parents=True, exist_ok=True)
    with (
        (directory / "boxes.csv").open("w", newline="", encoding="utf-8") as boxes_file,
        (directory / "manifest.csv").open("w", newline="", encoding="utf-8") as manifest_file,
    ):
        boxes, manifest = csv.writer(boxes_file), csv.writer(manifest_file)
        boxes.writerow(["image", "label", "x_min", "y_min", "x_max", "y_max"])
        manifest.writerow(["image_id", "uri", "label", "kind", "seed"])
        for seed in range(first_seed, first_seed + count):
            scene = render_scene(seed, kind)
            name = f"scene-{seed}.png"
            Image.fromarray(scene.image).save(directory / name)
            manifest.writerow([name, name, scene.label, scene.kind, seed])
            for box in scene.boxes:
                boxes.writerow([name, box.label, box.x_min, box.y_min, box.x_max, box.y_max])


def _stream(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(GENERATOR_VERSION, number)))


def _checked_kind(seed: int, kind: str | None, label: str | None) -> str:
    if seed < 0:
        raise ValueError(f"scene seed is {seed}: give an integer of 0 or more")
    if label is not None and label not in CLASSES:
        raise ValueError(f"scene label is {label!r}: give one of {', '.join(CLASSES)}")
    if kind is None:
        kinds = [name for name in KINDS if label is None or label in _BIRDS[name]]
        shares = np.array([_SHARES[name] for name in kinds])
        return kinds[int(_stream(seed, _KIND).choice(len(kinds), p=shares / shares.sum()))]
    if kind not in KINDS:
        raise ValueError(f"scene kind is {kind!r}: give one of {', '.join(KINDS)}")
    if label is not None and label not in _BIRDS[kind]:
        raise ValueError(
            f"scene label is {label!r} in a scene of kind {kind}: give one of {', '.join(_BIRDS[kind])}"
        )
    return kind


def _staged(seed: int, kind: str, label: str | None) -> tuple[Stage, list[_Actor]]:
    """The stage and the birds on it, drawn but not yet laid over it; the largest bird comes last."""
    setting = stage(_stream(seed, _STAGE), kind)
    actors = _cast(_stream(seed, _CAST), seed, setting, label)
    for actor in actors:
        _draw(actor, setting)
    if kind == "double":
        _keep_ratio(actors, setting)
    return setting, actors


def _cast(rng: np.random.Generator, seed: int, setting: Stage, label: str | None) -> list[_Actor]:
    """Choose a species for every slot and draw the individuals."""
    double = any(slot.role == "second" for slot in setting.slots)
    birds = _BIRDS["double" if double else "single"]
    drawn = birds[int(rng.integers(len(birds)))]
    main = drawn if label is None else label
    extra = ("crow", "gull")[int(rng.integers(2))]
    second = "magpie" if main == "eagle" else "eagle"
    cast = {"main": main, "second": second, "distractor": extra}
    actors = []
    for slot in setting.slots:
        species = cast[slot.role]
        own = _stream(seed, _BIRD + 16 * (1 + list(cast).index(slot.role)))
        bird = individual(species, own)
        if slot.family == "flying":
            drawing = flying(own, bird, slot.posture, slot.wings)
        else:
            drawing = standing(own, bird, slot.posture, slot.family == "ground")
        actors.append(_Actor(slot, species, drawing, slot.size))
    return actors


def _draw(actor: _Actor, setting: Stage) -> None:
    slot = actor.slot
    x_min, y_min, x_max, y_max = actor.drawing.bounds(slot.turn)
    scale = actor.size / max(x_max - x_min, y_max - y_min)
    at = (slot.x, slot.y)
    if slot.family == "flying":
        dx, dy = (x_min + x_max) / 2, (y_min + y_max) / 2
        at = (slot.x - (-dx if slot.mirror else dx) * scale, slot.y + dy * scale)
    actor.sprite = rasterise(
        actor.drawing, at, scale, setting.landscape.light, setting.grain, turn=slot.turn, mirror=slot.mirror
    )
    if actor.sprite is not None and slot.haze > 0:
        haze = np.asarray(setting.landscape.light.haze, dtype=np.float32)
        rgb, alpha = actor.sprite.rgb, actor.sprite.alpha
        rgb += np.float32(slot.haze) * (alpha[:, :, None] * haze - rgb)


def _keep_ratio(actors: list[_Actor], setting: Stage) -> None:
    """Shrink the smaller bird of a double, then grow the larger, until their areas differ enough."""
    by_role = {actor.slot.role: actor for actor in actors}
    main, second = by_role["main"], by_role["second"]
    for _ in range(6):
        if main.area >= _RATIO * second.area:
            return
        smaller = second.size * np.sqrt(main.area / (_RATIO * 1.06 * second.area))
        if second.size > _SMALLEST:
            second.size = float(max(smaller, _SMALLEST))
            _draw(second, setting)
        else:
            main.size *= 1.12
            _draw(main, setting)


def _drawn(
    seed: int, kind: str | None, label: str | None
) -> tuple[Scene, list[tuple[_Actor, SceneBox]], Callable[[_Actor], NDArray[np.uint8]]]:
    """Draw a scene; also its birds with their boxes, and what draws the scene without one of them."""
    kind = _checked_kind(seed, kind, label)
    setting, actors = _staged(seed, kind, label)
    seen = _seen(actors)

    def picture(without: _Actor | None = None) -> NDArray[np.uint8]:
        image = _compose(setting, [actor for actor in actors if actor is not without])
        return _finish(_stream(seed, _STAGE + 8), setting, image)

    largest = max(actors, key=lambda actor: actor.area).species if actors else "none"
    return Scene(seed, kind, picture(), largest, tuple(box for _, box in seen)), seen, picture


def _seen(actors: list[_Actor]) -> list[tuple[_Actor, SceneBox]]:
    """Measure what stays visible of each bird, the largest in front and first; leave out what is hidden."""
    hidden = np.zeros((SIZE, SIZE), dtype=np.float32)
    found = []
    for actor in reversed(actors):
        if actor.sprite is not None:
            box = _box(actor, actor.sprite.alpha * (1 - hidden[actor.sprite.window]))
            found += [] if box is None else [(actor, box)]
            hidden[actor.sprite.window] = np.maximum(hidden[actor.sprite.window], actor.sprite.alpha)
    return found


def _compose(setting: Stage, actors: list[_Actor]) -> Floats:
    """Lay birds over a copy of the stage, the largest in front."""
    image = setting.image.copy()
    for actor in actors:
        if actor.sprite is not None and actor.slot.family == "ground":
            _shadow(image, actor.sprite, actor.slot, setting)
    for actor in actors:
        blend(image, actor.sprite)
    return image


def _box(actor: _Actor, seen: Floats) -> SceneBox | None:
    assert actor.sprite is not None
    seen_rows, seen_columns = (np.flatnonzero((seen > 0.25).any(axis=axis)) for axis in (1, 0))
    if not len(seen_rows):
        return None
    rows, columns = (actor.sprite.top + seen_rows).tolist(), (actor.sprite.left + seen_columns).tolist()
    return SceneBox(actor.species, columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def _shadow(image: Floats, sprite: Sprite, slot: Slot, setting: Stage) -> None:
    """A soft shadow on the ground below the feet: the silhouette, squashed."""
    height, width = sprite.alpha.shape
    flat = max(3, int(0.2 * height))
    mask = Image.fromarray((sprite.alpha * 255).astype(np.uint8)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    soft = mask.resize((width, flat), Image.Resampling.BOX).reduce(2).resize((width, flat))
    squashed = np.asarray(soft, dtype=np.float32)
    light = setting.landscape.light
    top = min(max(0, int(slot.y) - flat // 3), SIZE - 1)
    left = sprite.left - int(light.direction[0] * 0.12 * width)
    x0, x1, y1 = max(0, left), min(SIZE, left + width), min(SIZE, top + flat)
    if x1 > x0 and y1 > top:
        part = squashed[: y1 - top, x0 - left : x1 - left, None] / 255
        image[top:y1, x0:x1] *= 1 - part * np.float32(0.25 + 0.35 * light.strength)


def _finish(rng: np.random.Generator, setting: Stage, image: Floats) -> NDArray[np.uint8]:
    """Exposure and sensor noise, the same over the whole picture."""
    image *= np.float32(setting.exposure)
    image += (noise(rng, "fine") * np.float32(rng.uniform(1.0, 5.0)))[:, :, None]
    return np.clip(image + 0.5, 0, 255, out=image).astype(np.uint8)
