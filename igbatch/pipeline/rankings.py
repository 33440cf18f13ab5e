"""The classes that a trained model ranks highest for each image: what `predicted` and `top-<k>` stand for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from igbatch.pipeline.models import Models, batched_logits
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.prepare import PreparedImage
from igbatch.pipeline.resolve import ResolvedModel, required_top_k
from igbatch.pipeline.target_names import Class
from igbatch.store.rankings import ImageKey, Ranking, RankingStore


class ShardRankings:
    """Ranks the images of a shard by their trained model, once a study and in batches.

    Passes are in float32 and eager, whatever the study's precision and passes are. What is ranked is stored
    with the images. A trained model is built only for images that no worker has ranked.

    `store` holds rankings by the shard's model. Nothing is ranked where no target of the shard needs it.

    Attributes:
        group_size: images that are best given at a time: as many as go through the model together, 1 where
            none has to.

    Raises:
        OSError: the store failed.
    """

    def __init__(self, models: Models, store: RankingStore, shard: Shard, micro_batch: int) -> None:
        self._models, self._store = models, store
        self._model, self._micro_batch = shard.spec.model, micro_batch
        self._classes = required_top_k(models.resolved.target_names)
        self._ids = [image.image_id for image in shard.images]
        self._needed = bool(required_top_k(shard.targets))
        self._known = store.of_shard(self._ids, self._classes) if self._needed else {}
        whole = {image_id for image_id, _ in self._known}.issuperset(self._ids)
        self.group_size = micro_batch if self._needed and not whole else 1
        self._taken: dict[ImageKey, Ranking] = {}
        self._read_others = False
        self._news = False

    def of(self, images: Sequence[tuple[PreparedImage, Tensor]]) -> list[Sequence[int]]:
        """Return the classes of each image, the likeliest first; none where no target needs them.

        Args:
            images: of the shard, with their pixels as the model takes them, [3, H, W] on its device.
        """
        if not self._needed:
            return [[] for _ in images]
        keys = [(image.entry.image_id, image.sha256) for image, _ in images]
        missing = [place for place, key in enumerate(keys) if key not in self._known]
        self._news = self._news or bool(missing)
        if missing and not self._read_others:
            self._read_others = True
            self._known |= self._store.of_others(self._ids, self._classes)
            missing = [place for place in missing if keys[place] not in self._known]
        for start in range(0, len(missing), self._micro_batch):
            places = missing[start : start + self._micro_batch]
            ranked = self._rank([images[place][1] for place in places])
            self._known.update(zip((keys[place] for place in places), ranked, strict=True))
        self._taken |= {key: self._known[key] for key in keys}
        return [self._known[key].classes for key in keys]

    def keep(self) -> None:
        """Store the rankings of the shard where its file lacks any of them.

        Raises:
            OSError: the store failed.
        """
        if self._news:
            self._store.keep(self._ids, self._taken)
            self._news = False

    def _rank(self, images: Sequence[Tensor]) -> list[Ranking]:
        logits = batched_logits(self._models.trained(self._model), images)
        ranked = torch.argsort(logits, dim=1, descending=True, stable=True)[:, : self._classes]
        chances = logits.softmax(1).gather(1, ranked)
        return [Ranking(*each) for each in zip(ranked.tolist(), chances.tolist(), strict=True)]


def target_indices(
    shard: Shard, model: ResolvedModel, image: PreparedImage, ranking: Sequence[int]
) -> dict[str, Class]:
    """Return the logit index of each target of an image, two of a contrast.

    It is without `label` where that is no known class.
    """
    indices: dict[str, Class] = {}
    for target in shard.targets:
        found = model.targets[target]
        if found is None and target == "label":
            label = image.label or ""
            known = model.targets.get(label)
            found = known if isinstance(known, int) else model.class_names.get(label)
        elif found is None:
            found = ranking[0 if target == "predicted" else int(target[4:]) - 1]
        if found is not None:
            indices[target] = found
    return indices
