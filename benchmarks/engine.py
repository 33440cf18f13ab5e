"""What the engine costs beside the model's passes: for GPUs, where every operation is launched by the host.

A stand-in model whose passes cost next to nothing is explained with adaptive steps, two targets and 64
images. Counted: tensor operations outside the model a node (views left out), copies to the host a round,
passes without a gradient, how full micro-batches are over a shard of 250 images, and the host's own time an
image: rule and bookkeeping, without the tensor operations.

    python benchmarks/engine.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from stand_in import Operations, StandIn
from torch import Tensor

from igbatch.attribution import Example, Settings
from igbatch.attribution.adaptive_integrals import AdaptiveIntegrals
from igbatch.attribution.engine import ROUND_BATCHES, attribute_forward
from igbatch.attribution.passes import Passes
from igbatch.attribution.path_state import PathState
from igbatch.attribution.wave import MicroBatchLimit, Wave

SIZE = (3, 64, 64)
CLASSES = 5
IMAGES, SHARD = 64, 250
ROWS = 64
ROUND_BATCHES["cpu"] = ROUND_BATCHES["cuda"]  # the stand-in is one for a GPU


def weights() -> Tensor:
    """Return what the stand-in model multiplies its input by, [numbers of an image, classes]."""
    return torch.randn(math.prod(SIZE), CLASSES, generator=torch.Generator().manual_seed(1)) / 40


def examples(count: int) -> Iterator[Example]:
    """Yield images whose logits bend about as often as a trained Swin's: paths of some 40 nodes."""
    generator = torch.Generator().manual_seed(0)
    direction = weights()[:, :2].sum(1)
    for _ in range(count):
        phase = 6.0 + 2.0 * float(torch.rand(1, generator=generator))  # of both targets, in radians
        towards = direction * (2 * phase / float(direction.square().sum()))
        noise = 0.3 * torch.randn(SIZE, generator=generator)
        yield Example(noise + towards.reshape(SIZE), torch.zeros(SIZE), torch.tensor([0, 1]))


def run(count: int, limit: MicroBatchLimit) -> dict[str, float]:
    """Explain so many images; return their nodes and the seconds of CPU."""
    products, bends = weights(), torch.linspace(0.55, 0.65, CLASSES)

    def forward(points: Tensor, example_indices: Tensor) -> Tensor:
        logits: Tensor = StandIn.apply(points, products, bends)
        return logits

    settings = Settings(steps="auto", tolerance=0.004, output="logit", micro_batch=limit.size)
    given = list(examples(count))
    start = time.thread_time()
    nodes = sum(int(done.steps[0]) for done in attribute_forward(forward, given, settings, limit))
    return {"nodes": nodes, "seconds": time.thread_time() - start}


def count_operations() -> dict[str, Any]:
    """Count the operations of the device, and how often the host waits for it."""
    rounds, copies, alone = Counter[str](), Counter[str](), Counter[str]()
    advance, scores, to_host = AdaptiveIntegrals.advance, Passes.scores, Tensor.cpu

    def counting_advance(self: AdaptiveIntegrals, rows: Any, numbers: Any) -> Any:
        rounds["rounds"] += 1
        return advance(self, rows, numbers)

    def counting_scores(self: Passes, batch: Any) -> Any:
        alone["passes"] += 1
        return scores(self, batch)

    def counting_copies(self: Tensor, *arguments: Any) -> Tensor:
        copies["copies"] += 1
        return to_host(self, *arguments)

    StandIn.operations = Operations()
    with (
        mock.patch.object(AdaptiveIntegrals, "advance", counting_advance),
        mock.patch.object(Passes, "scores", counting_scores),
        mock.patch.object(Tensor, "cpu", counting_copies),
        StandIn.operations,
    ):
        done = run(IMAGES, MicroBatchLimit(ROWS))
    counted, StandIn.operations = StandIn.operations.counted, None
    return {
        "images": IMAGES,
        "nodes_per_image": done["nodes"] / IMAGES,
        "operations_per_node": sum(counted.values()) / done["nodes"],
        "by_name": dict(counted.most_common(12)),
        "host_copies_per_round": copies["copies"] / rounds["rounds"],
        "forward_passes_alone": alone["passes"],
    }


def fill_of_micro_batches() -> float:
    """Return the share of rows that are used, over all micro-batches of a shard."""
    limit = MicroBatchLimit(ROWS)
    run(SHARD, limit)
    return sum(rows for rows, _ in limit.batches) / sum(most for _, most in limit.batches)


def host_milliseconds() -> dict[str, float]:
    """Return the milliseconds an image of 40 nodes that the host's own work takes, and the whole run.

    Own are rule and bookkeeping: what is left of a run without the calls that launch tensor operations.
    """
    spent = Counter[str]()

    def timed(function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            start, outer = time.thread_time(), spent["tensors"]
            result = function(*arguments, **named)
            spent["tensors"] = outer + time.thread_time() - start  # calls within it are part of it
            return result

        return call

    launching = [
        (Passes, "values"), (PathState, "put"), (PathState, "products"), (PathState, "weighted"),
        (PathState, "combined"), (Wave, "_batch"), (torch, "cat"), (torch, "stack"), (Tensor, "cpu"),
        (AdaptiveIntegrals, "_factors"), (torch.linalg, "vector_norm"), (Wave, "_reserve"),
        *((Tensor, name) for name in ("__setitem__", "clone", "double", "flatten", "reshape", "to")),
    ]  # fmt: skip
    with ExitStack() as stack:
        for holder, name in launching:
            stack.enter_context(mock.patch.object(holder, name, timed(getattr(holder, name))))
        done = run(IMAGES, MicroBatchLimit(ROWS))
    each = 1e3 * 40 / done["nodes"]
    return {"own": (done["seconds"] - spent["tensors"]) * each, "whole": done["seconds"] * each}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    figures = count_operations()
    figures["fill_of_micro_batches"] = fill_of_micro_batches()
    found = [host_milliseconds() for _ in range(7)][2:]
    for name in ("own", "whole"):
        figures[f"{name}_ms_per_image_of_40_nodes"] = sorted(round(each[name], 2) for each in found)
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
