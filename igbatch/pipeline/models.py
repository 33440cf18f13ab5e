"""The models that a worker holds: the variant at work, and the trained model where targets depend on it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.study import VariantSpec
from igbatch.variants.models import class_name, load_trained, weights_sha256
from igbatch.variants.randomized import random_model


@dataclass(frozen=True)
class HeldVariant:
    """A variant on the device, with the digest of its weights."""

    spec: VariantSpec
    model: nn.Module
    weights_sha256: str


class Models:
    """Builds variants as shards ask for them and keeps the last one, which shards of a variant share."""

    def __init__(self, resolved: ResolvedStudy, device: torch.device) -> None:
        self.resolved = resolved
        self.device = device
        self._variant: HeldVariant | None = None
        self._trained: dict[str, nn.Module] = {}

    def variant(self, spec: VariantSpec) -> HeldVariant:
        """Return a variant on the device, building it where another one was held."""
        if self._variant is None or self._variant.spec != spec:
            self._variant = None  # frees the memory before the next model is built
            source, key = self.resolved.models[spec.model].source, f"models.{spec.model}.weights"
            model = load_trained(source, key) if spec.seed is None else random_model(source, spec.seed, key)
            self._variant = HeldVariant(spec, model.to(self.device), weights_sha256(model))
        return self._variant

    def trained(self, name: str) -> nn.Module:
        """Return the trained model, which `predicted` and `top-<k>` ask whatever the variant."""
        if (
            self._variant is not None
            and self._variant.spec.model == name
            and self._variant.spec.kind == "trained"
        ):
            return self._variant.model
        if name not in self._trained:
            source = self.resolved.models[name].source
            self._trained[name] = load_trained(source, f"models.{name}.weights").to(self.device)
        return self._trained[name]

    def class_name(self, model: str, index: int) -> str | None:
        """Return the name of a class: the study's own where it names the index, the model's otherwise."""
        resolved = self.resolved.models[model]
        for target, target_index in resolved.targets.items():
            if target_index == index:
                return target
        return class_name(resolved.class_names, index)


@torch.no_grad()
def probabilities(model: nn.Module, image: Tensor) -> Tensor:
    """Return float64 [classes] for one preprocessed image [C, H, W], alone in its batch: bits never vary."""
    return torch.softmax(model(image[None])[0].double(), dim=-1)
