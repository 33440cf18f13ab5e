"""`igbatch plan`: what a run would compute, store and take, from the plan and a small trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from igbatch.errors import printable
from igbatch.pipeline.faithfulness import measured_variants
from igbatch.pipeline.opening import existing_study
from igbatch.pipeline.packages import package_warnings
from igbatch.pipeline.plan import BYTES_A_PIXEL, Plan, copies_of, expected_steps
from igbatch.pipeline.run import plan_study
from igbatch.report.sentences import sentences
from igbatch.store.output import Output
from igbatch.study_file import LoadedStudy

if TYPE_CHECKING:
    from igbatch.pipeline.preview import Preview

MOST_NAMES = 8


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
    """Return what the template tells of a plan, with a trial or without."""
    resolved, settings = plan.resolved, plan.resolved.study.audit.faithfulness
    measured = measured_variants(resolved, settings) if settings else []
    trials = {(trial.model, trial.kind): trial for trial in (found.trials if found else ())}
    forward = faithfulness = seconds = 0.0
    pairs, rows = 0, Counter[tuple[str, str]]()
    for spec in resolved.variants:
        missing, trial = plan.missing[spec.variant_id], trials.get((spec.model, spec.kind))
        nodes = copies_of(resolved) * expected_steps(spec)  # of an image, all its copies together
        if trial and spec.steps == "auto":
            nodes = trial.nodes
        forward += missing.images * nodes
        seconds += missing.images * trial.seconds if trial else 0
        rows[spec.model, spec.kind] += missing.count
        if settings and spec in measured:
            sample = min(settings.images.sample, plan.asked[spec.variant_id])
            pairs += sample
            faithfulness += sample * (settings.perturbations + 1) * nodes

    def mean(values: Mapping[tuple[str, str], float]) -> float:
        return sum(value * rows[kind] for kind, value in values.items()) / sum(rows[kind] for kind in values)

    _, height, width = next(iter(resolved.models.values())).data_config["input_size"]
    map_bytes: float = BYTES_A_PIXEL[resolved.study.store.encoding] * height * width
    tried = {kind: trial.map_bytes for kind, trial in trials.items() if trial.map_bytes}
    return {
        "plan": plan, "found": found, "trials": trials, "copies": copies_of(resolved), "most": MOST_NAMES,
        "fewer": [count for count in plan.asked.values() if count < len(plan.images.table)],
        "forward": round(forward), "backward": round(forward * len(resolved.target_names)),
        "pairs": pairs, "faithfulness": round(faithfulness), "seconds": seconds,
        "tried": tried, "map_bytes": mean(tried) if tried else map_bytes, "kept": plan.maps_to_store(),
        "row_bytes": mean({kind: trial.row_bytes for kind, trial in trials.items()}) if trials else None,
        "size": _size, "time": _hours,
    }  # fmt: skip


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        digits = 0 if unit == "B" else 1
        if round(count, digits) < 1000 or unit == "TB":
            return f"{count:.{digits}f} {unit}"
        count /= 1000
    raise AssertionError


def _hours(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:,.1f} hours"
