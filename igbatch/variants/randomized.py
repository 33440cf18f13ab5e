"""Random models: the architecture with timm's own initialisation under a seed (Adebayo et al. 2018, section 3)."""

from __future__ import annotations

import torch
from torch import nn

from igbatch.variants.models import create_untrained
from igbatch.variants.weights import WeightsSource


def random_model(source: WeightsSource, seed: int, key: str) -> nn.Module:
    """Build the model freshly initialised under `seed`, in eval mode on the CPU; the trained weights are not read.

    The same seed gives the same weights on every worker with the same versions of torch and timm. Torch's global
    generator is left as it was. Parameters whose initialiser is not random (biases at 0, norms at 1) come out as the
    initialiser sets them.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return create_untrained(source, key)
