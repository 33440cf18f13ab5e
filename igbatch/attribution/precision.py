"""The arithmetic of the model's passes. Whatever it is, paths, outputs and sums are computed in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from .errors import AttributionError

__all__ = ["PRECISIONS", "Precision", "precision_named"]


@dataclass(frozen=True)
class Precision:
    """The arithmetic of forward and backward passes.

    Attributes:
        dtype: the type of the model's parameters, of the images that it is given, and of the gradients.
    """

    dtype: torch.dtype


def precision_named(name: str) -> Precision:
    """Return the precision of that name.

    Raises:
        AttributionError: the name is not a key of ``PRECISIONS``.
    """
    if name not in PRECISIONS:
        raise AttributionError(f"precision={name!r} is unknown: choose one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {"float32": Precision(torch.float32), "float64": Precision(torch.float64)}
)
