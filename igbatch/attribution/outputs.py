"""The number that is explained: a function of the logits, and its derivative with respect to them.

Both are computed in float64 whatever the precision of the model. In float32 the derivative of a probability,
``p * (1 - p)``, loses its digits when p is close to 1, where trained models spend much of the path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor


@dataclass(frozen=True)
class OutputUnit:
    """What is explained, as a function of the logits.

    Attributes:
        value: from float64 logits [batch, classes] to each class's output, float64 [batch, classes].
        derivative: from logits, values [batch, K] of targets and their one-hot rows [batch, K, classes] to
            the values' derivatives with respect to the logits, float64 [batch, K, classes].
    """

    value: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor, Tensor, Tensor], Tensor]

    def value_and_cotangents(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the targets' outputs, [batch, K], and their derivatives, [batch, K, classes], all float64.

        Args:
            logits: float64 [batch, classes].
            targets: int64 [batch, K], class indices.
        """
        values = self.value(logits).gather(1, targets)
        chosen = logits.new_zeros(*targets.shape, logits.shape[1]).scatter_(2, targets[:, :, None], 1.0)
        return values, self.derivative(logits, values, chosen)


OUTPUTS: Mapping[str, OutputUnit] = MappingProxyType(
    {
        "probability": OutputUnit(
            lambda logits: logits.softmax(1),
            lambda logits, values, chosen: values[:, :, None] * (chosen - logits.softmax(1)[:, None]),
        ),
        "logit": OutputUnit(lambda logits: logits, lambda logits, values, chosen: chosen),
        "log-probability": OutputUnit(
            lambda logits: torch.log_softmax(logits, 1),
            lambda logits, values, chosen: chosen - logits.softmax(1)[:, None],
        ),
    }
)
