"""What the benchmarks share: models and scenes, references, counters of passes, peaks, the machine.

No script: imported by the ones beside it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from igbatch.attribution import integrated_gradients
from igbatch.attribution.precision import PRECISIONS
from igbatch.birds.bundled import BUNDLED_ARCHITECTURE
from igbatch.birds.scenes import CLASSES, render_scene

FloatArray = NDArray[np.float64]

CASCADES = {"head": ("head",), "layers3": ("head", "norm", "layers.3"),
            "layers2": ("head", "norm", "layers.3", "layers.2")}  # fmt: skip
KINDS = ("trained", *CASCADES, "random")
"""The bundled model: as trained; randomized from the top down to a stage; random throughout."""
SCENE_TARGETS = (CLASSES.index("eagle"), CLASSES.index("magpie"))
SWIN_TINY = "swin_tiny_patch4_window7_224"
TINY_TARGETS = (22, 18)  # bald eagle and magpie of ImageNet
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU_PRODUCT, CUDA_PRODUCT = 2048, 8192  # rows and columns of the product that measures the peak
PACKAGES = ("torch", "captum", "timm", "numpy")


@dataclass(frozen=True, eq=False)
class Case:
    """A model in evaluation mode and what is to be explained of it.

    Attributes:
        images: float32 [N, 3, 224, 224], preprocessed.
        baseline: float32 [1, 3, 1, 1], a gray image, preprocessed.
        targets: the class indices, the same for all images.
        seeds: of the scenes.
    """

    name: str
    model: nn.Module
    images: Tensor
    baseline: Tensor
    targets: tuple[int, ...]
    seeds: tuple[int, ...]

    def part(self, start: int, stop: int | None = None) -> Case:
        """Return the case with some of its images alone."""
        chosen = slice(start, stop)
        return Case(
            self.name, self.model, self.images[chosen], self.baseline, self.targets, self.seeds[chosen]
        )


def bundled_case(
    kind: str, seeds: Sequence[int], device: torch.device | str = "cpu", random_seed: int = 1
) -> Case:
    """Return scenes of the default kinds, explained by the bundled model of a kind."""
    model = bundled_model(kind, random_seed).to(device)
    images = torch.stack([(pixels(seed) - 0.5) / 0.5 for seed in seeds]).to(device)
    gray = torch.zeros(1, 3, 1, 1, device=device)
    return Case(f"bundled-{kind}", model, images, gray, SCENE_TARGETS, tuple(seeds))


def tiny_case(
    seeds: Sequence[int], device: torch.device | str = "cpu", random_seed: int = 0, name: str = SWIN_TINY
) -> Case:
    """Return scenes of the default kinds, explained by a Swin with random weights; baseline gray 128."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_seed)
        model = timm.create_model(name, pretrained=False).eval().to(device)
    mean, std = (torch.tensor(each).reshape(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    images = torch.stack([(pixels(seed) - mean) / std for seed in seeds]).to(device)
    gray = ((128 / 255 - mean) / std)[None].to(device)
    return Case("_".join(name.split("_")[:2]), model, images, gray, TINY_TARGETS, tuple(seeds))


def bundled_model(kind: str, random_seed: int = 1) -> nn.Module:
    """Return the bundled model of a kind of ``KINDS``, in evaluation mode."""
    model: nn.Module = timm.create_model(BUNDLED_ARCHITECTURE, pretrained=True)
    if kind != "trained":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_seed)
            fresh: nn.Module = timm.create_model(BUNDLED_ARCHITECTURE, pretrained=False)
        if kind == "random":
            model = fresh
        else:
            for part in CASCADES[kind]:
                model.get_submodule(part).load_state_dict(fresh.get_submodule(part).state_dict())
    return model.eval()


def pixels(seed: int) -> Tensor:
    """Return the scene of a seed as float32 [3, 224, 224] in [0, 1]."""
    return torch.from_numpy(render_scene(seed).image).permute(2, 0, 1).float() / 255


@dataclass(frozen=True, eq=False)
class References:
    """Maps to measure errors against, and the outputs at both ends of the paths.

    Attributes:
        maps: float64 [N, K, H, W] on the CPU.
        rises: float64 [N, K], the output at the image less that at the baseline.
        steps: int64 [N], Gauss-Legendre steps of each.
        changes: float64 [N], the largest relative L2 distance of its maps to those of fewer steps.
    """

    maps: Tensor
    rises: FloatArray
    steps: NDArray[np.int64]
    changes: FloatArray

    def errors(self, maps: Tensor) -> FloatArray:
        """Return the relative L2 distances of maps [n, K, H, W] of the first n images, float64 [n, K]."""
        return distances(maps, self.maps[: len(maps)])

    def gaps(self, maps: Tensor) -> FloatArray:
        """Return the completeness gaps of maps [n, K, H, W] of the first n images, float64 [n, K]."""
        sums = maps.double().cpu().flatten(2).sum(2).numpy()
        return np.asarray(sums - self.rises[: len(maps)])

    def summary(self) -> dict[str, Any]:
        """Return how many steps were taken and how little they changed last."""
        return {
            "steps": {str(n): int((self.steps == n).sum()) for n in np.unique(self.steps)},
            "largest_change": float(self.changes.max()),
        }


def references(
    case: Case, steps: int, max_change: float, file: Path | None, say: Callable[[str], None]
) -> References:
    """Return float32 references of at least `steps` Gauss-Legendre steps for a case.

    The steps are doubled until the maps differ by less than `max_change` from those of a quarter as many (of
    half as many once they were doubled). What was computed is kept in `file` after each image.
    """
    known = _load(file)
    model = digest(case.model)
    found = []
    for index, seed in enumerate(case.seeds):
        key = f"{case.name}-{model}-{seed}-{steps}"
        if f"{key}:change" not in known or float(known[f"{key}:change"]) > max_change:
            start = time.perf_counter()
            computed = _reference(case.part(index, index + 1), steps, max_change)
            known.update({f"{key}:{name}": value for name, value in computed.items()})
            _save(file, known)
            say(
                f"reference {case.name} {seed}: {int(computed['steps'])} steps, last change"
                f" {float(computed['change']):.1e}, {time.perf_counter() - start:.0f} s"
            )
        found.append({name: known[f"{key}:{name}"] for name in ("maps", "rises", "steps", "change")})
    return References(
        torch.from_numpy(np.stack([each["maps"] for each in found])).double(),
        np.stack([each["rises"] for each in found]),
        np.array([int(each["steps"]) for each in found]),
        np.array([float(each["change"]) for each in found]),
    )


def _reference(case: Case, steps: int, max_change: float, max_steps: int = 16_000) -> dict[str, NDArray[Any]]:
    coarse, taken = fixed(case, max(2, steps // 4)), steps
    fine = fixed(case, taken)
    change = distances(fine.attributions, coarse.attributions).max()
    while change > max_change and taken < max_steps:
        coarse, taken = fine, 2 * taken
        fine = fixed(case, taken)
        change = distances(fine.attributions, coarse.attributions).max()
    return {
        "maps": fine.attributions[0].cpu().numpy(),
        "rises": (fine.scores - fine.baseline_scores)[0].cpu().numpy(),
        "steps": np.array(taken),
        "change": np.array(change),
    }


def fixed(case: Case, steps: int) -> Any:
    """Return our float32 result for a case with so many Gauss-Legendre steps."""
    return integrated_gradients(case.model, case.images, case.targets, case.baseline, steps=steps)


def _load(file: Path | None) -> dict[str, NDArray[Any]]:
    if file is None or not file.exists():
        return {}
    with np.load(file) as stored:
        return dict(stored)


def _save(file: Path | None, arrays: dict[str, NDArray[Any]]) -> None:
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.stem}.partial.npz")
    np.savez(partial, **arrays)
    partial.replace(file)


def digest(model: nn.Module) -> str:
    """Return a short name of a model's weights."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:10]


def distances(found: Tensor, expected: Tensor) -> FloatArray:
    """Return the relative L2 distances of maps [..., H, W], float64 [...]."""
    found, expected = found.double().cpu(), expected.double().cpu()
    norm = expected.flatten(-2).norm(dim=-1)
    return np.asarray(((found - expected).flatten(-2).norm(dim=-1) / norm).numpy())


def quantiles(values: FloatArray) -> dict[str, float]:
    """Return median, 95th percentile and largest of all values."""
    return {
        name: float(np.quantile(values, share)) for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
    }


@dataclass
class Passes:
    """Rows that went through a model, as its hooks saw them."""

    forward: int = 0
    backward: int = 0


@contextmanager
def counted(model: nn.Module) -> Iterator[Passes]:
    """Count the rows of forward and of backward passes of a model; a row a target counts once backward."""
    passes = Passes()

    def see_backward(gradient: Tensor) -> None:
        passes.backward += len(gradient)

    def see_forward(module: nn.Module, arguments: Any, logits: Tensor) -> None:
        passes.forward += len(logits)
        if logits.requires_grad:
            logits.register_hook(see_backward)

    handle = model.register_forward_hook(see_forward)
    try:
        yield passes
    finally:
        handle.remove()


def flops_of_passes(case: Case) -> tuple[int, int]:
    """Return the floating-point operations of a row's forward and of its backward pass to the image."""
    points = case.images[:1].detach().clone().requires_grad_()
    with FlopCounterMode(display=False) as forward:
        logits = case.model(points)
    with FlopCounterMode(display=False) as backward:
        torch.autograd.grad(logits[:, case.targets[0]].sum(), points)
    return forward.get_total_flops(), backward.get_total_flops()


def product_peak(precision: str, device: torch.device) -> float:
    """Return the operations a second of large matrix products in an arithmetic, the best of a few."""
    chosen = PRECISIONS[precision]
    size = CUDA_PRODUCT if device.type == "cuda" else CPU_PRODUCT
    factors = torch.randn(size, size, device=device).to(chosen.products or chosen.dtype)
    best = float("inf")
    with chosen.passes(device):
        for _ in range(6):
            seconds, _ = timed(lambda: factors @ factors, device)
            best = min(best, seconds)
    return 2 * size**3 / best


def timed(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    """Return the seconds that work took, the device's part included, and its result."""
    synchronize(device)
    start = time.perf_counter()
    result = work()
    synchronize(device)
    return time.perf_counter() - start, result


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def machine(device: torch.device) -> dict[str, Any]:
    """Return what the figures depend on: processor, device, threads, versions."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "commit": _commit(),
        "versions": {name: _version(name) for name in PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }


def _commit() -> str:
    """Return the repository's commit, with a plus sign where files differ from it."""
    command = ["git", "-C", str(Path(__file__).parent.parent), "describe", "--always", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return "unknown"
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    text = cpuinfo.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    pairs = dict(line.split(":", 1) for line in text if ":" in line)
    known = {key.strip(): value.strip() for key, value in pairs.items()}
    features = known.get("flags", "").split()
    has = [name for name in ("avx512f", "avx512_bf16", "amx_bf16") if name in features]
    parts = [f"family {known.get('cpu family')}", f"model {known.get('model')}"]
    return ", ".join([known.get("model name", "unknown"), *parts, *has])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def wide_console() -> Console:
    """Return a console that is wide enough for the tables, also where it writes to a file."""
    return Console(width=max(160, Console().width), log_path=False)


def write_json(file: Path | None, content: dict[str, Any]) -> None:
    """Keep figures in a file, if there is one."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
