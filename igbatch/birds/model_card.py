"""The model card of the bundled Swin: written from its recipe and its evaluation, beside its weights."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import timm
import torch
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
    model = timm.create_model(
        BUNDLED_ARCHITECTURE, pretrained=True, pretrained_cfg_overlay={"file": str(directory / WEIGHTS_FILE)}
    )
    evaluation = evaluate(model.eval(), scenes=scenes)
    size = (directory / WEIGHTS_FILE).stat().st_size
    parameters = sum(parameter.numel() for parameter in model.parameters())
    (directory / CARD_FILE).write_text(
        _card(evaluation, recipe, minutes, threads, size, parameters, remark), "utf-8"
    )
    return evaluation


def _card(
    evaluation: Evaluation,
    recipe: Recipe,
    minutes: float,
    threads: int,
    size: int,
    parameters: int,
    remark: str,
) -> str:
    confusion = "\n".join(
        f"| **{name}** | " + " | ".join(str(count) for count in row) + " |"
        for name, row in zip(CLASSES, evaluation.confusion, strict=True)
    )
    kinds = "\n".join(
        f"| {kind} | {total} | {right} | {100 * right / total:.1f} % |"
        for kind, (total, right) in evaluation.kinds.items()
    )
    faint = "\n".join(
        f"| {100 * contrast:.0f} % | {right:.3f} | {bare:.3f} |"
        for contrast, (right, bare) in evaluation.faint.items()
    )
    gray = ", ".join(f"{name} {chance:.4f}" for name, chance in evaluation.gray.items())
    phases = "\n".join(
        f"| {phase.side} | {phase.samples:,} | {phase.peak_rate:g} | {phase.token_weight:g} "
        f"| {100 * phase.faint:.0f} % | {100 * phase.empty:.0f} % |"
        for phase in recipe.phases
    )
    settings = ", ".join(f"{key} {value}" for key, value in asdict(recipe).items() if key != "phases")
    last = evaluation.first_seed + evaluation.scenes - 1
    return f"""# {BUNDLED_ARCHITECTURE}

A small Swin Transformer that names the largest bird of a drawn scene. It ships with igbatch so that the job
has a trained model on any machine, and so that there are images on which the place of the evidence is known.

**It knows drawn scenes, not photographs.** What it says of a photograph means nothing.

- Architecture: timm's `SwinTransformer`, 224 x 224, patch 4, window 7, embedding 32, depths 1-1-4-2,
  heads 1-2-4-8; {parameters / 1e6:.2f} million parameters, float16 safetensors of {size / 1e6:.1f} MB.
- Input: RGB, mean 0.5 and standard deviation 0.5 in every channel, so that mid-gray is exactly 0.
- Classes: {", ".join(CLASSES)} (`none`: a scene without a bird).
- License: Apache-2.0, like igbatch; no image but drawn ones was used.

## Accuracy

Top-1 on {evaluation.scenes:,} scenes of seeds {evaluation.first_seed} to {last}, as `igbatch scenes` draws
them and never trained on: **{100 * evaluation.accuracy:.2f} %**.

| kind of scene | scenes | named right | |
|---|---|---|---|
{kinds}

In a `double` both an eagle and a magpie are there, and right means the larger one.

Confusion matrix (rows: the truth, columns: what the model says):

| | {" | ".join(CLASSES)} |
|---|{"---|" * len(CLASSES)}
{confusion}

## The gray image, and the way to it

The mid-gray image, which is the default baseline of Integrated Gradients, gets {gray}.

Scenes with a bird, faded towards mid-gray as along the path of integration (mean probabilities):

| contrast | true class | none |
|---|---|---|
{faint}

## Recipe

`igbatch train DIR --seed {recipe.seed}`: {minutes:.0f} minutes on 2 CPU cores ({platform.machine()};
{threads} thread(s) for the model, {recipe.loaders} processes that draw), AdamW, one cycle of the learning
rate in each phase, bfloat16 autocast, averaged weights. Scenes are drawn all the time, from seeds above
2**32; each is seen about {recipe.views_per_scene} times, mirrored, recoloured and faded to anything between
full contrast and plain gray. What is fainter than {100 * recipe.faint_below:.0f} % counts as bird-less in
proportion, so that the probability fades in along the path from the gray image instead of tipping over.

| pixels | views | peak rate | weight of the patch head | faded views | scenes emptied |
|---|---|---|---|---|---|
{phases}

{remark}

In the phases with a patch head, a second linear head (thrown away afterwards) is asked for the class of each
16 x 16 patch, known from the boxes; a run without it was still at chance after 26,000 views. **The model has
therefore been told where birds are.** Keep that in mind when its maps are scored against the same boxes.

Settings: {settings}; scene generator version {GENERATOR_VERSION}.
"""
