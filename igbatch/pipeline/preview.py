"""What a run would settle, take and store on this kind of machine, tried without Ray: for `igbatch plan`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from igbatch.pipeline.cluster import threads_per_worker
from igbatch.pipeline.compute import ShardComputer, device_name
from igbatch.pipeline.devices import refuse_missing_gpu
from igbatch.pipeline.plan import Plan, Shard, copies_of
from igbatch.pipeline.reports import Settled, settle_plan
from igbatch.store.output import DATA_KINDS, Output

TRIAL_IMAGES = 4
"""Images of a variant of each kind that are really computed; with smoothing, copies of the first ones."""


@dataclass(frozen=True)
class Trial:
    """A few images of one variant, computed and stored as a run would, and thrown away.

    Attributes:
        model, kind: what other variants the figures stand for.
        images: that could be used.
        seconds: of device time an image, all its copies together.
        nodes: integration nodes an image, likewise.
        map_bytes: of a map as it is kept, 0 where none is.
        row_bytes: of statistics for each image and target.
    """

    model: str
    kind: str
    images: int
    seconds: float
    nodes: float
    map_bytes: float
    row_bytes: float


@dataclass(frozen=True)
class Preview:
    """What workers on a device of this machine's kind run with.

    Attributes:
        device: the kind of device.
        threads: of a worker.
        settled: None where no image could be used.
        known: it is what an earlier run of the study has settled, and was not measured now.
        trials: one for each model and kind of variant that is not done.
    """

    device: str
    threads: int
    settled: Settled | None
    known: bool
    trials: tuple[Trial, ...] = ()


def preview(plan: Plan, record: dict[str, Any] | None) -> Preview:
    """Tell what a run settled before, or measure it on the first images, and try a small shard of each kind.

    Nothing is written but to a temporary folder, which is removed.

    Args:
        plan: what is left to compute.
        record: the output's `study.json`, None where there is none.

    Raises:
        InputError: the study asks for a GPU, and this machine has none.
    """
    run = plan.resolved.study.run
    chosen = run.device if run.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    refuse_missing_gpu(
        chosen, "plan for one that is elsewhere with --no-trial, or use run.device: auto or cpu"
    )
    earlier = (record or {}).get("settled", {}).get(chosen)
    known = Settled.from_record(earlier) if earlier else None
    threads = earlier["threads"] if known else threads_per_worker(run.threads, torch.get_num_threads())
    device = torch.device(chosen)
    with _threads(threads), tempfile.TemporaryDirectory(prefix="igbatch-plan-") as folder:
        output = Output(folder)
        copies = copies_of(plan.resolved)
        computer = ShardComputer(plan.resolved, output, device, most_copies=TRIAL_IMAGES)
        settled = known or settle_plan(plan, computer.settle)
        trials: list[Trial] = []
        if settled is not None:
            for shard in plan.samples(max(1, TRIAL_IMAGES // copies)):
                trials += _try(computer, output, shard, settled)
    return Preview(device_name(device), threads, settled, known is not None, tuple(trials))


def _try(computer: ShardComputer, output: Output, shard: Shard, settled: Settled) -> Iterator[Trial]:
    report = computer.compute(shard, settled)
    used = report.rows / len(shard.targets)
    if not used:
        return
    images = used * computer.copies / copies_of(computer.resolved)  # that the same work would have done whole
    sizes = {
        kind: sum(info.size for info in output.files(kind, shard.spec.variant_id))
        for kind in ("image_stats", *DATA_KINDS)
    }
    maps = sum(image.keep_map for image in shard.images) * len(shard.targets)
    yield Trial(
        shard.spec.model,
        shard.spec.kind,
        round(used),
        report.times.attributing / images,
        report.nodes / images,
        sizes["attributions"] / maps if maps else 0.0,
        (sizes["image_stats"] + sizes["box_stats"]) / report.rows,
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
