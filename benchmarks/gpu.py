"""Captum and igbatch on a GPU, in one command of at most six minutes: times, errors, and what was left out.

First whole runs, as `whole_runs.py` describes them: of random variants of the bundled model with four workers
on the GPU and with one, and of `swin_base_patch4_window7_224`. Then engines in one process, on the bundled
trained model, and on `swin_tiny` and `swin_base_patch4_window7_224` with random weights; two targets,
tolerance 1 %. Engines, each in float32, TF32 and bfloat16 products:

- captum tuned: the fewest Gauss-Legendre steps whose 95th percentile of map errors is within the tolerance,
  parameters frozen, several images a call, the fastest of a few internal batches;
- captum as called: the model as it comes, all steps of an image in a batch (50 on the random models);
- igbatch with adaptive steps: passes eager, captured, compiled and captured.

Beside every time stand the relative L2 errors of the maps against float32 references of many steps, the rows
that went through the model, and the share of the time that these rows take in bare passes. The most important
is measured first. A result is in the file as soon as it is there; what fails is a line, and the rest goes on.

It needs torch, timm, numpy, rich, Pillow and safetensors, no network, and igbatch beside it, installed or
not. Whole runs need what igbatch needs, and are left out where that is not there. Where captum is not
installed it is taken from `.venv/lib/python3*/site-packages` of the checkout, which may hold captum alone;
without it the rest is measured.

    PYTHONPATH=. python benchmarks/gpu.py --json gpu.json
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
if find_spec("captum") is None:
    sys.path += [str(folder.parent) for folder in ROOT.glob(".venv/lib/python3*/site-packages/captum")]

import whole_runs  # noqa: E402
from engines import Captum  # noqa: E402
from measure import (  # noqa: E402
    Case,
    FloatArray,
    bundled_case,
    counted,
    distances,
    fixed,
    machine,
    quantiles,
    timed,
    tiny_case,
    write_json,
)

from igbatch.attribution import Example, Settings, attribute  # noqa: E402
from igbatch.attribution import precision as precisions  # noqa: E402
from igbatch.attribution.calibrate import spread  # noqa: E402
from igbatch.attribution.engine import passes_of  # noqa: E402
from igbatch.attribution.frozen import frozen, gradients_allowed  # noqa: E402
from igbatch.attribution.graphs import FORMS, Graphs  # noqa: E402
from igbatch.attribution.wave import MicroBatchLimit  # noqa: E402

PARTS = ("runs", "engines")
RUN_SECONDS = 90.0
"""What a whole run on a GPU may take,"""
MIN_SECONDS = 20.0
"""and what has to be left for one."""
MODELS = {"bundled": 64, "swin_tiny": 48, "swin_base": 32}
"""Images by model."""
SWIN_BASE = "swin_base_patch4_window7_224"
PRECISIONS = ("float32", "tensorfloat32", "bfloat16")
TOLERANCE = 0.01
LADDER = (4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128)
BATCHES = (32, 64, 128, 256, 512)
CALLED_STEPS = 50
CALLED_IMAGES = 4
"""Images that captum as called is timed on."""
MAX_STEPS = 200
"""Adaptive steps that noise of low precision may take."""
MIN_SPEEDUPS = {"bundled": (3.0, None), "swin_tiny": (1.5, 8.0), "swin_base": (1.5, 8.0)}
"""Times of captum over ours, float32, that are required: tuned, and as called."""


@dataclass
class Engine:
    """An engine that computes maps; `maps` returns [N, K, H, W] of the first images.

    Attributes:
        rows: that went through the model in the last call, a target counted once.
    """

    name: str
    precision: str
    maps: Callable[[Case], Tensor]
    images: int
    rows: Callable[[], int]
    row_seconds: Callable[[], float] | None = None
    fill: Callable[[], float] = lambda: 1.0
    steps: int | None = None


@dataclass
class Budget:
    """Time that is left, and what it did not do for."""

    seconds: float
    start: float = field(default_factory=time.monotonic)
    left_out: list[str] = field(default_factory=list)

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.start)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """End the block when the time is over."""

        def over(number: int, frame: Any) -> None:
            raise TimeoutError("the time was over")

        before = signal.signal(signal.SIGALRM, over)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, self.left))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


class Ours:
    """igbatch as a worker runs it: graphs stay from call to call."""

    def __init__(self, case: Case, form: str, precision: str, rows: int) -> None:
        self.graphs = Graphs(form)
        self.settings = Settings(
            steps="auto", tolerance=TOLERANCE, precision=precision, micro_batch=rows,
            max_steps=2000 if precision == "float32" else MAX_STEPS,
        )  # fmt: skip
        self.case = case
        self.limit = MicroBatchLimit(rows)

    def maps(self, case: Case) -> Tensor:
        """Return maps [N, K, H, W]."""
        self.limit = MicroBatchLimit(self.limit.size)
        found = torch.zeros(len(case.images), len(case.targets), *case.images.shape[2:])
        targets = torch.tensor(case.targets)
        baseline = case.baseline.expand_as(case.images[:1])[0]
        examples = [Example(image, baseline, targets) for image in case.images]
        for done in attribute(case.model, examples, self.settings, self.limit, self.graphs):
            found[done.index] = done.attributions.float().cpu()
        if self.graphs.refused is not None:
            raise RuntimeError(self.graphs.refused)
        return found

    def rows(self) -> int:
        """Return the rows of the last call."""
        return sum(rows for rows, _ in self.limit.batches)

    def fill(self) -> float:
        """Return how full its micro-batches were."""
        return self.rows() / sum(most for _, most in self.limit.batches)

    def row_seconds(self) -> float:
        """Return what a row of a full micro-batch takes in passes alone."""
        case, rows = self.case, self.limit.size
        example = Example(
            case.images[0], case.baseline.expand_as(case.images[:1])[0], torch.tensor(case.targets)
        )
        precision = precisions.PRECISIONS[self.settings.precision]
        device = case.images.device
        with frozen(case.model, precision, device) as forward, gradients_allowed(device):
            passes, batch = passes_of(forward, self.settings), spread(example, rows, precision.dtype)
            self.graphs.values(passes, batch, rows)
            return (
                min(timed(lambda: self.graphs.values(passes, batch, rows), device)[0] for _ in range(5))
                / rows
            )


class Benchmark:
    """One model: its references, and engines in the order of their rank."""

    def __init__(self, name: str, arguments: argparse.Namespace, say: Callable[[str], None]) -> None:
        self.name, self.arguments, self.say = name, arguments, say
        device, images = torch.device(arguments.device), arguments.images or MODELS[name]
        started = time.perf_counter()
        if name == "bundled":
            self.case = bundled_case("trained", range(images), device)
        else:
            self.case = tiny_case(
                range(images), device, **({"name": SWIN_BASE} if name == "swin_base" else {})
            )
        steps = arguments.reference or (1000 if name == "bundled" else 100)
        self.reference = fixed(self.case, steps).attributions
        self.reference_error = float(
            distances(fixed(self.case, steps // 2).attributions, self.reference).max()
        )
        self.say(
            f"{name}: references of {steps} steps, {self.reference_error:.1e} from those of half as many,"
            f" {time.perf_counter() - started:.0f} s"
        )
        self.steps = next((steps for steps in LADDER if self._within(steps)), LADDER[-1])
        self.say(f"{name}: {self.steps} fixed steps suffice for {TOLERANCE:.0%}")

    def _within(self, steps: int) -> bool:
        return bool(np.quantile(self.errors(fixed(self.case, steps).attributions), 0.95) <= TOLERANCE)

    def errors(self, maps: Tensor) -> FloatArray:
        """Return the relative L2 errors of maps of the first images."""
        return distances(maps, self.reference[: len(maps)])

    def engines(self) -> Iterator[tuple[int, str, Callable[[], Engine]]]:
        """Yield the rank of each, what it is, and what makes it."""
        late = {"float32": 0, "tensorfloat32": 10, "bfloat16": 20}
        for precision, rank in late.items():
            yield rank, f"captum tuned {precision}", lambda precision=precision: self._tuned(precision)
            yield (
                rank + 2,
                f"captum as called {precision}",
                lambda precision=precision: self._called(precision),
            )
            for form, more in {"captured": 1, "eager": 3, "compiled": 30}.items():
                make = lambda form=form, precision=precision: self._ours(form, precision)  # noqa: E731
                yield rank + more, f"igbatch {form} {precision}", make

    def _captum(self, name: str, precision: str, steps: int, batch: int | None, images: int) -> Engine:
        captum = Captum(name, steps, batch, name == "captum tuned", precision)
        seen = {"rows": 0}

        def maps(case: Case) -> Tensor:
            with counted(case.model) as passes:
                found = captum.maps(case)
            seen["rows"] = passes.backward
            return found

        return Engine(name, precision, maps, images, lambda: seen["rows"], steps=steps)

    def _called(self, precision: str) -> Engine:
        steps = self.steps if self.name == "bundled" else CALLED_STEPS
        few = min(CALLED_IMAGES, len(self.case.images))
        return self._captum("captum as called", precision, steps, None, few)

    def _tuned(self, precision: str) -> Engine:
        images = len(self.case.images)
        on_gpu = self.case.images.device.type == "cuda"
        engines = [
            self._captum("captum tuned", precision, self.steps, size, images)
            for size in (BATCHES if on_gpu else BATCHES[:1])
            if size <= 2 * self.steps * images
        ] or [self._captum("captum tuned", precision, self.steps, self.steps, images)]
        seconds = []
        for engine in engines if len(engines) > 1 else ():
            engine.maps(self.case)
            seconds.append(timed(lambda: engine.maps(self.case), self.case.images.device)[0])  # noqa: B023
        return engines[int(np.argmin(seconds))] if seconds else engines[0]

    def _ours(self, form: str, precision: str) -> Engine:
        ours = Ours(self.case, form, precision, self.arguments.micro_batch)
        return Engine(
            f"igbatch {form}",
            precision,
            ours.maps,
            len(self.case.images),
            ours.rows,
            ours.row_seconds,
            ours.fill,
        )

    def measured(self, make: Callable[[], Engine], budget: Budget) -> dict[str, Any]:
        """Measure an engine: once for errors and rows, then a few times for seconds."""
        device = self.case.images.device
        first, engine = timed(make, device)
        part = self.case.part(0, engine.images)
        more, maps = timed(lambda: engine.maps(part), device)
        errors, rows = self.errors(maps), engine.rows()
        seconds: list[float] = []
        while len(seconds) < 5 and (not seconds or (sum(seconds) < 3 and seconds[-1] < budget.left / 4)):
            seconds.append(timed(lambda: engine.maps(part), device)[0])
        targets = 1 if engine.row_seconds else len(self.case.targets)
        images = len(part.images)
        result = {
            "model": self.name, "engine": engine.name, "precision": engine.precision,
            "steps": engine.steps, "images": images, "ms": [1e3 * each / images for each in seconds],
            "ms_median": float(np.median(seconds)) * 1e3 / images, "rows_per_image": rows / targets / images,
            "error": quantiles(errors), "first_seconds": first + more,
        }  # fmt: skip
        if engine.row_seconds is not None:
            row = engine.row_seconds()
            result["ms_row"] = 1e3 * row
            result["share_of_passes"] = row * rows / float(np.median(seconds))
            result["fill"] = engine.fill()
        return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=330, help="when to end, whatever is left")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=list(PRECISIONS))
    parser.add_argument("--images", type=int, help=f"of every model; default: {MODELS}")
    parser.add_argument("--reference", type=int, help="steps; default: 1000, of random models 100")
    parser.add_argument("--micro-batch", type=int, help="rows; default: 128, on a CPU 8")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    arguments = parser.parse_args()
    if arguments.device != "cpu" and not torch.cuda.is_available():
        parser.error("there is no GPU that torch sees: give --device cpu, with --images 2 or so")
    arguments.micro_batch = arguments.micro_batch or (8 if arguments.device == "cpu" else 128)
    with warnings.catch_warnings(action="ignore"):  # why passes run eager is in the failure's line
        run(arguments, Budget(arguments.seconds))


def run(arguments: argparse.Namespace, budget: Budget) -> dict[str, Any]:
    """Measure in the order of ranks, as long as there is time."""
    report: dict[str, Any] = {
        "machine": machine(torch.device(arguments.device)),
        "arguments": {name: str(value) for name, value in vars(arguments).items()},
        "lines": [], "runs": [], "results": [], "left_out": budget.left_out,
    }  # fmt: skip

    def say(line: str) -> None:
        print(f"{time.monotonic() - budget.start:6.1f} s  {line}", flush=True)
        report["lines"].append(line)
        write_json(arguments.json, report)

    def attempt(what: str, work: Callable[[], Any]) -> Any:
        if budget.left < 1:
            budget.left_out.append(what)
            return None
        try:
            with budget.watched():
                return work()
        except TimeoutError:
            budget.left_out.append(f"{what} (begun)")
        except Exception as error:  # the rest goes on
            where = traceback.extract_tb(error.__traceback__)[-1]
            first_line = (str(error).splitlines() or [""])[0][:300]
            place = f"{Path(where.filename).name}:{where.lineno}"
            say(f"FAILED {what}: {type(error).__name__}: {first_line} ({place})")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None

    say(str(report["machine"]))
    if "runs" in arguments.parts:
        lacking = whole_runs.missing_packages()
        if lacking:
            budget.left_out.append(f"whole runs (no {', '.join(lacking)} here)")
        for whole in whole_runs.whole_runs(arguments.images) if not lacking else ():
            if budget.left < MIN_SECONDS + whole_runs.END_SECONDS:
                budget.left_out.append(f"whole run, {whole.name}")
                continue
            result = attempt(f"whole run, {whole.name}", lambda: whole_run(whole, arguments.device, budget))  # noqa: B023
            if result is not None:
                report["runs"].append(result)
                say(whole_runs.line_of(result))
    if "engines" not in arguments.parts:
        arguments.models = []
    models = [attempt(name, lambda: Benchmark(name, arguments, say)) for name in arguments.models]  # noqa: B023
    tasks = [
        (rank, place, what, benchmark, make)
        for place, benchmark in enumerate(models)
        if benchmark is not None
        for rank, what, make in benchmark.engines()
        if what.split()[-1] in arguments.precisions
        and not (what.startswith("igbatch") and what.split()[1] not in arguments.forms)
    ]
    for _, _, what, benchmark, make in sorted(tasks, key=lambda task: task[:2]):
        name = f"{benchmark.name}: {what}"
        result = attempt(name, lambda: benchmark.measured(make, budget))  # noqa: B023
        if result is not None:
            report["results"].append(result)
            say(line_of(result))
    for line in compared(report["results"]):
        say(line)
    if budget.left_out:
        say(f"left out: {'; '.join(budget.left_out)}")
    write_json(arguments.json, report)
    return report


def whole_run(run: whole_runs.WholeRun, device: str, budget: Budget) -> dict[str, Any]:
    """Measure a whole run within the time that is left for it."""
    with tempfile.TemporaryDirectory(prefix="igbatch-") as folder:
        left = budget.left - whole_runs.END_SECONDS
        seconds = left if device == "cpu" else min(RUN_SECONDS, left)
        return whole_runs.measured(Path(folder), run, device, seconds)


def line_of(result: dict[str, Any]) -> str:
    """Return a result as a line."""
    steps = "" if result["steps"] is None else f", {result['steps']} steps"
    ours = ""
    if "ms_row" in result:
        ours = f", {result['ms_row']:.3f} ms a row, passes alone {result['share_of_passes']:.0%} of it"
        ours += f", micro-batches {result['fill']:.0%} full"
    error = result["error"]
    return (
        f"{result['model']:10}{result['engine']:18}{result['precision']:14}"
        f"{result['ms_median']:9.2f} ms an image,"
        f" error {error['p50']:.2%} / {error['p95']:.2%} / {error['max']:.2%} (median, 95th, max),"
        f" {result['rows_per_image']:.1f} rows{steps}{ours}; first {result['first_seconds']:.1f} s"
    )


def compared(results: list[dict[str, Any]]) -> Iterator[str]:
    """Yield captum's times over ours, by model and precision, with what is required of float32."""
    times = {(each["model"], each["precision"], each["engine"]): each["ms_median"] for each in results}
    for model, precision in dict.fromkeys((each["model"], each["precision"]) for each in results):
        ours = {form: times.get((model, precision, f"igbatch {form}")) for form in FORMS}
        for captum, required in zip(("captum tuned", "captum as called"), MIN_SPEEDUPS[model], strict=True):
            theirs = times.get((model, precision, captum))
            ratios = [f"{theirs / found:.2f} {form}" for form, found in ours.items() if theirs and found]
            limit = f" (required: {required:g})" if required and precision == "float32" else ""
            if ratios:
                yield f"{model} {precision}: {captum} over igbatch: {', '.join(ratios)}{limit}"


if __name__ == "__main__":
    main()
