"""The whole Ray stage of a study: open the output, plan, attribute what is missing, reduce, sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from igbatch.errors import InputError, UnfinishedError
from igbatch.filesystem import is_local
from igbatch.pipeline.opening import check_same_study, existing_study, keep_settled, open_output
from igbatch.pipeline.plan import Plan, make_plan
from igbatch.pipeline.progress import Listener
from igbatch.pipeline.resolve import ResolvedStudy, StudyImages, list_study_images, resolve_study
from igbatch.reduce.study import reduce_study
from igbatch.store.commit import sweep
from igbatch.store.lock import output_lock
from igbatch.store.output import Output
from igbatch.store.reader import read_commits
from igbatch.study import LoadedStudy


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: rows the study expects, rows computed now, rows that are in quarantine."""

    expected: int
    computed: int
    images: int
    retries: int
    warnings: list[str]


def plan_study(loaded: LoadedStudy, output: Output, *, retry_quarantined: bool = False) -> Plan:
    """Plan a study against what its output holds, writing nothing.

    Raises:
        InputError: the study is wrong, or a committed shard belongs to another one.
    """
    resolved, images = _checked(loaded, output)
    return make_plan(resolved, images, output, retry_quarantined=retry_quarantined)


def _checked(loaded: LoadedStudy, output: Output) -> tuple[ResolvedStudy, StudyImages]:
    """Look up what a study names and check it against the study that its output was made for."""
    earlier = existing_study(output)
    resolved = resolve_study(loaded, earlier["models"] if earlier else None)
    check_same_study(output, earlier, resolved)
    images = list_study_images(loaded)
    _check_featured(images.table["image_id"], loaded.study.report.featured)
    return resolved, images


def run_stage(
    loaded: LoadedStudy,
    output: Output,
    listener: Listener,
    *,
    address: str | None = None,
    retry_quarantined: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> RunOutcome:
    """Compute what is missing and reduce the whole; a study that is finished starts no Ray.

    Raises:
        InputError: the study or the call is wrong.
        WorkerError: the program failed on a worker.
        UnfinishedError: the cluster was lost; what is committed is kept.
    """
    resolved, images = _checked(loaded, output)  # refuses before anything is written
    with output_lock(output) as locked:
        plan = make_plan(resolved, images, output, retry_quarantined=retry_quarantined)
        record = open_output(output, plan.resolved, plan.images)
        for warning in plan.images.warnings:
            say(f"warning: {warning}")
        if plan.missing_rows == 0:
            say(f"nothing to compute: all {plan.expected_rows} rows are committed or in quarantine")
            _finish(output, map, locked)
            return RunOutcome(plan.expected_rows, 0, 0, 0, plan.images.warnings)
        return _attribute(loaded, output, plan, record, listener, address, say, locked)


def _attribute(
    loaded: LoadedStudy,
    output: Output,
    plan: Plan,
    record: dict[str, Any],
    listener: Listener,
    address: str | None,
    say: Callable[[str], None],
    locked: bool,
) -> RunOutcome:
    from igbatch.pipeline.attribute import Attribution
    from igbatch.pipeline.cluster import map_shards, ray_session, size_workers
    from igbatch.pipeline.settle import Settled
    from igbatch.pipeline.worker import Hardware

    run = loaded.study.run
    with ray_session(address):
        workers = size_workers(run.device, run.workers, run.threads)
        settled = record["settled"].get(workers.device, {})
        if run.threads == "auto" and "threads" in settled:
            workers = size_workers(run.device, run.workers, settled["threads"])
        plan = plan.for_workers(workers.count)
        say(
            f"{plan.missing_rows} of {plan.expected_rows} rows to compute, in {plan.shard_count()} shards, "
            f"on up to {workers.count} {workers.device} worker(s) of {workers.threads} thread(s)"
        )
        stage = Attribution(plan, output, workers, Settled.from_record(settled), listener)

        def on_ready(hardware: Hardware, found: Settled | None) -> None:
            values = asdict(found) if found else None
            if keep_settled(output, record, workers.device, asdict(hardware), values) and found:
                for reason in found.reasons:
                    say(reason)

        stage.on_ready = on_ready
        try:
            summary = stage.run()
        except KeyboardInterrupt:
            raise UnfinishedError("interrupted; what is committed is kept, run it again to go on") from None
        _finish(output, map_shards, locked)
    return RunOutcome(plan.expected_rows, summary.rows, summary.images, summary.retries, plan.images.warnings)


def _finish(output: Output, map_shards: Any, locked: bool) -> None:
    """Reduce the study; under the lock, first sweep what no commit of any variant names."""
    if locked:
        variants = {info.path.rsplit("/", 2)[-2] for info in output.files("image_stats")}
        commits = read_commits(output, sorted(variants))
        sweep(output, {file["path"] for commit in commits for file in commit.files.values()})
    reduce_study(output, map_shards)


def _check_featured(image_ids: pa.ChunkedArray, featured: tuple[str, ...]) -> None:
    for image_id in featured:
        if pc.index(image_ids, image_id).as_py() < 0:
            raise InputError(
                f"report.featured: {image_id!r} is not among the study's images; use an image_id of it"
            )


def check_submitted(out: str, submitted: bool) -> None:
    """Refuse a relative local output inside a submitted job, whose working directory vanishes with it.

    Raises:
        InputError: the output is a relative local path and the job was submitted.
    """
    if submitted and is_local(out) and not out.removeprefix("file://").startswith("/"):
        raise InputError(f"--out {out}: a submitted job's folder vanishes; give an absolute path or a URI")
