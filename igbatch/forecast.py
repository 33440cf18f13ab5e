"""`igbatch plan`: what a run would compute, store and take, from the plan and a small trial."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from igbatch.errors import printable
from igbatch.pipeline.curves import passes_an_image
from igbatch.pipeline.devices import refuse_missing_gpu
from igbatch.pipeline.messages import Calibration, calibrate_plan
from igbatch.pipeline.packages import package_warnings
from igbatch.pipeline.plan import BYTES_A_PIXEL, Plan, Shard, copies_of, expected_steps
from igbatch.pipeline.removal_passes import removal_passes
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.sampled import CURVES, FAITHFULNESS, SampleMeasure, measured_variants
from igbatch.pipeline.study_output import existing_study
from igbatch.report.sentences import sentences
from igbatch.store.output import DATA_KINDS, Output
from igbatch.study_file import LoadedStudy

if TYPE_CHECKING:
    from igbatch.pipeline.compute import ShardComputer

MAX_NAMES = 8
TRIAL_IMAGES = 4
"""Images of a variant of each kind that are really computed; with smoothing, copies of the first ones."""


@dataclass(frozen=True)
class Trial:
    """A few images of one variant, computed and stored as a run would, and thrown away.

    Attributes:
        model, kind: what other variants the figures stand for.
        seconds: of device time an image, all its copies together.
        nodes: integration nodes an image, likewise.
        map_bytes: of a map as it is kept, 0 where none is.
        row_bytes: of statistics for each image and target.
    """

    model: str
    kind: str
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
        calibration: None where no image could be used.
        known: the calibration is that of an earlier run of the study, and was not measured now.
        trials: one for each model and kind of variant that is not done.
    """

    device: str
    threads: int
    calibration: Calibration | None
    known: bool
    trials: tuple[Trial, ...] = ()


def describe_plan(loaded: LoadedStudy, out: str, console: Console, *, trial: bool = True) -> None:
    """Print what a run of the study would compute and store, writing nothing.

    With `trial`, arithmetic and micro-batch are measured where no run has done so, and a few images of
    each kind of variant are computed, so that time and sizes are those of this machine.

    Raises:
        InputError: the study is wrong, or its output belongs to another one.
    """
    output = Output(out)
    plan = plan_study(loaded, output)
    found = preview(plan, existing_study(output)) if trial and plan.missing_rows else None
    title = Text(printable(f"plan of {loaded.study.name} -> {out}"))
    table = Table(show_header=False, title=title, title_justify="left")
    for row in sentences("plan.j2", **_facts(plan, found)):
        name, _, value = row.partition(" | ")
        table.add_row(name, Text(printable(value)))
    for warning in (*package_warnings(), *plan.images.warnings):
        line = printable(f"warning: {warning}")
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for damaged in plan.damaged:
        line = f"{damaged.path}: {damaged.reason}; a run computes its shard again"
        console.print(line, highlight=False, markup=False)
    console.print(table)


def _facts(plan: Plan, found: Preview | None) -> dict[str, Any]:
    """Return the values of the template of a plan, with a trial or without."""
    resolved, audit = plan.resolved, plan.resolved.study.audit
    sampled = {measure: _sampled(plan, measure) for measure in (FAITHFULNESS, CURVES)}
    trials = {(trial.model, trial.kind): trial for trial in (found.trials if found else ())}
    forward = faithfulness = curves = seconds = 0.0
    rows = Counter[tuple[str, str]]()
    for spec in resolved.variants:
        missing, trial = plan.missing[spec.variant_id], trials.get((spec.model, spec.kind))
        nodes: float = copies_of(resolved) * expected_steps(spec)  # of an image, all its copies together
        if trial and spec.steps == "auto":
            nodes = trial.nodes
        forward += missing.images * nodes
        seconds += missing.images * trial.seconds if trial else 0
        rows[spec.model, spec.kind] += missing.count
        if audit.faithfulness:
            sample = sampled[FAITHFULNESS].get(spec.variant_id, 0)
            faithfulness += sample * (audit.faithfulness.perturbations + 1) * nodes
        if audit.curves:
            _, height, width = resolved.models[spec.model].data_config["input_size"]
            pieces = resolved.study.images.superpixels
            passes = passes_an_image(audit.curves, height, width, len(resolved.target_names), pieces)
            curves += sampled[CURVES].get(spec.variant_id, 0) * passes

    def mean(values: Mapping[tuple[str, str], float]) -> float:
        return sum(value * rows[kind] for kind, value in values.items()) / sum(rows[kind] for kind in values)

    measured = found.calibration if found else None
    precision = measured.precision if measured else resolved.study.attribution.precision
    _, height, width = next(iter(resolved.models.values())).data_config["input_size"]
    stored = 1 + (resolved.study.attribution.baselines > 1)  # a map's spread is as large
    map_bytes: float = stored * BYTES_A_PIXEL[resolved.study.store.encoding] * height * width
    tried = {kind: trial.map_bytes for kind, trial in trials.items() if trial.map_bytes}
    return {
        "plan": plan, "found": found, "trials": trials, "copies": copies_of(resolved), "most": MAX_NAMES,
        "fewer": [count for count in plan.image_counts.values() if count < len(plan.images.table)],
        "forward": round(forward), "backward": round(forward * resolved.backward_passes),
        "pairs": {measure.name: sum(found.values()) for measure, found in sampled.items()},
        "removals": round(removal_passes(plan, precision)),
        "faithfulness": round(faithfulness), "curves": round(curves), "seconds": seconds,
        "tried": tried, "map_bytes": mean(tried) if tried else map_bytes, "kept": plan.maps_to_store(),
        "row_bytes": mean({kind: trial.row_bytes for kind, trial in trials.items()}) if trials else None,
        "size": _size, "time": _hours,
    }  # fmt: skip


