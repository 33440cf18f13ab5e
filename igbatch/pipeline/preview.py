"""What a run would settle on this machine, measured without Ray: for `igbatch plan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from igbatch.pipeline.cluster import threads_per_worker
from igbatch.pipeline.compute import ShardComputer, device_name
from igbatch.pipeline.plan import Plan
from igbatch.pipeline.settled import Settled, settle_plan
from igbatch.store.output import Output


@dataclass(frozen=True)
class Preview:
    """What workers on a device of this machine's kind run with.

    Attributes:
        device: the kind of device.
        threads: of a worker.
        settled: None where no image could be used.
        known: it is what an earlier run of the study has settled, and was not measured now.
    """

    device: str
    threads: int
    settled: Settled | None
    known: bool


def preview(plan: Plan, output: Output, record: dict[str, Any] | None) -> Preview:
    """Tell what a run settled before, or measure it on the first images; nothing is written.

    Args:
        plan: what is left to compute.
        output: where the study's output goes.
        record: the output's `study.json`, None where there is none.
    """
    run = plan.resolved.study.run
    chosen = run.device if run.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    earlier = (record or {}).get("settled", {}).get(chosen)
    known = Settled.from_record(earlier) if earlier else None
    if known is not None:
        return Preview(chosen, earlier["threads"], known, known=True)
    threads = threads_per_worker(run.threads, torch.get_num_threads())
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        device = torch.device(chosen)
        settled = settle_plan(plan, ShardComputer(plan.resolved, output, device).settle)
        return Preview(device_name(device), threads, settled, known=False)
    finally:
        torch.set_num_threads(before)
