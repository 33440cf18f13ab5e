"""The models that a worker holds: its current variant, and the trained model where targets depend on it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from igbatch.attribution.frozen import frozen
from igbatch.attribution.graphs import Graphs
from igbatch.attribution.passes import Forward
from igbatch.attribution.precision import PRECISIONS
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.study import VariantSpec
from igbatch.variants.models import class_name, state_sha256
from igbatch.variants.randomized import ModelStates


@dataclass(frozen=True)
class HeldVariant:
    """A variant on the device, with the digest of its weights, which a thread computes meanwhile."""

    spec: VariantSpec
    model: nn.Module
    digest: Future[str]


class Models:
    """Puts variants on the device as shards ask for them, and keeps the last one, which its shards share.

    A variant is written over the one before. So a worker holds one model on the device, a second one where
    targets depend on the trained model, and at most two on the CPU, all of the same model of the study: the
    trained tensors, and the random ones of one seed, which the cascades of a seed share. The digest of the
    weights, which takes most of a swap, is computed by a thread while the device works.
    """

    def __init__(self, resolved: ResolvedStudy, device: torch.device) -> None:
        self.resolved = resolved
        self.device = device
        self._name: str | None = None
        self._states: ModelStates
        self._module: nn.Module | None = None
        self._variant: HeldVariant | None = None
        self._trained: nn.Module | None = None
        self._graphs: Graphs | None = None
        self._frozen = ExitStack()
        self._forward: tuple[str, Forward] | None = None
        self._digests = ThreadPoolExecutor(1, "weights")

    def variant(self, spec: VariantSpec) -> HeldVariant:
        """Return a variant on the device; the model of the one returned before may be overwritten.

        Raises:
            InputError: the model cannot be built.
        """
        if self._variant is None or self._variant.spec != spec:
            self._variant = self._forward = None  # it is none while its tensors are written
            self._frozen.close()
            state = self._states_of(spec.model).state(spec.seed, spec.layers)
            if self._module is None:
                self._module = self._states.module().to(self.device)
            self._module.load_state_dict(state)
            digest = self._digests.submit(state_sha256, state)
            self._variant = HeldVariant(spec, self._module, digest)
        return self._variant

    def forward(self, variant: HeldVariant, precision: str) -> Forward:
        """Return what the engine calls of the variant on the device; shards of a variant share it."""
        if self._forward is None or self._forward[0] != precision:
            self._frozen.close()
            forward = self._frozen.enter_context(frozen(variant.model, PRECISIONS[precision], self.device))
            self._forward = precision, forward
        return self._forward[1]

    def graphs(self, form: str) -> Graphs:
        """Return what the passes of a model's variants go through, all of them: they lie in one place."""
        if self._graphs is None or self._graphs.form != form:
            self._graphs = Graphs(form)
        return self._graphs

    def separate(self, spec: VariantSpec) -> nn.Module:
        """Return a variant on the device in a module of its own, which stays as it is."""
        return self._fresh(self._states_of(spec.model), spec.seed, spec.layers)

    def trained(self, name: str) -> nn.Module:
        """Return the trained model, which `predicted` and `top-<k>` ask whatever the variant."""
        held = self._variant
        if held is not None and held.spec.model == name and held.spec.kind == "trained":
            return held.model
        states = self._states_of(name)
        if self._trained is None:
            self._trained = self._fresh(states)
        return self._trained

    def _fresh(
        self, states: ModelStates, seed: int | None = None, layers: Sequence[str] | None = None
    ) -> nn.Module:
        module = states.module()
        module.load_state_dict(states.state(seed, layers))
        return module.to(self.device)

    def _states_of(self, name: str) -> ModelStates:
        """Return what variants of a model are made of, and drop what is held of another model."""
        if self._name != name:
            self._frozen.close()
            self._variant = self._module = self._trained = self._graphs = self._forward = None
            key = f"models.{name}.weights"
            self._name, self._states = name, ModelStates(self.resolved.models[name].source, key)
        return self._states

    def class_name(self, model: str, index: int) -> str | None:
        """Return the name of a class: the study's own where it names the index, the model's otherwise."""
        resolved = self.resolved.models[model]
        named = (target for target, place in resolved.targets.items() if place == index)
        return next(named, None) or class_name(resolved.class_names, index)


@torch.no_grad()
def batched_logits(model: nn.Module, images: Sequence[Tensor]) -> Tensor:
    """Return the logits, float64 [n, classes], of preprocessed images [C, H, W], in one forward pass."""
    logits: Tensor = model(torch.stack(list(images)))
    return logits.double()
