"""The error of this package: a call that cannot be carried out as given."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np


class AttributionError(ValueError):
    """A call to the attribution package is wrong; the message says what was found, where, and what to do."""


_ADVICE = MappingProxyType(
    {
        "Inference tensors": "a tensor of the model was made under inference_mode, and torch cannot"
        " differentiate through it: make or load the model outside",
        "argument #1 'indices'": "the model looks its inputs up in an embedding, and between whole numbers"
        " there is no path: give the embedded vectors as inputs, with a function from them to the output",
        "must have the same dtype": "the model is of another floating type than its inputs: convert one",
        "should be the same": "the model is of another floating type than its inputs: convert one",
    }
)
"""By a part of torch's messages: what the caller can do."""


def require_known(argument: str, name: object, names: Iterable[str]) -> None:
    """Raise an `AttributionError` where an argument is none of some names."""
    if name not in (known := list(names)):
        raise AttributionError(f"{argument}={name!r} is unknown: choose one of {', '.join(known)}")


def is_whole(value: object) -> bool:
    """Tell whether a value is a whole number, of Python or numpy."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def explained(error: RuntimeError) -> RuntimeError | AttributionError:
    """Return an `AttributionError` with advice for what torch says of a model, the error itself otherwise."""
    text = str(error).strip()
    for part, advice in _ADVICE.items():
        if part in text:
            return AttributionError(f"{advice} ({text.splitlines()[0][:160]})")
    return error
