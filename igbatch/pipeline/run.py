"""The whole Ray stage of a study: open the output, plan, attribute what is missing, reduce, measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from igbatch.errors import InputError, UnfinishedError
from igbatch.filesystem import is_local
from igbatch.images.choice import check_choices
from igbatch.pipeline.derived import Derived, report_state, state_of
from igbatch.pipeline.faithfulness import measure_faithfulness, on_cluster
from igbatch.pipeline.opening import (
    check_same_study,
    existing_study,
    keep_settled,
    keep_study,
    open_output,
)
from igbatch.pipeline.packages import package_warnings
from igbatch.pipeline.plan import Plan, make_plan
from igbatch.pipeline.progress import Listener
from igbatch.pipeline.resolve import ResolvedStudy, resolve_study
from igbatch.pipeline.study_images import StudyImages, list_study_images
from igbatch.reduce.study import reduce_study
from igbatch.store.commit import sweep
from igbatch.store.commits import read_commits
from igbatch.store.lock import Lock, output_lock
from igbatch.store.output import Output
from igbatch.store_errors import reach
from igbatch.study import Study
from igbatch.study_file import LoadedStudy


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        expected: rows of the finished study.
        computed: rows computed now.
        images: that these are of, counted once for each variant.
        retries: shards that were put back.
        state: of the results; a report that was rendered from it is up to date.
    """

    expected: int
    computed: int
    images: int
    retries: int
    state: str


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
    for key, place in loaded.study.images.places():
        reach(loaded.locate(place), key)
    images = list_study_images(loaded)
    check_choices(loaded.study, images.table["image_id"])
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
        UnfinishedError: another run holds the output, the cluster was lost, or the store has no room; what is
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
        if plan.missing_rows:
            return _Stage(loaded, output, plan, listener, lock, say).attribute(address)
        say(f"nothing to compute: all {plan.expected_rows} rows are committed or in quarantine")
        state = state_of(plan)
        derived = Derived(output)
        if derived.ranges != state or not derived.whole:
            open_output(output, resolved, images)
            with _door(loaded.study, address) as map_shards:
                _finish(output, plan, map_shards, lock, state, say)
        else:
            keep_study(output, resolved, images)  # the report and an audit read there what they shall show
        on_it = partial(on_cluster, address=address)
        measure_faithfulness(output, resolved, state, measure=on_it, check=lock.check, say=say)
        return RunOutcome(plan.expected_rows, 0, 0, 0, report_state(plan, state))


@dataclass
class _Stage:
    """A run with something to compute, under the lock of its output."""

    loaded: LoadedStudy
    output: Output
    plan: Plan
    listener: Listener
    lock: Lock
    say: Callable[[str], None]

    def attribute(self, address: str | None) -> RunOutcome:
        """Start or join a cluster, compute what is missing, and reduce the whole."""
        from igbatch.pipeline.attribute import Summary
        from igbatch.pipeline.cluster import map_shards
        from igbatch.pipeline.session import ray_session

        record = open_output(self.output, self.plan.resolved, self.plan.images)
        with ray_session(address):
            try:
                summary: Summary = self._compute(record)
            except KeyboardInterrupt:
                raise UnfinishedError(
                    "interrupted; what is committed is kept, run it again to go on"
                ) from None
            if summary.images:
                self.say(summary.times.words())
            if summary.constant:
                self.say(
                    f"warning: {summary.constant} of {summary.rows} maps are 0: the output does not change "
                    "between the baseline and the image; the report says for which targets"
                )
            self.lock.check()
            now = make_plan(self.plan.resolved, self.plan.images, self.output)
            state = state_of(now)
            _finish(self.output, now, map_shards, self.lock, state, self.say)
            measure_faithfulness(self.output, now.resolved, state, check=self.lock.check, say=self.say)
        counts = (self.plan.expected_rows, summary.rows, summary.images, summary.retries)
        return RunOutcome(*counts, report_state(now, state))

    def _compute(self, record: dict[str, Any]) -> Any:
        from igbatch.pipeline.attribute import Attribution
        from igbatch.pipeline.cluster import size_workers
        from igbatch.pipeline.reports import Hardware
        from igbatch.pipeline.settled import Settled
        from igbatch.pipeline.visibility import check_nodes, probe_file

        run = self.loaded.study.run
        sizes = (run.device, run.workers, run.threads, run.workers_per_gpu)
        workers = size_workers(*sizes)
        settled = record["settled"].get(workers.device, {})
        if "threads" in settled:
            workers = size_workers(*sizes, settled_threads=settled["threads"])
        plan = self.plan.for_workers(workers.count)
        self.say(
            f"{plan.missing_rows} of {plan.expected_rows} rows to compute, in {plan.shard_count()} shards, "
            f"on up to {workers.count} {workers.device} worker(s) of {workers.threads} thread(s)"
        )
        with probe_file(self.output, plan.first_file()) as probe:
            check_nodes(probe)
            stage = Attribution(
                plan, self.output, workers, Settled.from_record(settled), self.listener,
                probe=probe, check=self.lock.check, say=self.say,
            )  # fmt: skip

            def on_ready(hardware: Hardware, found: Settled | None) -> None:
                values = asdict(found) if found else None
                if keep_settled(self.output, record, workers.device, asdict(hardware), values) and found:
                    for reason in found.reasons:
                        self.say(reason)

            stage.on_ready = on_ready
            return stage.run()


@contextmanager
def _door(study: Study, address: str | None) -> Iterator[Any]:
    """Open the cluster to a reduction that compares maps; scanning statistics alone needs none."""
    if study.randomization is None:
        yield map
        return
    from igbatch.pipeline.cluster import map_shards
    from igbatch.pipeline.session import ray_session

    with ray_session(address):
        yield map_shards


def _finish(
    output: Output, plan: Plan, map_shards: Any, lock: Lock, state: str, say: Callable[[str], None]
) -> None:
    """Reduce a study as it is planned and stands now, after sweeping what no commit of any variant names."""
    lock.check()
    dropped = [variant for variant in output.folders("image_stats") if variant not in plan.committed]
    others = {file["path"] for commit in read_commits(output, dropped) for file in commit.files.values()}
    sweep(output, plan.data_files() | others)
    reduce_study(output, map_shards, say)
    Derived(output).keep_reduced(state)


def check_submitted(out: str, submitted: bool) -> None:
    """Refuse a relative local output inside a submitted job, whose working directory vanishes with it.

    Raises:
        InputError: the output is a relative local path and the job was submitted.
    """
    if submitted and is_local(out) and not out.removeprefix("file://").startswith("/"):
        raise InputError(f"--out {out}: a submitted job's folder vanishes; give an absolute path or a URI")
