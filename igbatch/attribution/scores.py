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
    """An image [C, H, W] on a device, its targets int64 [K] there, and the example that it belongs to."""

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
                values = output.value(forward(points, example_indices).double())
        except Exception as error:
            limit.halve(error)
            continue
        limit.batches.append((len(batch), limit.size))
        for row in values:
            yield row[waiting.popleft().targets]
