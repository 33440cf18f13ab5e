"""Captum and igbatch side by side, in one process, on the same images: time, passes, errors, memory.

Two models: the bundled trained one, and `swin_tiny_patch4_window7_224` with random weights. Engines:

- captum as called: the model as it comes, one `attribute` a target, all steps in one batch as far as they
  fit, and the smallest number of Gauss-Legendre steps whose 95th percentile of map errors is within the
  tolerance (for swin_tiny also with captum's default of 50 steps);
- captum tuned: the same steps, parameters frozen, the fastest `internal_batch_size` of a few, the arithmetic
  switches that igbatch sets;
- both again in the arithmetic that igbatch chose, where that is not float32;
- igbatch: `steps="auto"` in float32, and in the arithmetic that `precision="auto"` chose where it differs.

Errors are relative L2 distances of maps to float32 references of many steps, kept in a file. Rows of passes
are counted by hooks. Memory is measured in fresh processes, which this script starts with `--memory`.

    python benchmarks/attribution.py --references references.npz --json attribution.json
    python benchmarks/attribution.py --memory captum-tuned bundled
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from engines import Captum, Engine, Ours, examples, parameters
from measure import (
    Case,
    FloatArray,
    Passes,
    References,
    bundled_case,
    counted,
    fixed,
    flops_of_passes,
    machine,
    product_peak,
    quantiles,
    references,
    timed,
    tiny_case,
    wide_console,
    write_json,
)
from rich.console import Console
from rich.table import Table
from torch import Tensor

from igbatch.attribution import Settings
from igbatch.attribution.calibrate import PrecisionChoice, bytes_kept, choose_graphs, choose_precision

TOLERANCES = (0.05, 0.01)
LOOSER = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
"""Tolerances that are tried for the same true error as captum's, as multiples."""
REFERENCE_TOLERANCE = 1e-3
"""Largest change of a reference with its steps: a tenth of the tightest tolerance."""
LADDER = (4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512, 640,
          800, 1024)  # fmt: skip
BATCHES = (4, 8, 16, 32, 64, 128, 256)
"""Sizes of captum's internal batches that are tried."""
CAPTUM_STEPS = 50  # captum's default
BEYOND = 4
"""In a lower precision, steps are raised up to so many times what float32 needs, then given up."""
MEMORY_SHARE = 0.5
"""Of the free memory, what a batch of captum as called may take."""
MIN_SPEEDUPS = {("bundled", 0.01): (3.0, 3.5), ("bundled", 0.05): (3.0, 3.5), ("swin_tiny", 0.01): (1.3, 8.0)}
"""Times of captum over ours that are required: tuned, and as called (on swin_tiny with 50 steps)."""
MAX_MEMORY_RATIO, MAX_ABOVE_STATED = 0.8, 0.01
MEMORY_ENGINES = ("captum-called", "captum-tuned", "igbatch")


@dataclass
class Measured:
    """What was measured of an engine.

    Attributes:
        seconds: an image, one each repeat; of all images where the engine is timed on them, else of the few.
        few_seconds: an image, one each repeat, of the few images.
        passes: rows through the model, of `images` images.
        errors, gaps: [maps].
    """

    engine: Engine
    tolerance: float | None
    images: int
    passes: Passes
    errors: FloatArray
    gaps: FloatArray
    seconds: list[float] = field(default_factory=list)
    few_seconds: list[float] = field(default_factory=list)
    above_stated: float | None = None
    mean_steps: float | None = None

    def row(self, flops: tuple[int, int], peaks: dict[str, float]) -> dict[str, Any]:
        """Return the figures of the table."""
        median = float(np.median(self.seconds))
        forward, backward = self.passes.forward / self.images, self.passes.backward / self.images
        work = forward * flops[0] + backward * flops[1]
        return {
            "engine": self.engine.name,
            "tolerance": self.tolerance,
            "precision": self.engine.precision,
            "steps": self.engine.steps if self.mean_steps is None else self.mean_steps,
            "batch": self.engine.rows,
            "seconds": {"median": median, "min": min(self.seconds), "max": max(self.seconds)},
            "seconds_few": float(np.median(self.few_seconds)),
            "forward": forward,
            "backward": backward,
            "maps": self.errors.size,
            "error": quantiles(self.errors),
            "gap": {"p50": float(np.median(np.abs(self.gaps))), "max": float(np.abs(self.gaps).max())},
            "peak_share": work / median / peaks[self.engine.precision],
            "above_stated": self.above_stated,
        }


