"""Infidelity and maximum sensitivity of maps, by captum's own functions, for all targets of an image at once.

Perturbations follow from a seed, the image's id and their number alone: a repeated call draws the same ones,
and so does one with another micro-batch. Targets share them, and so share forward passes.

Source: Yeh et al., *On the (In)fidelity and Sensitivity of Explanations*, NeurIPS 2019.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .engine import default_micro_batch
from .frozen import Model, frozen
from .outputs import output_named
from .precision import precision_named
from .settings import Example, Settings

__all__ = ["PATCH", "Draws", "Explain", "infidelity", "max_sensitivity"]

PATCH = 0.5
"""Side of the square that is removed, over the shorter side of the image."""

NOISY_IMAGES = 32
"""Noisy images that are explained at a time: enough to fill the micro-batches of a wave."""

Explain = Callable[[Tensor], Tensor]
"""From n images [n, C, H, W] to their maps, floating [n, K, ...]."""


@dataclass(frozen=True)
class Draws:
    """The perturbations of one image: as many of them as `count`, under a seed.

    Draw i is the same whatever the count.
    """

    image_id: str
    seed: int
    count: int

    def patches(self, height: int, width: int) -> Iterator[NDArray[np.bool_]]:
        """Yield squares within the image, every place equally likely: bool [H, W], True inside."""
        side = max(1, round(PATCH * min(height, width)))
        for generator in self._generators("patch"):
            top, left = (int(generator.integers(0, length - side + 1)) for length in (height, width))
            patch = np.zeros((height, width), dtype=np.bool_)
            patch[top : top + side, left : left + side] = True
            yield patch

    def noise(self, shape: tuple[int, ...]) -> Iterator[NDArray[np.float32]]:
        """Yield uniform noise from -1 to 1: float32 of that shape."""
        for generator in self._generators("noise"):
            yield np.float32(2) * generator.random(shape, dtype=np.float32) - np.float32(1)

    def _generators(self, kind: str) -> Iterator[np.random.Generator]:
        for number in range(self.count):
            entropy = hashlib.sha256(f"{kind}:{self.seed}:{number}:{self.image_id}".encode()).digest()
            yield np.random.default_rng(int.from_bytes(entropy))


def infidelity(
    model: Model, example: Example, attributions: Tensor, settings: Settings, draws: Draws
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the infidelity of an image's maps under removal of squares, and that of maps of zeros.

    A perturbation puts the baseline into a square: its sum of attributions should be what the output loses.
    The mean of ``(sum in the square - (F(image) - F(image without the square)))**2`` is the infidelity, not
    normalized. That of a map of zeros is the mean square of the output's loss: their ratio is 0 for a map
    that tells the loss exactly, and 1 for one that tells nothing.

    Args:
        model: as `integrated_gradients` takes it; its passes are in full float32, or float64 where the
            settings say so, and of at most their micro-batch of rows.
        example: the image [C, H, W], its baseline and K targets.
        attributions: [K, C, H, W], channels kept.
        settings: whose output and micro-batch count.
        draws: the perturbations.

    Returns:
        two float64 [K], in squares of the output's unit.

    Source: Yeh et al. 2019, definition 2.1, with the perturbations of *square removal*, section 3.2.
    """
    from captum.metrics import infidelity as captum_infidelity

    maps = torch.cat([attributions, torch.zeros_like(attributions)]).double()
    rows = len(maps)  # captum's examples: every target with its map, and again with a map of zeros
    found = captum_infidelity(
        _scores(model, example, settings, rows),
        _removal(example, draws, rows),
        example.image.expand(rows, *example.image.shape),
        maps,
        n_perturb_samples=draws.count,
        max_examples_per_batch=rows * min(draws.count, _micro_batch(settings, example)),
        normalize=False,
    )
    numbers = np.asarray(found.double().cpu().numpy())
    return numbers[: rows // 2], numbers[rows // 2 :]


def _removal(example: Example, draws: Draws, rows: int) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Return captum's perturbation: where the square is, and images without it; alike for its examples."""
    patches = draws.patches(*example.image.shape[-2:])

    def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
        some = np.stack(list(islice(patches, len(inputs) // rows)))
        inside = torch.from_numpy(some).to(inputs.device)[:, None]
        inside = inside.expand(-1, *inputs.shape[1:]).repeat(rows, 1, 1, 1)
        return inside.double(), torch.where(inside, example.baseline.to(inputs.dtype), inputs)

    return perturb


def _scores(model: Model, example: Example, settings: Settings, rows: int) -> Callable[[Tensor], Tensor]:
    """Return captum's forward function: images of its first example go through the model, for all targets."""
    precision = precision_named(settings.precision)
    precision = precision if precision.exact else precision_named("float32")
    output = output_named(settings.output)

    def scores(inputs: Tensor) -> Tensor:
        points = inputs[: len(inputs) // rows]
        owners = torch.zeros(len(points), dtype=torch.int64, device=points.device)
        with frozen(model, precision, points.device) as forward, precision.passes(points.device):
            logits = forward(points.to(precision.dtype), owners)
        targets = example.targets.to(points.device).expand(len(points), -1)
        found = output.value(logits.double()).gather(1, targets).T
        return found.repeat(rows // len(found), 1).flatten()

    return scores


def max_sensitivity(
    explain: Explain, example: Example, radius: Tensor | float, draws: Draws
) -> NDArray[np.float64]:
    """Return how far an image's maps move at most, relative to their L2 norm, when the image moves a little.

    The image gets uniform noise between -radius and radius, and is not clipped. Where a map is 0 throughout
    the number is not relative.

    Args:
        explain: how maps are made.
        example: the image [C, H, W] and its K targets.
        radius: of the noise, in units of the image: a number, or one that broadcasts to it.
        draws: the perturbations.

    Returns:
        float64 [K], without unit.

    Source: Yeh et al. 2019, definition 3.1, by sampling; captum divides by the norm of the map.
    """
    from captum.metrics import sensitivity_max

    targets = len(example.targets)
    noise = draws.noise(tuple(example.image.shape))

    def perturb(inputs: Tensor) -> Tensor:
        some = np.stack(list(islice(noise, len(inputs) // targets)))
        return inputs + (torch.from_numpy(some).to(inputs.device) * radius).repeat(targets, 1, 1, 1)

    def explained(inputs: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        if isinstance(inputs, tuple):  # captum's first call, which wants a tuple back
            return tuple(of_targets(points) for points in inputs)
        return of_targets(inputs)

    def of_targets(points: Tensor) -> Tensor:
        return explain(points[: len(points) // targets]).transpose(0, 1).flatten(0, 1).double()

    found = sensitivity_max(
        explained, example.image.expand(targets, *example.image.shape), perturb,
        n_perturb_samples=draws.count, max_examples_per_batch=targets * min(NOISY_IMAGES, draws.count),
    )  # fmt: skip
    return np.asarray(found.double().cpu().numpy())


def _micro_batch(settings: Settings, example: Example) -> int:
    return settings.micro_batch or default_micro_batch(example.image.device)
