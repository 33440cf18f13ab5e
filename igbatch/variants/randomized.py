"""Random models: the architecture with timm's own initialisation under a seed.

Source: Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, section 3.
"""

from __future__ import annotations

import torch
from torch import nn

from igbatch.variants.models import create_untrained
from igbatch.variants.weights import WeightsSource


def random_model(source: WeightsSource, seed: int, key: str) -> nn.Module:
    """Build the model freshly initialised under `seed`, in eval mode on the CPU, reading no trained weights.

    The same seed gives the same weights on every worker with the same versions of torch and timm. Torch's
    global generators are left as they were. Parameters whose initialiser is not random (biases at 0, norms at
    1) come out as the initialiser sets them.

    Raises:
        InputError: the model cannot be built.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # the CPU's alone, unlike torch.manual_seed
        return create_untrained(source, key)