def main() -> None:
    arguments = parse()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.memory:
        engine, model = arguments.memory
        print(json.dumps(memory_of(engine, model, arguments)))
        return
    console, device = wide_console(), torch.device(arguments.device)
    report: dict[str, Any] = {"machine": machine(device), "arguments": vars(arguments), "models": {}}
    console.print(report["machine"])
    peaks = {"float32": product_peak("float32", device), "bfloat16": product_peak("bfloat16", device)}
    for name in arguments.models:
        case = case_named(name, arguments.scenes if name == "bundled" else arguments.tiny_scenes, device)
        report["models"][name] = compared(name, case, peaks, arguments, console)
        report["peaks"] = peaks
        write_json(Path(arguments.json) if arguments.json else None, report)
    for name, content in report["models"].items():
        show(console, name, content)
    found = ", ".join(f"{key} {value / 1e12:.2f}" for key, value in peaks.items())
    console.print(f"matrix-product peaks, TFLOP/s: {found}")
    report["limits"] = [
        limit for name, content in report["models"].items() for limit in limits(name, content)
    ]
    for limit in report["limits"]:
        console.print(
            f"{'met   ' if limit['met'] else 'MISSED'} {limit['what']}: {limit['found']:.3g},"
            f" required {limit['required']:g} ({limit['found'] / limit['required']:.2f} of it)"
        )
    write_json(Path(arguments.json) if arguments.json else None, report)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", default=["bundled", "swin_tiny"], choices=["bundled", "swin_tiny"]
    )
    parser.add_argument("--scenes", type=int, default=32, help="of the bundled model: seeds 0, 1, …")
    parser.add_argument("--tiny-scenes", type=int, default=4, help="of swin_tiny")
    parser.add_argument("--timed-scenes", type=int, default=4, help="that captum is timed on")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--reference", type=int, default=1000, help="steps of the references, at least")
    parser.add_argument("--references", help="keep the references in this .npz file")
    parser.add_argument("--tolerances", type=float, nargs="+", default=list(TOLERANCES))
    parser.add_argument("--compiled", action="store_true", help="measure compiled passes too")
    parser.add_argument("--called-batch", type=int, help="batch of captum as called; default: what fits")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", help="keep the figures in this file")
    parser.add_argument(
        "--memory",
        nargs=2,
        metavar=("ENGINE", "MODEL"),
        help=f"measure the memory of one engine alone: {', '.join(MEMORY_ENGINES)}",
    )
    parser.add_argument("--memory-scenes", type=int, default=2, help="images that memory is measured with")
    parser.add_argument("--memory-repeats", type=int, default=3, help="fresh processes an engine")
    parser.add_argument("--micro-batch", type=int, default=8, help="rows at a time where memory is measured")
    parser.add_argument("--steps", type=int, default=CAPTUM_STEPS, help="captum's, where memory is measured")
    parser.add_argument("--precision", default="float32", help="where memory is measured")
    return parser.parse_args()


def case_named(name: str, scenes: int, device: torch.device) -> Case:
    """Return the case of a model."""
    seeds = range(scenes)
    return bundled_case("trained", seeds, device) if name == "bundled" else tiny_case(seeds, device)


