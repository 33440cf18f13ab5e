"""The classes that a trained model ranks highest for each image: what `predicted` and `top-<k>` stand for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from igbatch.pipeline.models import Models, batched_logits
from igbatch.pipeline.plan import Shard, ShardImage

KEPT_IMAGES = 100_000
"""Images whose rankings a worker remembers, for the next variant of their model."""


class Rankings:
    """Ranks images by their trained model, in batches, once each and not once a variant.

    Args:
        models: of the worker.
        rows: images that go through the model together.
    """

    def __init__(self, models: Models, rows: int) -> None:
        self.rows = rows
        self._models = models
        self._known: dict[tuple[str, str, str], list[int]] = {}

    def of(self, shard: Shard, images: Sequence[tuple[ShardImage, Tensor]]) -> list[list[int]]:
        """Return the classes of each image, the likeliest first, as many as the shard's targets ask for.

        Args:
            shard: whose variant's trained model ranks.
            images: with their pixels as the model takes them, [3, H, W] on its device.
        """
        count = classes_requested(shard.targets)
        if not count:
            return [[] for _ in images]
        model = shard.spec.model
        keys = [(model, image.image_id, image.etag) for image, _ in images]
        fresh = [place for place, key in enumerate(keys) if len(self._known.get(key, ())) < count]
        for start in range(0, len(fresh), self.rows):
            places = fresh[start : start + self.rows]
            logits = batched_logits(self._models.trained(model), [images[place][1] for place in places])
            ranked = torch.argsort(logits, dim=1, descending=True, stable=True)[:, :count].tolist()
            self._known.update(zip((keys[place] for place in places), ranked, strict=True))
        found = [self._known[key] for key in keys]
        while len(self._known) > KEPT_IMAGES:
            del self._known[next(iter(self._known))]
        return found


def classes_requested(targets: Sequence[str]) -> int:
    """Return how many of the likeliest classes the targets `predicted` and `top-<k>` among some ask for."""
    ranks = [1 if target == "predicted" else int(target[4:]) for target in targets if _is_ranked(target)]
    return max(ranks, default=0)


def _is_ranked(target: str) -> bool:
    return target == "predicted" or target.startswith("top-")
