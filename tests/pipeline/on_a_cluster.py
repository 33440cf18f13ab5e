"""Runs of the stage on clusters of several nodes: `python on_a_cluster.py WHAT STUDY OUT`, for test_nodes.py.

`lose`: a node is removed in the middle. `grow`: a node joins in the middle. `blind`: a node does not see the
output. `other`: a node imports other packages. What is seen is printed as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import ray
import torch
from ray.cluster_utils import Cluster

from igbatch.errors import IgbatchError
from igbatch.pipeline.cluster import size_workers
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.driver import AttributionDriver
from igbatch.pipeline.messages import Calibration, RunSummary
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.run import plan_study, run_stage
from igbatch.pipeline.session import DriverImports
from igbatch.pipeline.study_output import open_output
from igbatch.reduce.study import reduce_study
from igbatch.store.output import Output
from igbatch.study import Run
from igbatch.study_file import load_study


class Watching:
    """A listener that does something after a shard, once, as soon as a condition holds."""

    def __init__(self, condition: Callable[[], bool], action: Callable[[], Any]) -> None:
        self._condition = condition
        self._actions = [action]

    def __call__(self, run: RunSummary) -> None:
        if run.shards and self._actions and self._condition():
            self._actions.pop()()


class Slow(ShardComputer):
    """The real computer, at a pace that leaves time for nodes to come and go."""

    def _attribute(self, *arguments: Any) -> None:
        time.sleep(1.0)
        super()._attribute(*arguments)


def slow(resolved: ResolvedStudy, output: Output, device: str) -> ShardComputer:
    return Slow(resolved, output, torch.device(device))


def attribute(study: str, out: str, nodes: set[str], listener: Watching) -> dict[str, Any]:
    """Run the stage; note the nodes that its workers answered from."""
    output = Output(out)
    plan = plan_study(load_study(study), output)
    open_output(output, plan.resolved, plan.images)
    calibration = Calibration("float32", 0.0, micro_batch=4)
    workers = size_workers(Run(device="cpu", threads=1))

    def note_nodes(*_: object) -> None:
        nodes.update(slot.node for slot in stage.pool.ready)

    stage = AttributionDriver(
        plan, output, workers, calibration, listener, make_computer=slow, on_ready=note_nodes
    )
    summary = stage.run()
    reduce_study(output)
    return {"computed": summary.rows, "retries": summary.retries, "nodes": len(nodes)}


def main(what: str, study: str, out: str) -> dict[str, Any]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=1)
    second: list[Any] = []
    nodes: set[str] = set()

    def join(**how: Any) -> None:
        second.append(cluster.add_node(num_cpus=1, **how))

    if what == "lose":
        join()
    if what == "blind":
        join(env_vars={"AWS_ENDPOINT_URL": os.environ["OTHER_ENDPOINT"]})
    if what == "other":
        join(env_vars={"PYTHONPATH": os.environ["OTHER_PYTHONPATH"]})
    ray.init(address=cluster.address, namespace="igbatch", log_to_driver=False, job_config=DriverImports())
    listeners = {
        "lose": Watching(lambda: len(nodes) == 2, lambda: cluster.remove_node(second[0])),
        "grow": Watching(lambda: True, join),
        "blind": Watching(lambda: False, join),
        "other": Watching(lambda: False, join),
    }
    try:
        if what in ("blind", "other"):
            run_stage(load_study(study), Output(out), listeners[what])
        return attribute(study, out, nodes, listeners[what])
    except IgbatchError as error:
        return {"error": str(error), "exit_code": error.exit_code}
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(*sys.argv[1:])), flush=True)
