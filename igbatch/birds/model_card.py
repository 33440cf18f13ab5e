"""The model card of the bundled Swin: written from its recipe and its evaluation, beside its weights."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import timm
import torch
from jinja2 import StrictUndefined, Template
from safetensors.torch import save_file
from torch import nn

from igbatch.birds.bundled import BUNDLED_ARCHITECTURE
from igbatch.birds.evaluation import Evaluation, evaluate
from igbatch.birds.scenes import CLASSES, GENERATOR_VERSION
from igbatch.birds.training import Recipe, train

WEIGHTS_FILE = "swin_igbatch.safetensors"
CARD_FILE = "MODEL_CARD.md"


def train_and_describe(
    directory: Path, *, seed: int, share: float, threads: int, say: Callable[[str], None]
) -> Evaluation:
    """Train by the recipe, save float16 weights, evaluate them as saved, and write the model card.

    `share` shortens every phase, to try the recipe out. Threads do not change the recipe, but its rounding.
    """
    recipe = Recipe(seed=seed)
    phases = tuple(replace(p, samples=max(p.batch, int(p.samples * share))) for p in recipe.phases)
    recipe = replace(recipe, phases=phases)
    torch.set_num_threads(threads)
    start = time.monotonic()
    model = train(recipe, say)
    minutes = (time.monotonic() - start) / 60
    save_weights(model, directory / WEIGHTS_FILE)
    say(f"trained in {minutes:.0f} minutes; evaluating on held-out scenes")
    return describe(directory, recipe, minutes, threads)


def save_weights(model: nn.Module, path: Path) -> None:
    """Save weights as float16 safetensors, with the class names and the generator's version beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {
        "architecture": BUNDLED_ARCHITECTURE,
        "classes": ",".join(CLASSES),
        "scenes": str(GENERATOR_VERSION),
    }
    save_file(tensors, path, metadata=metadata)


def describe(
    directory: Path, recipe: Recipe, minutes: float, threads: int, scenes: int = 2000, remark: str = ""
) -> Evaluation:
    """Evaluate the weights in `directory` as they were saved and write their model card.

    `remark` goes into the card where these weights came about otherwise than by one run of the recipe.
    """
    file = directory / WEIGHTS_FILE
    model = timm.create_model(
        BUNDLED_ARCHITECTURE, pretrained=True, pretrained_cfg_overlay={"file": str(file)}
    )
    evaluation = evaluate(model.eval(), scenes=scenes)
    template = Path(__file__).with_name(f"{CARD_FILE}.j2").read_text("utf-8")
    card = Template(template, trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined).render(
        architecture=BUNDLED_ARCHITECTURE,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        size=file.stat().st_size,
        classes=CLASSES,
        evaluation=evaluation,
        recipe=recipe,
        settings=", ".join(f"{key} {value}" for key, value in asdict(recipe).items() if key != "phases"),
        minutes=minutes,
        machine=platform.machine(),
        threads=threads,
        remark=remark,
        generator=GENERATOR_VERSION,
    )
    (directory / CARD_FILE).write_text(card, "utf-8")
    return evaluation
