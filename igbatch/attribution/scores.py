"""The output at many images, without gradients: forward passes in full micro-batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from .outputs import OutputUnit
from .passes import Forward
from .precision import Precision
from .wave import MicroBatchLimit


class ScoredImage(NamedTuple):
    """An image [C, H, W], its targets, int64 [K] or [K, 2], on one device, and the example it belongs to."""

    image: Tensor
    targets: Tensor
    example: int


def target_scores(
    forward: Forward,
    images: Iterable[ScoredImage],
    output: OutputUnit,
    precision: Precision,
    limit: MicroBatchLimit,
) -> Iterator[Tensor]:
    """Yield the outputs of each image for its targets, float64 [K] on its device, in the order of the images.

    Images are of one shape; they are taken from the stream as they fit into a micro-batch.

    Raises:
        AttributionError: memory holds no single image.
    """
    source, waiting = iter(images), deque[ScoredImage]()
    while True:
        waiting.extend(islice(source, max(0, limit.size - len(waiting))))
        batch = list(islice(waiting, limit.size))
        if not batch:
            return
        device = batch[0].image.device
        points = torch.stack([each.image for each in batch]).to(precision.dtype)
        example_indices = torch.tensor([each.example for each in batch]).to(device)
        try:
            with torch.no_grad(), precision.passes(device):
                logits = forward(points, example_indices).double()
        except Exception as error:
            limit.halve(error)
            continue
        limit.batches.append((len(batch), limit.size))
        for row in logits:
            yield output.values(row[None], waiting.popleft().targets[None])[0]
