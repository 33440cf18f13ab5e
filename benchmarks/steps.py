"""How many Gauss-Legendre steps the bundled model needs, and how far captum is from the same sum.

For each scene and each target: the relative L2 error of the map at several numbers of steps against a
reference of many more, and at one number of steps the distance of captum's and of our float32 map from the
same sum in float64.

    python benchmarks/steps.py [--scenes 8] [--reference 1000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform

import numpy as np
import timm
import torch
from captum.attr import IntegratedGradients

from igbatch.attribution import integrated_gradients
from igbatch.birds.bundled import BUNDLED_ARCHITECTURE
from igbatch.birds.scenes import CLASSES, render_scene

STEPS = (10, 25, 50, 100, 200, 400)
TARGETS = [CLASSES.index("eagle"), CLASSES.index("magpie")]
CAPTUM_STEPS = 50


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=8, help="double scenes of seeds 0, 1, …")
    parser.add_argument("--reference", type=int, default=1000)
    parser.add_argument("--json", help="keep the figures in this file")
    arguments = parser.parse_args()
    model = timm.create_model(BUNDLED_ARCHITECTURE, pretrained=True).eval()
    rows = [measure(model, seed, arguments.reference) for seed in range(arguments.scenes)]
    errors = np.array([row["errors"] for row in rows])  # [scenes, steps, targets]
    print(f"{platform.machine()}, torch {torch.__version__}, {len(rows)} double scenes, both targets:")
    print(f"relative L2 error of float32 maps against {arguments.reference} steps\n")
    print("steps    median       p95       max")
    for index, steps in enumerate(STEPS):
        median, p95, most = np.quantile(errors[:, index], [0.5, 0.95, 1.0])
        print(f"{steps:5d} {median:9.2e} {p95:9.2e} {most:9.2e}")
    ours, theirs = (np.array([row[name] for row in rows]) for name in ("ours_float64", "captum_float64"))
    print(f"\nat {CAPTUM_STEPS} steps, distance from the same sum in float64 (root mean square; largest):")
    for name, values in (("ours", ours), ("captum", theirs)):
        print(f"{name:>7} {np.sqrt(np.mean(values**2)):9.2e} {values.max():9.2e}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"torch": torch.__version__, "steps": STEPS, "scenes": rows}, file, indent=1)


def measure(model: torch.nn.Module, seed: int, reference: int) -> dict[str, object]:
    """Measure one double scene."""
    image = torch.from_numpy(render_scene(seed, "double").image).permute(2, 0, 1).float()[None] / 255
    image = (image - 0.5) / 0.5
    exact = integrated_gradients(model, image, TARGETS, 0.0, steps=reference).attributions[0]
    maps = [integrated_gradients(model, image, TARGETS, 0.0, steps=steps).attributions[0] for steps in STEPS]
    same = integrated_gradients(model, image, TARGETS, 0.0, steps=CAPTUM_STEPS, precision="float64")
    ours = integrated_gradients(model, image, TARGETS, 0.0, steps=CAPTUM_STEPS).attributions[0]
    softmax = torch.nn.Sequential(model, torch.nn.Softmax(dim=1))
    how = {"n_steps": CAPTUM_STEPS, "method": "gausslegendre", "internal_batch_size": 8}
    captum = [
        IntegratedGradients(softmax).attribute(image, 0.0, target, **how)[0].sum(0).detach()
        for target in TARGETS
    ]
    return {
        "seed": seed,
        "errors": [[distance(each[k], exact[k]) for k in range(len(TARGETS))] for each in maps],
        "ours_float64": [distance(ours[k], same.attributions[0, k]) for k in range(len(TARGETS))],
        "captum_float64": [distance(captum[k], same.attributions[0, k]) for k in range(len(TARGETS))],
    }


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the relative L2 distance of two maps [H, W]."""
    found, expected = found.double(), expected.double()
    return float((found - expected).norm() / expected.norm())


if __name__ == "__main__":
    main()