def compared(
    name: str, case: Case, peaks: dict[str, float], arguments: argparse.Namespace, console: Console
) -> dict[str, Any]:
    """Compare all engines on one model."""
    file = Path(arguments.references) if arguments.references else None
    reference = references(case, arguments.reference, REFERENCE_TOLERANCE, file, console.log)
    with parameters(case.model, frozen=True):
        flops = flops_of_passes(case)
        row_bytes = saved_bytes(case)
    steps = smallest_steps(case, reference, sorted(arguments.tolerances, reverse=True), console)
    measured: list[Measured] = []
    probes, missed = {}, []
    for tolerance in sorted(arguments.tolerances, reverse=True):
        seconds, choice = timed(lambda: chosen_precision(case, tolerance), case.images.device)  # noqa: B023
        probes[str(tolerance)] = {"precision": choice.precision, "error": choice.error,
                                  "reason": choice.reason, "seconds": seconds}  # fmt: skip
        console.log(f"{name} at {tolerance:.0%}: {choice.precision} ({choice.reason}; {seconds:.0f} s)")
        if choice.precision not in peaks:
            peaks[choice.precision] = product_peak(choice.precision, case.images.device)
        chosen = ["float32"] if choice.precision == "float32" else ["float32", choice.precision]
        engines: list[Engine] = []
        for precision in chosen:
            error = choice.error if precision == choice.precision else 0.0
            label = "igbatch" if precision == "float32" else f"igbatch {precision}"
            ours = Ours(label, tolerance, precision, error)
            engines += [ours, at_equal_error(case, reference, ours, console)]
            if arguments.compiled:
                engines.append(compiled(case, ours, console))
            found = captum_steps(case, reference, steps.get(tolerance), tolerance, precision, console)
            if found is None:
                missed.append(f"captum {precision} does not come within {tolerance:.0%}")
                continue
            batch = arguments.called_batch or fitting_batch(found, row_bytes, case.images.device)
            suffix = "" if precision == "float32" else f" {precision}"
            engines.append(Captum(f"captum as called{suffix}", found, batch, False, precision))
            engines.append(tuned(case, found, precision, f"captum tuned{suffix}"))
        if name == "swin_tiny" and tolerance == min(arguments.tolerances):
            batch = arguments.called_batch or fitting_batch(CAPTUM_STEPS, row_bytes, case.images.device)
            engines.append(Captum(f"captum as called, {CAPTUM_STEPS} steps", CAPTUM_STEPS, batch, False))
        measured += race(case, reference, engines, tolerance, arguments, console)
    return {
        "references": reference.summary(),
        "flops": {"forward": flops[0], "backward": flops[1]},
        "probes": probes,
        "missed": missed,
        "rows": [each.row(flops, peaks) for each in measured],
        "memory": memory(
            name, max((each for each in steps.values()), default=CAPTUM_STEPS), arguments, console
        ),
    }


def chosen_precision(case: Case, tolerance: float) -> PrecisionChoice:
    """Return what ``precision="auto"`` comes to for a case."""
    return choose_precision(case.model, examples(case), Settings(steps="auto", tolerance=tolerance))


def compiled(case: Case, ours: Ours, console: Console) -> Ours:
    """Return ours with compiled passes, or captured ones on a GPU; compiling is not part of its time."""
    settings = Settings(
        steps="auto", tolerance=ours.tolerance, precision=ours.precision,
        arithmetic_error=ours.arithmetic_error,
    )  # fmt: skip
    seconds, (graphs, reason) = timed(
        lambda: choose_graphs(case.model, examples(case)[0], settings, "compiled", len(case.images)),
        case.images.device,
    )
    console.log(f"{case.name}: {reason}; {seconds:.0f} s")
    return replace(ours, name=f"{ours.name} {graphs.form}", graphs=graphs)


def smallest_steps(
    case: Case, reference: References, tolerances: Sequence[float], console: Console
) -> dict[float, int]:
    """Return the fewest steps of ``LADDER`` whose 95th percentile of errors is within each tolerance."""
    found: dict[float, int] = {}
    waiting = list(tolerances)
    for steps in LADDER:

        def maps(part: Case, steps: int = steps) -> Tensor:
            return torch.as_tensor(fixed(part, steps).attributions)

        while waiting and within(case, reference, waiting[0], maps):
            found[waiting.pop(0)] = steps
            console.log(f"{case.name}: {steps} fixed steps suffice")
        if not waiting:
            break
    return found


def within(case: Case, reference: References, tolerance: float, maps: Callable[[Case], Tensor]) -> bool:
    """Tell whether the 95th percentile of errors is within a tolerance; stops once it cannot be."""
    total = len(case.images) * len(case.targets)
    errors: list[float] = []
    for index in range(len(case.images)):
        found = maps(case.part(index, index + 1))
        part = References(
            reference.maps[index : index + 1], reference.rises, reference.steps, reference.changes
        )
        errors += part.errors(found).ravel().tolist()
        if sum(error > tolerance for error in errors) > 0.05 * (total - 1) + 1:
            return False
    return float(np.quantile(errors, 0.95)) <= tolerance


def at_equal_error(case: Case, reference: References, ours: Ours, console: Console) -> Ours:
    """Return ours with the loosest tolerance at which the 95th percentile of true errors is within its own.

    A user has no references to choose by; captum's steps are chosen by them, so that this is the same game.
    """
    chosen = ours.tolerance
    for factor in LOOSER:
        trial = replace(ours, tolerance=factor * ours.tolerance)
        if np.quantile(reference.errors(trial.maps(case)), 0.95) > ours.tolerance:
            break
        chosen = trial.tolerance
    console.log(f"{case.name}: {ours.name} is within {ours.tolerance:.0%} with a tolerance of {chosen:.1%}")
    return replace(ours, name=f"{ours.name}, tolerance {chosen:.1%}", tolerance=chosen)