def _sampled(plan: Plan, measure: SampleMeasure) -> dict[str, int]:
    """Return how many images of a sample each variant has that is measured, by its id, about."""
    settings = measure.settings(plan.resolved)
    specs = measured_variants(plan.resolved, settings) if settings else []
    return {
        spec.variant_id: min(settings.images.sample, plan.image_counts[spec.variant_id])
        for spec in specs
        if settings
    }


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        digits = 0 if unit == "B" else 1
        if round(count, digits) < 1000 or unit == "TB":
            return f"{count:.{digits}f} {unit}"
        count /= 1000
    raise AssertionError


def _hours(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:,.1f} hours"


def preview(plan: Plan, record: dict[str, Any] | None) -> Preview:
    """Read an earlier run's calibration, or measure it on the first images; try a small shard of each kind.

    Nothing is written but to a temporary folder, which is removed. `record` is the output's `study.json`, if
    there is one.

    Raises:
        InputError: the study asks for a GPU, and this machine has none.
    """
    import torch

    from igbatch.pipeline.cluster import threads_per_worker
    from igbatch.pipeline.compute import ShardComputer, device_name

    run = plan.resolved.study.run
    chosen = run.device if run.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    refuse_missing_gpu(
        chosen, "plan for one that is elsewhere with --no-trial, or use run.device: auto or cpu"
    )
    earlier = (record or {}).get("calibrations", {}).get(chosen)
    known = Calibration.from_record(earlier) if earlier else None
    threads = earlier["threads"] if known else threads_per_worker(run.threads, torch.get_num_threads())
    device = torch.device(chosen)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        with tempfile.TemporaryDirectory(prefix="igbatch-plan-") as folder:
            output = Output(folder)
            computer = ShardComputer(plan.resolved, output, device, max_copies=TRIAL_IMAGES)
            calibration = known or calibrate_plan(plan, computer.calibrate)
            images = max(1, TRIAL_IMAGES // copies_of(plan.resolved))
            shards = plan.samples(images) if calibration else []
            trials = [trial for shard in shards for trial in _try(computer, output, shard, calibration)]
    finally:
        torch.set_num_threads(before)
    return Preview(device_name(device), threads, calibration, known is not None, tuple(trials))


def _try(
    computer: ShardComputer, output: Output, shard: Shard, calibration: Calibration | None
) -> Iterator[Trial]:
    report = computer.compute(shard, calibration)
    used = report.rows / len(shard.targets)
    if not used:
        return
    whole = computer.copies.count / copies_of(computer.resolved)
    images = used * whole  # that the same work would have done whole
    sizes = {
        kind: sum(info.size for info in output.files(kind, shard.spec.variant_id))
        for kind in ("image_stats", *DATA_KINDS)
    }
    maps = sum(image.keep_map for image in shard.images) * len(shard.targets)
    yield Trial(
        shard.spec.model,
        shard.spec.kind,
        report.times.attributing / images,
        report.nodes / images,
        sizes["attributions"] / maps if maps else 0.0,
        (sizes["image_stats"] + sizes["box_stats"]) / report.rows,
    )
