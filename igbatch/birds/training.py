"""Training of the bundled Swin on freshly drawn scenes: the recipe behind `igbatch train`.

There are no epochs: workers draw scenes all the time, from seeds that users' data sets never touch
(`igbatch.birds.scenes`). In the phases with a `token_weight` a second head, thrown away afterwards, is also
trained to name what each patch shows; a run without it was still at chance after 26,000 views.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import timm
import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from igbatch.birds.bundled import BUNDLED_ARCHITECTURE
from igbatch.birds.scenes import CLASSES, Scene, render_scene

TRAINING_SEED = 2**32
"""Scenes of this seed and above are the training set; those below are for held-out and users' data sets."""

NONE = CLASSES.index("none")


@dataclass(frozen=True)
class Phase:
    """A stretch of training at one resolution: `samples` views, each a square of `side` pixels.

    `faint` is the share of views that are faded towards mid-gray, `empty` that of scenes that are drawn
    without a bird beyond those that the generator leaves without one.
    """

    side: int
    samples: int
    peak_rate: float
    token_weight: float
    faint: float
    empty: float = 0.0
    batch: int = 64


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the trained weights, apart from the arithmetic of the machine."""

    seed: int = 0
    phases: tuple[Phase, ...] = (
        Phase(112, 64_000, 1e-3, token_weight=1.0, faint=0.2),
        Phase(224, 40_000, 8e-4, token_weight=1.0, faint=0.5),
        Phase(224, 40_000, 4e-4, token_weight=0.0, faint=0.6),
        Phase(224, 64_000, 6e-4, token_weight=0.5, faint=0.35, empty=0.15),
    )
    views_per_scene: int = 2
    scene_pool: int = 256
    weight_decay: float = 0.05
    smoothing: float = 0.02
    faint_below: float = 0.15
    minimum_contrast: float = 0.02
    average_decay: float = 0.998
    loaders: int = 2


class View(NamedTuple):
    """One augmented view of a scene, or a batch of them.

    Attributes:
        pixels: float32 [3, side, side] in 0..1.
        target: float32 [classes], the probabilities to predict.
        tokens: float32 [classes, side / 16, side / 16], the same for each patch of the third stage.
    """

    pixels: Tensor
    target: Tensor
    tokens: Tensor


class FreshViews(IterableDataset[View]):
    """Endless augmented views of scenes that are drawn as they are needed.

    A worker holds a pool of scenes and replaces one of them every `views_per_scene` views.
    """

    def __init__(self, recipe: Recipe, phase: int) -> None:
        self.recipe = recipe
        self.phase = phase

    def __iter__(self) -> Iterator[View]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        recipe, phase = self.recipe, self.recipe.phases[self.phase]
        rng = np.random.default_rng([recipe.seed, self.phase, worker])
        first = TRAINING_SEED + (recipe.seed * len(recipe.phases) + self.phase) * 2**40 + worker
        scenes = (
            render_scene(first + workers * count, "empty" if rng.random() < phase.empty else None)
            for count in range(2**40)
        )
        pool = [next(scenes) for _ in range(8)]
        while True:
            for _ in range(recipe.views_per_scene):
                yield view(pool[rng.integers(len(pool))], recipe, phase, rng)
            if len(pool) < recipe.scene_pool:
                pool.append(next(scenes))
            else:
                pool[rng.integers(len(pool))] = next(scenes)


def view(scene: Scene, recipe: Recipe, phase: Phase, rng: np.random.Generator) -> View:
    """Turn a scene into one training view: mirrored, recoloured, and faded towards mid-gray."""
    pixels = torch.from_numpy(scene.image).permute(2, 0, 1).float().div_(255)
    tokens = token_classes(scene, phase.side // 16)
    if phase.side != scene.image.shape[0]:
        pixels = F.interpolate(pixels[None], (phase.side, phase.side), mode="bilinear", antialias=True)[0]
    if rng.random() < 0.5:
        pixels, tokens = pixels.flip(-1), tokens.flip(-1)
    if rng.random() < 0.5:
        pixels = pixels ** float(np.exp(rng.normal(0, 0.15)))
        pixels = pixels * torch.from_numpy(rng.normal(1, 0.04, (3, 1, 1)).astype(np.float32))
    contrast = 1.0
    if rng.random() < phase.faint:
        contrast = float(np.exp(rng.uniform(math.log(recipe.minimum_contrast), 0)))
    shift = float(rng.normal(0, 0.08)) * (1 - contrast) if rng.random() < 0.5 else 0.0
    pixels = (0.5 + shift + (pixels - 0.5) * contrast).clamp_(0, 1)
    if rng.random() < 0.02:
        pixels, contrast = torch.full_like(pixels, 0.5 + shift), 0.0
    label = torch.tensor(CLASSES.index(scene.label))
    targets = (soft_target(classes, contrast, recipe) for classes in (label, tokens))
    return View(pixels.contiguous(), *targets)


def token_classes(scene: Scene, grid: int) -> Tensor:
    """Return the class of each patch, int64 [grid, grid]: that of the box that covers most of it.

    A patch that no box covers to a quarter is `none`; of boxes that cover alike, the last one counts.
    """
    edges = np.linspace(0, scene.image.shape[0], grid + 1)
    classes, best = np.full((grid, grid), NONE), np.full((grid, grid), 0.25)
    for box in scene.boxes:
        across = np.clip(np.minimum(box.x_max, edges[1:]) - np.maximum(box.x_min, edges[:-1]), 0, None)
        down = np.clip(np.minimum(box.y_max, edges[1:]) - np.maximum(box.y_min, edges[:-1]), 0, None)
        covered = np.outer(down, across) / (edges[1] - edges[0]) ** 2
        classes[covered >= best] = CLASSES.index(box.label)
        best = np.maximum(best, covered)
    return torch.from_numpy(classes)


def soft_target(classes: Tensor, contrast: float, recipe: Recipe) -> Tensor:
    """Return target probabilities [classes, ...] for class indices [...].

    `contrast` is 1 for what is as drawn and 0 for plain gray. What is fainter than `faint_below` counts as
    bird-less in proportion to what is missing, so that the model has no reason to tip from one class to
    another at some contrast: evidence fades in from the gray image.
    """
    visible = min(1.0, contrast / recipe.faint_below)
    target = F.one_hot(classes, len(CLASSES)).movedim(-1, 0).float() * visible
    target[NONE] += 1 - visible
    return target * (1 - recipe.smoothing) + recipe.smoothing / len(CLASSES)


def train(recipe: Recipe, report: Callable[[str], None] = print) -> nn.Module:
    """Train the bundled architecture by `recipe` on the CPU; return it with averaged weights, in eval mode.

    `report` gets a line every hundred steps. Torch's global generator is seeded and used.
    """
    torch.manual_seed(recipe.seed)
    start = time.monotonic()

    def say(line: str) -> None:
        report(f"{line}, {(time.monotonic() - start) / 60:.1f} min")

    model = _build(224)
    for index, phase in enumerate(recipe.phases):
        model = _at_side(model, phase.side)
        averaged = copy.deepcopy(model)
        _train_phase(model, averaged, recipe, index, say)
        model = averaged
    return _at_side(model, 224).eval()


def _at_side(model: nn.Module, side: int) -> SwinTransformer:
    """Return the same weights in a model for squares of `side` pixels, which relative position biases fit."""
    other = _build(side)
    other.load_state_dict(model.state_dict())
    return other


def _build(side: int) -> SwinTransformer:
    model = timm.create_model(BUNDLED_ARCHITECTURE, img_size=side, always_partition=side != 224)
    assert isinstance(model, SwinTransformer)
    return model


def _train_phase(
    model: SwinTransformer, averaged: nn.Module, recipe: Recipe, index: int, say: Callable[[str], None]
) -> None:
    phase = recipe.phases[index]
    steps = phase.samples // phase.batch
    loader = DataLoader(
        FreshViews(recipe, index),
        batch_size=phase.batch,
        num_workers=recipe.loaders,
        prefetch_factor=4 if recipe.loaders else None,
    )
    token_head = nn.Linear(model.feature_info[2]["num_chs"], len(CLASSES))
    parameters = [*model.parameters(), *token_head.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=phase.peak_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, phase.peak_rate, total_steps=steps + 1, pct_start=0.08, div_factor=20, final_div_factor=50
    )
    model.train()
    loss_history: list[float] = []
    hits: list[float] = []
    for step, batch in enumerate(islice(loader, steps)):
        with torch.autocast("cpu", torch.bfloat16):
            logits, tokens = _forward(model, token_head, (batch.pixels - 0.5) / 0.5)
        loss = F.cross_entropy(logits.float(), batch.target)
        loss_history.append(float(loss.detach()))
        if phase.token_weight:
            loss = loss + phase.token_weight * F.cross_entropy(tokens.float(), batch.tokens)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        _average(averaged, model, min(recipe.average_decay, (1 + step) / (10 + step)))
        hits.append(float((logits.argmax(1) == batch.target.argmax(1)).float().mean()))
        if (step + 1) % 100 == 0 or step + 1 == steps:
            say(
                f"{phase.side} px, step {step + 1} of {steps}: loss {np.mean(loss_history):.3f}, "
                f"accuracy on varied contrast {100 * np.mean(hits):.1f} %"
            )
            loss_history, hits = [], []


def _forward(model: SwinTransformer, token_head: nn.Linear, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits [N, classes] and the third stage's patches' own [N, classes, side / 16, side / 16]."""
    features = model.layers[2](model.layers[1](model.layers[0](model.patch_embed(images))))
    tokens = token_head(features).movedim(-1, 1)
    logits: Tensor = model.forward_head(model.norm(model.layers[3](features)))
    return logits, tokens


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    for mine, theirs in zip(averaged.parameters(), model.parameters(), strict=True):
        mine.lerp_(theirs, 1 - decay)
