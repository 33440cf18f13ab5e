"""Runs on a cluster whose nodes come and go, for test_nodes.py.

`python on_a_cluster.py STUDY OUT S3_OUT COMMITTED`; a line of JSON tells what was seen. Workers commit what
the file COMMITTED has (`quick_worker.write_committed`), and import no torch. It asks for OTHER_ENDPOINT, of
no store, and OTHER_PYTHONPATH, with a clone of timm.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import ray
from ray.cluster_utils import Cluster

from igbatch import open_study
from igbatch.errors import IgbatchError
from igbatch.pipeline import driver, worker, worker_pool
from igbatch.pipeline.cluster import size_workers
from igbatch.pipeline.driver import AttributionDriver
from igbatch.pipeline.messages import Calibration, RunSummary, ShardReport
from igbatch.pipeline.plan import Shard
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.run import plan_study, run_stage
from igbatch.pipeline.session import DriverImports
from igbatch.pipeline.study_output import open_output
from igbatch.reduce.study import reduce_study
from igbatch.store.output import Output
from igbatch.study import Run
from igbatch.study_file import load_study

sys.path.append(str(Path(__file__).parents[1]))
from quick_worker import QuickWorker, Replayed

JOINED, LOST = "joined.test", "lost.test"


class Waiting(Replayed):
    """Commits what is known, but that a shard waits from when a node joins to when it is lost."""

    def compute(self, shard: Shard, calibration: Calibration | None) -> ShardReport:
        output = self.output
        while output.exists(output.path(JOINED)) and not output.exists(output.path(LOST)):
            time.sleep(0.05)
        return super().compute(shard, calibration)


@contextmanager
def another_node(cluster: Cluster, **environment: str) -> Any:
    """Add a node of one CPU; remove it afterwards."""
    node = cluster.add_node(num_cpus=1, env_vars=environment)
    try:
        yield node
    finally:
        cluster.remove_node(node)


def refused(study: str, out: str) -> dict[str, Any]:
    """Run a study that is to be refused; note how."""
    try:
        run_stage(load_study(study), Output(out))
    except IgbatchError as error:
        rows = len(open_study(out).image_stats)
        return {"error": str(error), "exit_code": error.exit_code, "rows": rows}
    raise AssertionError("it ran")


class Changing:
    """A listener that calls each of `steps` once, one after another, when its condition holds."""

    def __init__(self, *steps: tuple[Callable[[], bool], Callable[[], Any]]) -> None:
        self._steps = list(steps)

    def __call__(self, run: RunSummary) -> None:
        if run.shards and self._steps and self._steps[0][0]():
            _, action = self._steps.pop(0)
            action()


def run_while_nodes_change(
    cluster: Cluster, study: str, out: str, s3_out: str, committed: str
) -> dict[str, Any]:
    """Run the stage; a node joins after the first shard, and is lost once its worker has one.

    That node sees no object store: while it is there, another study is refused.
    """
    output, second = Output(out), list[Any]()
    plan = plan_study(load_study(study), output)
    open_output(output, plan.resolved, plan.images)
    seen: dict[str, Any] = {}

    def waiting(resolved: ResolvedStudy, output: Output, device: str) -> Any:
        return Waiting(output, committed, fault=lambda shard: None)

    def working() -> set[str]:
        return {slot.node for slot in stage.pool.ready if slot.work}

    def join() -> None:
        output.put(output.path(JOINED), b"")
        blind = {"AWS_ENDPOINT_URL": os.environ["OTHER_ENDPOINT"]}
        second.append(cluster.add_node(num_cpus=1, env_vars=blind))

    def lose() -> None:
        seen.update(nodes=len(working()), retries_before=stage.summary.retries)
        seen["blind"] = refused(study, s3_out)
        cluster.remove_node(second[0])
        output.put(output.path(LOST), b"")

    listener = Changing((lambda: True, join), (lambda: len(working()) == 2, lose))
    workers = size_workers(Run(device="cpu", threads=1))
    calibration = Calibration("float32", 0.0, micro_batch=4)
    stage = AttributionDriver(plan, output, workers, calibration, listener, make_computer=waiting)
    summary = stage.run()
    reduce_study(output)
    return {**seen, "computed": summary.rows, "retries": summary.retries}


def main(study: str, out: str, s3_out: str, committed: str) -> dict[str, Any]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(address=cluster.address, namespace="igbatch", log_to_driver=False, job_config=DriverImports())
    try:
        with another_node(cluster, PYTHONPATH=os.environ["OTHER_PYTHONPATH"]):
            other = refused(study, out)
        with (
            mock.patch.object(worker, "Worker", QuickWorker),
            mock.patch.object(driver, "PROGRESS_SECONDS", 0.2),
            mock.patch.object(driver, "SCALE_SECONDS", 0.2),
            mock.patch.object(worker_pool, "CLUSTER_POLL_SECONDS", 0.5),
        ):
            return {"other": other, **run_while_nodes_change(cluster, study, out, s3_out, committed)}
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(*sys.argv[1:])), flush=True)
