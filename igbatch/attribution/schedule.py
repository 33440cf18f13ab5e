"""Which (image, node) pairs go through the model together.

A micro-batch holds nodes of one image only. In a matrix product a row's bits do not depend on what other
rows hold, but they may depend on where it stands: with two threads on an AMD EPYC, MKL gave the last rows of
5 to 7 and of 9 to 11 other last bits than the first ones (a Swin's head of 1,000 classes). If images shared a
micro-batch, a map would depend on its neighbours. Alone, an image always runs through the same shapes at the
same places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .errors import AttributionError
from .rules import Quadrature

__all__ = ["MicroBatch", "chunk_size", "default_micro_batch", "end_points", "micro_batches"]


@dataclass(frozen=True, eq=False)
class MicroBatch:
    """Rows that go through the model together.

    Attributes:
        images: int64 [rows], the image that each row belongs to.
        nodes: float64 [rows], the place on the path: 0 at the baseline, 1 at the image.
        weights: float64 [rows], what the row counts in the sum of its image; 0 for padding.
        completes: the images of which no pair is left after this micro-batch.
    """

    images: NDArray[np.int64]
    nodes: NDArray[np.float64]
    weights: NDArray[np.float64]
    completes: tuple[int, ...] = ()


def default_micro_batch(device: torch.device) -> int:
    """Return the most rows of a micro-batch where the caller does not say: 8 on a CPU, 64 elsewhere.

    On a CPU the time of a row hardly changes between 2 and 16 rows of 224 x 224, while the memory grows with
    them. Elsewhere the number is a guess that fits 16 GB with a Swin-B.
    """
    return 8 if device.type == "cpu" else 64


def chunk_size(steps: int, micro_batch: int) -> int:
    """Return the rows of every micro-batch of an image: between half of ``micro_batch`` and all of it.

    Of these sizes it is the one that leaves the least padding, the largest where several do. An image with
    fewer steps than ``micro_batch`` goes through in one.

    Args:
        steps: nodes of an image, 1 or more.
        micro_batch: the most rows that a micro-batch may have.

    Raises:
        AttributionError: ``micro_batch`` is not a whole number of 1 or more.
    """
    if isinstance(micro_batch, bool) or not isinstance(micro_batch, (int, np.integer)) or micro_batch < 1:
        raise AttributionError(f"micro_batch={micro_batch!r}: give a whole number of 1 or more")
    if steps <= micro_batch:
        return steps
    return min(range(micro_batch, micro_batch // 2, -1), key=lambda rows: -steps % rows)


def micro_batches(quadrature: Quadrature, images: int, micro_batch: int) -> Iterator[MicroBatch]:
    """Return all pairs of images and nodes, image after image, in micro-batches of one shape.

    The last micro-batch of an image is filled up with its last node at weight 0.

    Args:
        quadrature: nodes and weights, the same for every image.
        images: the number of images.
        micro_batch: the most rows that a micro-batch may have.

    Raises:
        AttributionError: ``micro_batch`` is not a whole number of 1 or more.
    """
    return _in_chunks(quadrature, images, chunk_size(len(quadrature.nodes), micro_batch))


def _in_chunks(quadrature: Quadrature, images: int, rows: int) -> Iterator[MicroBatch]:
    steps = len(quadrature.nodes)
    padding = -steps % rows
    nodes = np.pad(quadrature.nodes, (0, padding), mode="edge")
    weights = np.pad(quadrature.weights, (0, padding))
    for image in range(images):
        owners = np.full(rows, image)
        for start in range(0, steps, rows):
            chunk = slice(start, start + rows)
            completes = (image,) if start + rows >= steps else ()
            yield MicroBatch(owners, nodes[chunk], weights[chunk], completes)


def end_points(images: int) -> Iterator[MicroBatch]:
    """Yield the two ends of every image's path, the baseline and then the image, one image a micro-batch."""
    for image in range(images):
        yield MicroBatch(np.full(2, image), np.array([0.0, 1.0]), np.zeros(2), completes=(image,))
