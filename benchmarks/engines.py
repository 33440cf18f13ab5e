"""The engines that `attribution.py` compares: captum, as called or tuned by hand, and igbatch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from measure import Case, FloatArray
from torch import Tensor, nn

from igbatch.attribution import Example, Settings, attribute, integrated_gradients
from igbatch.attribution.graphs import Graphs
from igbatch.attribution.precision import PRECISIONS


@dataclass
class Captum:
    """Captum's IntegratedGradients with the softmax appended, one call a target.

    Attributes:
        batch: the internal batch; None: all steps at once.
        tuned: freeze the parameters, set the arithmetic's switches; several images a call where they fit.
        whole: time it on all images, not on a few.
    """

    name: str
    steps: int
    batch: int | None
    tuned: bool
    precision: str = "float32"
    whole: bool = False

    @property
    def rows(self) -> int:
        """The most rows that go through the model together."""
        return self.steps if self.batch is None else self.batch

    def maps(self, case: Case) -> Tensor:
        """Return maps [N, K, H, W], channels summed."""
        from captum.attr import IntegratedGradients  # where it is missing, the others can be measured

        explained = IntegratedGradients(nn.Sequential(case.model, nn.Softmax(dim=1)))
        together = max(1, (self.batch or 1) // self.steps) if self.tuned else 1
        switched = self.tuned or self.precision != "float32"
        switches = PRECISIONS[self.precision].passes(case.images.device) if switched else nullcontext()
        baseline = case.baseline.expand(1, *case.images.shape[1:])
        parts = []
        with parameters(case.model, frozen=self.tuned), switches, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for images in case.images.split(together):
                maps = [
                    explained.attribute(
                        images, baseline, target, n_steps=self.steps, internal_batch_size=self.batch
                    ).detach().sum(1)
                    for target in case.targets
                ]  # fmt: skip
                parts.append(torch.stack(maps, 1))
        return torch.cat(parts).float()


@contextmanager
def parameters(model: nn.Module, *, frozen: bool) -> Iterator[None]:
    """Let the parameters require gradients, or not, and put their flags back."""
    before = [parameter.requires_grad for parameter in model.parameters()]
    try:
        model.requires_grad_(not frozen)
        yield
    finally:
        for parameter, flag in zip(model.parameters(), before, strict=True):
            parameter.requires_grad_(flag)


@dataclass
class Ours:
    """igbatch with adaptive steps; the images in one call.

    Attributes:
        micro_batch: None: the default.
        stated: the errors that the last call stated, [N, K].
        taken: the steps that the last call took, [N, K].
        rows: the most rows that went through the model together.
        graphs: what its passes go through, kept from call to call; None: eager passes.
    """

    name: str
    tolerance: float
    precision: str = "float32"
    arithmetic_error: float = 0.0
    micro_batch: int | None = None
    steps: str = "auto"
    whole: bool = True
    stated: FloatArray = field(default_factory=lambda: np.empty(0))
    taken: FloatArray = field(default_factory=lambda: np.empty(0))
    rows: int = 0
    graphs: Graphs | None = None

    def maps(self, case: Case) -> Tensor:
        """Return maps [N, K, H, W], channels summed."""
        if self.graphs is not None:
            return self._through_graphs(case, self.graphs)
        result = integrated_gradients(
            case.model, case.images, case.targets, case.baseline, steps="auto", tolerance=self.tolerance,
            precision=self.precision, arithmetic_error=self.arithmetic_error, micro_batch=self.micro_batch,
        )  # fmt: skip
        self.rows = result.micro_batch
        self.stated = result.map_error.cpu().numpy()
        self.taken = result.steps.cpu().numpy().astype(float)
        return result.attributions

    def _through_graphs(self, case: Case, graphs: Graphs) -> Tensor:
        settings = Settings(
            steps="auto", tolerance=self.tolerance, precision=self.precision,
            arithmetic_error=self.arithmetic_error, micro_batch=self.micro_batch,
        )  # fmt: skip
        done = sorted(
            attribute(case.model, examples(case), settings, graphs=graphs), key=lambda each: each.index
        )
        self.rows = done[0].micro_batch
        self.stated = np.stack([each.map_error for each in done])
        self.taken = np.stack([each.steps for each in done]).astype(float)
        return torch.stack([each.attributions for each in done]).float()


def examples(case: Case) -> list[Example]:
    """Return the images of a case as the engine takes them."""
    targets = torch.tensor(case.targets)
    pairs = zip(case.images, case.baseline.expand_as(case.images), strict=True)
    return [Example(image, start, targets) for image, start in pairs]


Engine = Captum | Ours
