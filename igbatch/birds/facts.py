"""Facts of the small Swin that ships with igbatch, without torch; `bundled` registers it by these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BUNDLED_ARCHITECTURE = "swin_igbatch_patch4_window7_224"
BUNDLED_WEIGHTS = Path(__file__).parent / "weights" / "swin_igbatch.safetensors"

DATA_CONFIG: dict[str, Any] = {
    "input_size": [3, 224, 224],
    "interpolation": "bicubic",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "crop_pct": 1.0,
    "crop_mode": "center",
}
LAYERS = {
    "patch_embed": ["patch_embed"],
    "layers.0": ["layers.0.blocks.0"],
    "layers.1": ["layers.1.downsample", "layers.1.blocks.0"],
    "layers.2": ["layers.2.downsample", *(f"layers.2.blocks.{block}" for block in range(4))],
    "layers.3": ["layers.3.downsample", "layers.3.blocks.0", "layers.3.blocks.1"],
    "norm": ["norm"],
    "head": ["head"],
}
