"""`igbatch plan`: what a run would compute, store and take, from the plan and a small trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from igbatch.errors import printable
from igbatch.pipeline.faithfulness import measured_variants
from igbatch.pipeline.opening import existing_study
from igbatch.pipeline.packages import package_warnings
from igbatch.pipeline.plan import BYTES_A_PIXEL, Plan, copies_of, expected_steps
from igbatch.pipeline.run import plan_study
from igbatch.store.output import Output
from igbatch.study import VariantSpec
from igbatch.study_file import LoadedStudy

if TYPE_CHECKING:
    from igbatch.pipeline.preview import Preview, Trial

MOST_NAMES = 8
Row = tuple[str, str]


def describe_plan(loaded: LoadedStudy, out: str, console: Console, *, trial: bool = True) -> None:
    """Print what a run of the study would compute and store, writing nothing.

    With `trial`, arithmetic and micro-batch are measured where no run has settled them, and a few images of
    each kind of variant are computed, so that time and sizes are those of this machine.

    Raises:
        InputError: the study is wrong, or its output belongs to another one.
    """
    output = Output(out)
    plan = plan_study(loaded, output)
    found = None
    if trial and plan.missing_rows:
        from igbatch.pipeline.preview import preview

        found = preview(plan, existing_study(output))
    title = Text(printable(f"plan of {loaded.study.name} -> {out}"))
    table = Table(show_header=False, title=title, title_justify="left")
    for name, value in (*_work(plan, found), *_bytes(plan, found), *_settled(found), *_time(plan, found)):
        table.add_row(name, Text(printable(value)))
    for warning in (*package_warnings(), *plan.images.warnings):
        line = printable(f"warning: {warning}")
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for damaged in plan.damaged:
        line = f"{damaged.path}: {damaged.reason}; a run computes its shard again"
        console.print(line, highlight=False, markup=False)
    console.print(table)


def _work(plan: Plan, found: Preview | None) -> Iterator[Row]:
    names = [spec.variant_id for spec in plan.resolved.variants]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    yield "images", f"{len(plan.images.table):,}{_subsets(plan)}"
    if plan.images.box_counts:
        yield "boxes", plan.images.box_counts.words()
    yield "variants", f"{len(names):,}: {', '.join(names[:MOST_NAMES])}{more}"
    yield "targets", ", ".join(plan.resolved.target_names)
    copies = copies_of(plan.resolved)
    if copies > 1:
        yield "smoothing", f"each map is the mean over {copies:,} noisy copies of its image"
    yield "rows expected", f"{plan.expected_rows:,}"
    yield "rows to compute", f"{plan.missing_rows:,}"
    yield "shards", f"{plan.shard_count():,} of at most {plan.shard_images:,} images"
    nodes = sum(
        plan.missing[spec.variant_id].images * _nodes(_trial_of(found, spec.model, spec.kind), spec, copies)
        for spec in plan.resolved.variants
    )
    backward = nodes * len(plan.resolved.target_names)
    adaptive = any(spec.steps == "auto" for spec in plan.resolved.variants)
    about = "about " if adaptive else ""
    yield (
        "passes of the models",
        f"{about}{nodes:,.0f} forward (one a node), {about}{backward:,.0f} backward (one a target)",
    )
    yield from _faithfulness(plan, found)


def _faithfulness(plan: Plan, found: Preview | None) -> Iterator[Row]:
    """Say what the measures of a sample's maps would take where none of them is there yet."""
    settings = plan.resolved.study.audit.faithfulness
    if settings is None:
        return
    specs = measured_variants(plan.resolved, settings)
    images = [min(settings.images.sample, plan.asked[spec.variant_id]) for spec in specs]
    copies = copies_of(plan.resolved)
    nodes = sum(
        count * (settings.perturbations + 1) * _nodes(_trial_of(found, spec.model, spec.kind), spec, copies)
        for count, spec in zip(images, specs, strict=True)
    )
    yield (
        "faithfulness",
        f"{sum(images):,} (image, variant) pairs, about {nodes:,.0f} forward passes more, fewer where an "
        "earlier run measured them",
    )


