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

from .contrasts import NONE


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

    def values(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the targets' outputs, float64 [batch, K].

        Args:
            logits: float64 [batch, classes].
            targets: int64 [batch, K], class indices; of contrasts [batch, K, 2], as `contrasts.target_tensor`
                has them: the output of the first class less that of the other.
        """
        outputs = self.value(logits)
        if targets.ndim == 2:
            return outputs.gather(1, targets)
        first, other = (outputs.gather(1, each.clamp(min=0)) for each in targets.unbind(2))
        return torch.where(targets[:, :, 1] == NONE, first, first - other)

    def value_and_cotangents(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the targets' outputs, [batch, K], and their derivatives, [batch, K, classes], all float64.

        Args are those of `values`.
        """
        if targets.ndim == 3:
            (first, of_first), (other, of_other) = (
                self.value_and_cotangents(logits, each.clamp(min=0)) for each in targets.unbind(2)
            )
            alone = targets[:, :, 1] == NONE
            values = torch.where(alone, first, first - other)
            return values, torch.where(alone[:, :, None], of_first, of_first - of_other)
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
