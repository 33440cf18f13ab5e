"""Whether a process has the device that a study requests, and if not, why."""

from __future__ import annotations

import os
import platform
import warnings

from igbatch.errors import InputError, one_line

SHARDS_AT_ONCE = {"cpu": 1, "cuda": 2}
"""Shards of a variant that a worker attributes at a time: a GPU works by itself while the host judges maps of
another one."""


def workers_on_one(device: str, per_gpu: int | str) -> int:
    """Return how many workers share a device of torch's, cpu or cuda, under `run.workers_per_gpu`."""
    return 1 if device == "cpu" or per_gpu == "auto" else int(per_gpu)


def why_no_gpu() -> str | None:
    """Return why torch can use no GPU in this process, None where it can use one."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built without CUDA, install one that has it"
    if visible is not None and visible.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={visible} hides all GPUs"
    error = f" ({one_line(caught[0].message, limit=160)})" if caught else ""
    return f"torch {torch.__version__} sees none{error}, see whether `nvidia-smi` does"


def refuse_missing_gpu(device: str, instead: str) -> None:
    """Refuse a device of torch's that this process does not have; say what the user can do `instead`.

    Raises:
        InputError: there is no GPU for `cuda`.
    """
    reason = why_no_gpu() if device == "cuda" else None
    if reason is not None:
        raise InputError(f"run.device: cuda: no GPU on {platform.node()} ({reason}): {instead}")
