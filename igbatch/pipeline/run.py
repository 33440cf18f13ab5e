"""Runs a study into its output, under its lock: plan, attribute what is missing, reduce, measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from igbatch.errors import UnfinishedError
from igbatch.images.selection import check_choices
from igbatch.pipeline.baselines import find_drawn, recall_drawn
from igbatch.pipeline.messages import Calibration, Hardware, Listener, RunSummary
from igbatch.pipeline.packages import package_warnings
from igbatch.pipeline.plan import Plan, make_plan
from igbatch.pipeline.reduction_state import is_reduced, keep_reduced, report_state, state_of
from igbatch.pipeline.resolve import ResolvedStudy, resolve_study
from igbatch.pipeline.sampled import MEASURES, check_curves, measure_sample
from igbatch.pipeline.study_images import StudyImages, list_study_images
from igbatch.pipeline.study_output import (
    check_same_study,
    existing_study,
    keep_calibration,
    keep_study,
    open_output,
)
from igbatch.reduce.study import reduce_study
from igbatch.store.commit import sweep
from igbatch.store.commits import read_commits
from igbatch.store.label_maps import unnamed_label_maps
from igbatch.store.lock import Lock, output_lock
from igbatch.store.output import DATA_KINDS, Output
from igbatch.store_errors import require_reachable
from igbatch.study_file import LoadedStudy


def plan_study(loaded: LoadedStudy, output: Output, *, retry_quarantined: bool = False) -> Plan:
    """Plan a study against what its output holds, writing nothing.

    Raises:
        InputError: the study is wrong, or a committed shard belongs to another one.
    """
    resolved, images = _checked(loaded, output)
    return make_plan(resolved, images, output, retry_quarantined=retry_quarantined)


def _checked(loaded: LoadedStudy, output: Output) -> tuple[ResolvedStudy, StudyImages]:
    """Resolve a study and check it against the one that its output was made for."""
    earlier = existing_study(output)
    resolved = resolve_study(loaded, earlier["models"] if earlier else None)
    resolved = replace(resolved, baseline=recall_drawn(resolved.baseline, earlier))
    check_same_study(output, earlier, resolved)
    for key, place in loaded.study.images.places():
        require_reachable(loaded.locate(place), key)
    images = list_study_images(loaded)
    check_choices(loaded.study, images.table["image_id"])
    check_curves(resolved, len(images.table))
    return replace(resolved, baseline=find_drawn(resolved.baseline, images)), images


def run_stage(
    loaded: LoadedStudy,
    output: Output,
    listener: Listener = lambda summary: None,
    *,
    address: str | None = None,
    retry_quarantined: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> RunSummary:
    """Compute what is missing and reduce the whole; a study that is finished starts no Ray.

    Raises:
        InputError: the study or the call is wrong.
        WorkerError: the program failed on a worker.
        UnfinishedError: another run holds the output, the cluster was lost, or the store is full; what is
            committed is kept.
    """
    resolved, images = _checked(loaded, output)  # refuses before anything is written
    for warning in package_warnings():
        say(f"warning: {warning}")
    with output_lock(output) as lock:
        plan = make_plan(resolved, images, output, retry_quarantined=retry_quarantined)
        if images.box_counts:
            say(f"boxes: {images.box_counts.words()}")
        for warning in images.warnings:
            say(f"warning: {warning}")
        for damaged in plan.damaged:
            say(f"{damaged.path}: {damaged.reason}; its shard is computed again")
            output.delete(damaged.path)
        if not plan.missing_rows:
            say(f"nothing to compute: all {plan.expected_rows} rows are committed or in quarantine")
        summary = RunSummary()
        state = "" if plan.missing_rows else state_of(plan)
        with ExitStack() as cluster:
            if not plan.missing_rows and is_reduced(output, state):
                keep_study(output, resolved, images)  # report and audit read there what they show
            else:
                record = open_output(output, resolved, images)
                map_shards: Any = map
                if plan.missing_rows or loaded.study.randomization is not None:  # or maps are compared
                    map_shards = cluster.enter_context(_cluster(address))
                if plan.missing_rows:
                    summary = _attribute(plan, output, record, listener, lock, say)
                    lock.check()
                    plan = make_plan(resolved, images, output)
                    state = state_of(plan)
                lock.check()
                _sweep(output, plan)
                reduce_study(output, map_shards, say)
                keep_reduced(output, state)
            measured = {
                measure.name: measure_sample(
                    measure, output, resolved, state, address=address, check=lock.check, say=say
                )
                for measure in MEASURES
            }
        summary.state = report_state(plan, state, curves=measured["curves"])
        return summary


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Start or join a cluster; yield what maps over it. A finished study has to import no Ray."""
    from igbatch.pipeline.cluster import map_shards
    from igbatch.pipeline.session import ray_session

    with ray_session(address):
        yield map_shards


def _attribute(
    plan: Plan,
    output: Output,
    record: dict[str, Any],
    listener: Listener,
    lock: Lock,
    say: Callable[[str], None],
) -> RunSummary:
    """Compute what is missing on the cluster; `record` is the `study.json` of the output."""
    from igbatch.pipeline.cluster import size_workers
    from igbatch.pipeline.driver import AttributionDriver
    from igbatch.pipeline.node_checks import check_nodes, probe_file

    workers = size_workers(plan.resolved.study.run, record["calibrations"])
    calibration = Calibration.from_record(record["calibrations"].get(workers.device, {}))
    plan = plan.for_workers(workers.count)
    say(
        f"{plan.missing_rows} of {plan.expected_rows} rows to compute, in {plan.shard_count()} shards, "
        f"on up to {workers.count} {workers.device} worker(s) of {workers.threads} thread(s)"
    )

    def on_ready(hardware: Hardware, found: Calibration | None) -> None:
        if keep_calibration(output, record, workers.device, hardware, found) and found:
            for reason in found.reasons:
                say(reason)

    try:
        with probe_file(output, plan.first_file(), plan.first_mask()) as probe:
            check_nodes(probe)
            stage = AttributionDriver(
                plan, output, workers, calibration, listener,
                probe=probe, check=lock.check, on_ready=on_ready, say=say,
            )  # fmt: skip
            summary = stage.run()
    except KeyboardInterrupt:
        raise UnfinishedError("interrupted; what is committed is kept, run it again to go on") from None
    if summary.images:
        say(summary.times.words())
    if summary.constant:
        say(
            f"warning: {summary.constant} of {summary.rows} maps are 0: the output does not change "
            "between the baseline and the image; the report says for which targets"
        )
    return summary


def _sweep(output: Output, plan: Plan) -> None:
    """Delete data files that no commit names, of variants that the study dropped either, and label maps."""
    named = {
        f"{kind}/{variant}/{attempt}.parquet"
        for variant, attempts in plan.committed.items()
        for attempt in attempts
        for kind in DATA_KINDS
    }
    dropped = [variant for variant in output.folders("image_stats") if variant not in plan.committed]
    others = {file["path"] for commit in read_commits(output, dropped) for file in commit.files.values()}
    sweep(output, named | others)
    for path in unnamed_label_maps(output):
        output.delete(path)