def _subsets(plan: Plan) -> str:
    """Say how many variants are computed on fewer than all images."""
    fewer = [images for images in plan.asked.values() if images < len(plan.images.table)]
    if not fewer:
        return ""
    span = f"{min(fewer):,}" if min(fewer) == max(fewer) else f"{min(fewer):,} to {max(fewer):,}"
    return f" ({span} of them for {len(fewer):,} of the variants)"


def _nodes(trial: Trial | None, spec: VariantSpec, copies: int) -> float:
    """Return the nodes of an image, all its copies together."""
    return trial.nodes if trial and spec.steps == "auto" else copies * expected_steps(spec)


def _bytes(plan: Plan, found: Preview | None) -> Iterator[Row]:
    """Say what each choice of `store.maps` would take, and the statistics, which are always whole."""
    _, height, width = next(iter(plan.resolved.models.values())).data_config["input_size"]
    raw = BYTES_A_PIXEL[plan.resolved.study.store.encoding] * height * width
    trials = found.trials if found else ()
    sizes = [(trial.map_bytes, _rows_like(plan, trial)) for trial in trials if trial.map_bytes]
    each, how = (_mean(sizes), "by the trial") if sizes else (raw, "before compression")
    kept = plan.maps_to_store()
    chosen = plan.resolved.study.store.model_dump()
    maps = chosen["maps"]
    said = maps if isinstance(maps, str) else f"a sample of {maps['sample']} images"
    yield (
        "maps to be written",
        f"{_size(kept * each)} for {kept:,} maps ({said}, {chosen['encoding']}, {how}); "
        f"all would be {_size(plan.missing_rows * each)}, none 0 B",
    )
    if trials:
        row = _mean([(trial.row_bytes, _rows_like(plan, trial)) for trial in trials])
        told = f"{_size(plan.missing_rows * row)} (by the trial, whose small files take more a row)"
        yield "statistics to be written", told


def _rows_like(plan: Plan, trial: Trial) -> int:
    """Count the rows to compute of variants that a trial stands for."""
    alike = [spec for spec in plan.resolved.variants if (spec.model, spec.kind) == (trial.model, trial.kind)]
    return sum(plan.missing[spec.variant_id].count for spec in alike)


def _mean(weighted: Sequence[tuple[float, int]]) -> float:
    return sum(value * weight for value, weight in weighted) / sum(weight for _, weight in weighted)


def _settled(found: Preview | None) -> Iterator[Row]:
    if found is None:
        return
    where = f"{found.device}, {found.threads} thread(s) a worker"
    if found.settled is None:
        yield "micro-batch", f"not measured: none of the first images can be used ({where})"
        return
    how = "settled by an earlier run" if found.known else "measured now on the first images"
    yield "arithmetic", found.settled.precision
    yield "micro-batch", f"{found.settled.micro_batch} rows on {where}; {how}"
    for reason in found.settled.reasons:
        yield "because", reason


def _time(plan: Plan, found: Preview | None) -> Iterator[Row]:
    if found is None or not found.trials:
        return
    seconds = 0.0
    for spec in plan.resolved.variants:
        trial = _trial_of(found, spec.model, spec.kind)
        if trial is not None:
            seconds += plan.missing[spec.variant_id].images * trial.seconds
    several = len(plan.resolved.models) > 1
    tried = ", ".join(
        f"{trial.kind}{f' {trial.model}' if several else ''} {trial.seconds:.2f} s "
        f"and {trial.nodes:.0f} nodes an image"
        for trial in found.trials
    )
    yield "device time", f"about {_hours(seconds)} on one such worker ({tried})"


def _trial_of(found: Preview | None, model: str, kind: str) -> Trial | None:
    trials = found.trials if found else ()
    return next((trial for trial in trials if (trial.model, trial.kind) == (model, kind)), None)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        digits = 0 if unit == "B" else 1
        if round(count, digits) < 1000 or unit == "TB":
            return f"{count:.{digits}f} {unit}"
        count /= 1000
    raise AssertionError


def _hours(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:,.1f} hours"