def captum_steps(
    case: Case, reference: References, least: int | None, tolerance: float, precision: str, console: Console
) -> int | None:
    """Return the fewest steps, from `least` on, that suffice with captum itself; None if there are none."""
    for steps in LADDER if least is not None else ():
        if least is None or not least <= steps <= BEYOND * least:
            continue
        engine = Captum("", steps, BATCHES[1], True, precision)
        if within(case, reference, tolerance, engine.maps):
            console.log(f"{case.name}: captum {precision} is within {tolerance:.0%} with {steps} steps")
            return steps
    return None


def tuned(case: Case, steps: int, precision: str, name: str) -> Captum:
    """Return captum with the internal batch that is the fastest on an image or two."""
    device = case.images.device
    largest = steps if device.type == "cpu" else BATCHES[-1]
    sizes = [size for size in BATCHES if size < largest] + [largest]
    engines = [Captum(name, steps, size, True, precision) for size in sizes]
    seconds = []
    for engine in engines:
        images = max(1, (engine.batch or 1) // steps)
        part = case.part(0, images)
        engine.maps(part)
        seconds.append(timed(lambda: engine.maps(part), device)[0] / len(part.images))  # noqa: B023
    return engines[int(np.argmin(seconds))]


def fitting_batch(steps: int, row_bytes: float, device: torch.device) -> int | None:
    """Return None where all steps fit into memory at once, else how many do."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    rows = int(MEMORY_SHARE * free / row_bytes)
    return None if rows >= steps else max(1, rows)


def saved_bytes(case: Case) -> float:
    """Return what a row's forward pass keeps for the backward pass, bytes."""
    points = case.images[:1].clone().requires_grad_()
    return bytes_kept(lambda: case.model(points))


def race(
    case: Case,
    reference: References,
    engines: Sequence[Engine],
    tolerance: float,
    arguments: argparse.Namespace,
    console: Console,
) -> list[Measured]:
    """Measure engines: first untimed for errors and passes (captum as called on the few), then in turn."""
    few = case.part(0, arguments.timed_scenes)
    found = []
    for engine in engines:
        part = few if isinstance(engine, Captum) and not engine.tuned else case
        with counted(case.model) as passes:
            maps = engine.maps(part)
        if isinstance(engine, Ours) and engine.graphs is not None:  # hooks see nothing of a graph
            passes = Passes(int(engine.taken[:, 0].sum()), int(engine.taken.sum()))
        errors = reference.errors(maps)
        each = Measured(
            engine, tolerance, len(part.images), passes, errors.ravel(), reference.gaps(maps).ravel()
        )
        if isinstance(engine, Ours):
            each.above_stated = float((errors > engine.stated).mean())
            each.mean_steps = float(engine.taken.mean())
        found.append(each)
    for repeat in range(arguments.repeats):
        for each in found:
            device = case.images.device
            seconds = timed(lambda: each.engine.maps(few), device)[0] / len(few.images)  # noqa: B023
            each.few_seconds.append(seconds)
            if each.engine.whole and len(few.images) < len(case.images):
                seconds = timed(lambda: each.engine.maps(case), device)[0] / len(case.images)  # noqa: B023
            each.seconds.append(seconds)
            console.log(
                f"{case.name} at {tolerance:.0%}, repeat {repeat}: {each.engine.name}"
                f" {seconds:.3f} s an image"
            )
    return found


def memory(name: str, steps: int, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure the peak memory of each engine in fresh processes, bytes above the state with the model."""
    peaks: dict[str, Any] = {"micro_batch": arguments.micro_batch, "captum_steps": steps}
    for engine in MEMORY_ENGINES:
        command = [sys.executable, __file__, "--memory", engine, name, "--steps", str(steps)]
        for option in ("memory_scenes", "micro_batch", "device", "precision"):
            command += [f"--{option.replace('_', '-')}", str(getattr(arguments, option))]
        command += ["--threads", str(torch.get_num_threads())]
        runs = [
            json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
            )
            for _ in range(arguments.memory_repeats)
        ]
        peaks[engine] = [run["bytes"] for run in runs]
        console.log(f"{name}: {engine} takes {np.median(peaks[engine]) / 1e6:.0f} MB")
    return peaks


def memory_of(engine: str, model: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the peak memory of one engine in this process."""
    device = torch.device(arguments.device)
    case = case_named(model, arguments.memory_scenes, device)
    rows, precision = arguments.micro_batch, arguments.precision
    chosen: dict[str, Engine] = {
        "captum-called": Captum("", arguments.steps, rows, False, precision),
        "captum-tuned": Captum("", arguments.steps, rows, True, precision),
        "igbatch": Ours("", min(TOLERANCES), precision, micro_batch=rows),
    }
    start = time.perf_counter()
    with above_this(device) as peak:
        chosen[engine].maps(case)
    return {"engine": engine, "model": model, "bytes": peak[0], "seconds": time.perf_counter() - start}


@contextmanager
def above_this(device: torch.device) -> Iterator[list[int]]:
    """Measure the peak memory above what is held on entering: torch's on a GPU, else the process's."""
    found: list[int] = []
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield found
        found.append(torch.cuda.max_memory_allocated(device) - before)
        return
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts again from here
    before = resident("VmRSS")
    yield found
    found.append(resident("VmHWM") - before)


def resident(name: str) -> int:
    """Return a figure of /proc/self/status, bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}: memory can be measured on Linux alone")


def show(console: Console, name: str, content: dict[str, Any]) -> None:
    """Print the table of a model."""
    table = Table(title=name)
    for column in ("engine", "within", "steps", "batch", "s an image (min–max)", "forward", "backward",
                   "maps", "error p50", "p95", "max", "gap p50", "max", "of peak"):  # fmt: skip
        table.add_column(column, justify="left" if column == "engine" else "right")
    for row in content["rows"]:
        seconds, error, gap = row["seconds"], row["error"], row["gap"]
        steps = row["steps"] if isinstance(row["steps"], int) else f"{row['steps']:.1f}"
        table.add_row(
            row["engine"], f"{row['tolerance']:.0%}", str(steps), str(row["batch"]),
            f"{seconds['median']:.3f} ({seconds['min']:.3f}–{seconds['max']:.3f})",
            f"{row['forward']:.1f}", f"{row['backward']:.1f}", str(row["maps"]),
            *(f"{error[key]:.2%}" for key in ("p50", "p95", "max")),
            *(f"{gap[key]:.1e}" for key in ("p50", "max")), f"{row['peak_share']:.1%}",
        )  # fmt: skip
    console.print(table)
    console.print(f"references: {content['references']}")
    for line in content["missed"]:
        console.print(line)
    peaks = content["memory"]
    for engine in MEMORY_ENGINES:
        values = np.array(peaks[engine]) / 1e6
        console.print(
            f"peak memory above the loaded model, {peaks['micro_batch']} rows: {engine}"
            f" {np.median(values):.0f} MB ({values.min():.0f}–{values.max():.0f})"
        )


def limits(name: str, content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each limit with what was found: ratios of median seconds, of memory, shares of maps."""
    rows = {(row["engine"], row["tolerance"]): row for row in content["rows"]}
    for (engine, tolerance), row in rows.items():
        if not engine.startswith("igbatch"):
            continue
        tuned_speedup, called_speedup = MIN_SPEEDUPS.get((name, tolerance), (None, None))
        others = {}
        for suffix in ("", engine.split(",")[0].removeprefix("igbatch")):
            default = f"captum as called, {CAPTUM_STEPS} steps"
            others[f"captum tuned{suffix}"] = tuned_speedup
            others[default if name == "swin_tiny" else f"captum as called{suffix}"] = called_speedup
        for other, factor in others.items():
            if factor is not None and (other, tolerance) in rows:
                theirs = rows[other, tolerance]["seconds"]["median"]
                what = f"{name}, {tolerance:.0%}: times faster than {other}, {engine}"
                yield verdict(what, theirs / row["seconds"]["median"], factor, more=True)
                yield verdict(f"{what}, timed images alone", theirs / row["seconds_few"], factor, more=True)
        what = f"{name}, {tolerance:.0%}: 95th percentile of errors, {engine}"
        yield verdict(what, row["error"]["p95"], tolerance, more=False)
        what = f"{name}, {tolerance:.0%}: share of maps further off than stated, {engine}"
        yield verdict(what, row["above_stated"], MAX_ABOVE_STATED, more=False)
    for engine in ("captum-tuned", "captum-called"):
        ratio = np.median(content["memory"]["igbatch"]) / np.median(content["memory"][engine])
        yield verdict(f"{name}: peak memory beside {engine}", float(ratio), MAX_MEMORY_RATIO, more=False)


def verdict(what: str, found: float, required: float, *, more: bool) -> dict[str, Any]:
    """Return a limit and whether it was met."""
    met = found >= required if more else found <= required
    return {"what": what, "found": found, "required": required, "met": bool(met)}


if __name__ == "__main__":
    main()
