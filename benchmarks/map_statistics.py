"""What the statistics of a map cost: 224 x 224 pixels, two boxes, milliseconds of CPU on one thread.

`numpy` is what the rows' thread does for maps of a CPU, `torch` what a device does for its own, both maps of
an image at once. They go in turn, so that what else the machine does falls on both.

    python benchmarks/map_statistics.py        # 5 seconds
    python benchmarks/map_statistics.py --device cuda
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from measure import machine

from igbatch.images.geometry import MappedBox
from igbatch.statistics.box_stats import measure
from igbatch.statistics.device import launch_map_statistics, unpack_map_statistics

SIDE, TARGETS, IMAGES = 224, 2, 20
BOXES = (MappedBox("a", "bird", 30, 40, 120, 160, 1.0), MappedBox("b", "bird", 100, 50, 210, 200, 1.0))


def statistics_ms(device: torch.device, repeats: int) -> dict[str, list[float]]:
    """Return milliseconds of CPU a map of each way, one number a repeat; of a GPU, of time."""
    noise = 1e-5 * np.random.default_rng(0).standard_cauchy((IMAGES, TARGETS, SIDE, SIDE))
    images = noise.astype(np.float32)
    there = torch.from_numpy(images).to(device)
    ways: dict[str, Callable[[int], object]] = {
        "numpy": lambda image: [measure(attribution, BOXES) for attribution in images[image]],
        "torch": lambda image: unpack_map_statistics(
            launch_map_statistics(there[image], BOXES).cpu().numpy(), BOXES, there.shape[-2:]
        ),
    }
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            begun = clock()
            for image in range(IMAGES):
                way(image)
            if repeat:  # the first warms up
                found[name].append(1e3 * (clock() - begun) / (IMAGES * TARGETS))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    print(", ".join(f"{name}: {value}" for name, value in machine(device).items()))
    found = statistics_ms(device, arguments.repeats)
    for name, values in found.items():
        print(f"{name}: {np.median(values):.2f} ms a map ({min(values):.2f} to {max(values):.2f})")
    ratios = np.array(found["torch"]) / found["numpy"]
    print(f"torch / numpy: {np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})")


if __name__ == "__main__":
    main()
