"""Measuring the bundled model on scenes that it was never trained on, and on the gray image."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor, nn

from igbatch.birds.scenes import CLASSES, render_scene

CONTRASTS = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03, 0.0)
BATCH = 32


@dataclass(frozen=True)
class Evaluation:
    """What the model says of held-out scenes.

    Attributes:
        first_seed, scenes: seeds of the scenes: so many from the first on, drawn as by `igbatch scenes`.
        confusion: counts over them, int [true class, predicted class].
        kinds: for each kind of scene its number and how many were named right (a double by its larger bird).
        faint: by contrast towards mid-gray, mean probabilities of the true class and of `none` over scenes
            with a bird.
        gray: probabilities of the plain mid-gray image, by class.
    """

    first_seed: int
    scenes: int
    confusion: np.ndarray
    kinds: dict[str, tuple[int, int]]
    faint: dict[float, tuple[float, float]]
    gray: dict[str, float]

    @property
    def accuracy(self) -> float:
        """Share of scenes whose class is named right (top-1)."""
        return float(np.trace(self.confusion) / self.confusion.sum())


def evaluate(
    model: nn.Module, scenes: int = 2000, first_seed: int = 0, faint_scenes: int = 200
) -> Evaluation:
    """Evaluate the bundled model on held-out seeds; `faint_scenes` of them are faded towards mid-gray too."""
    confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=int)
    kinds: dict[str, list[int]] = {}
    birds: list[Tensor] = []
    truth: list[int] = []
    for pixels, labels, names in _drawn(range(first_seed, first_seed + scenes)):
        predicted = _probabilities(model, pixels).argmax(1)
        for image, label, name, prediction in zip(pixels, labels, names, predicted.tolist(), strict=True):
            confusion[label, prediction] += 1
            kinds.setdefault(name, []).append(int(label == prediction))
            if CLASSES[label] != "none" and len(birds) < faint_scenes:
                birds.append(image)
                truth.append(label)
    gray = _probabilities(model, torch.full((1, 3, 224, 224), 0.5))[0]
    return Evaluation(
        first_seed=first_seed,
        scenes=scenes,
        confusion=confusion,
        kinds={name: (len(hits), sum(hits)) for name, hits in sorted(kinds.items())},
        faint=_faint(model, torch.stack(birds), torch.tensor(truth)) if birds else {},
        gray=dict(zip(CLASSES, gray.tolist(), strict=True)),
    )


def _faint(model: nn.Module, birds: Tensor, truth: Tensor) -> dict[float, tuple[float, float]]:
    found = {}
    for contrast in CONTRASTS:
        parts = (birds[start : start + BATCH] for start in range(0, len(birds), BATCH))
        chances = torch.cat([_probabilities(model, 0.5 + contrast * (part - 0.5)) for part in parts])
        right = chances.gather(1, truth[:, None])
        found[contrast] = (float(right.mean()), float(chances[:, CLASSES.index("none")].mean()))
    return found


@torch.no_grad()
def _probabilities(model: nn.Module, pixels: Tensor) -> Tensor:
    """Return probabilities [N, classes] of pixels [N, 3, 224, 224] in 0..1, normalized by 0.5 and 0.5."""
    return torch.softmax(model.eval()((pixels - 0.5) / 0.5).double(), dim=1)


def _drawn(seeds: range) -> Iterator[tuple[Tensor, list[int], list[str]]]:
    """Draw scenes in a process beside this one and yield them in batches: pixels, labels, kinds."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        drawn = pool.map(render_scene, seeds, chunksize=BATCH)
        for _ in seeds[::BATCH]:
            batch = list(islice(drawn, BATCH))
            images = torch.from_numpy(np.stack([each.image for each in batch])).permute(0, 3, 1, 2)
            labels = [CLASSES.index(each.label) for each in batch]
            yield images.float() / 255, labels, [each.kind for each in batch]
