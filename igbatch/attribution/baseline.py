"""A baseline as callers give it, a number, an array or a tensor, as the tensor that the engine takes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .errors import AttributionError

__all__ = ["Baseline", "baseline_tensor"]

Baseline = Tensor | np.ndarray | float
"""A number (Python's or NumPy's), an array or a tensor; of any real type but bool."""


def baseline_tensor(value: Baseline) -> Tensor:
    """Return a baseline as a detached tensor, float64 where it was a number of Python's.

    Raises:
        AttributionError: it is of another type, or holds a value that is not finite.
    """
    known = isinstance(value, (Tensor, np.ndarray, np.number, float, int)) and not isinstance(value, bool)
    if not known:
        raise AttributionError(
            f"a baseline is {type(value).__name__}: give a number, or an array or a tensor of numbers"
        )
    try:
        start = torch.as_tensor(value, dtype=torch.float64 if isinstance(value, (float, int)) else None)
    except (TypeError, RuntimeError) as error:
        raise AttributionError(f"a baseline is no array of numbers ({error}): give one of floats") from error
    if start.dtype == torch.bool or start.is_complex():
        raise AttributionError(f"a baseline holds {start.dtype}: give real numbers")
    if not bool(torch.isfinite(start).all()):
        raise AttributionError("a baseline holds NaN or infinity: give finite numbers")
    return start.detach()
