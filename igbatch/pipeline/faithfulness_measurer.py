"""Infidelity and maximum sensitivity of images under a variant, on a device, without Ray."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from igbatch.attribution.engine import micro_batch_of
from igbatch.attribution.faithfulness import Draws, ImageStream, infidelity, max_sensitivity
from igbatch.attribution.wave import MicroBatchLimit
from igbatch.pipeline.part_measurer import Group, PartMeasurer, Rows
from igbatch.pipeline.target_names import index_columns
from igbatch.store import schemas


class FaithfulnessMeasurer(PartMeasurer):
    """Measures `audit.faithfulness`."""

    schema = schemas.FAITHFULNESS
    columns = ("infidelity", "squared_change", "sensitivity")
    what = "infidelity or sensitivity"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        faithfulness = self.resolved.study.audit.faithfulness
        assert faithfulness is not None
        self.faithfulness = faithfulness

    def rows_an_image(self, targets: int) -> int:
        return self.faithfulness.perturbations + 1

    def measure(self, group: Group) -> list[Rows]:
        """Return the rows of each image of a group, one at least: `schemas.FAITHFULNESS`, one a target."""
        draws = [
            Draws(part.image.image_id, self.faithfulness.images.seed, self.faithfulness.perturbations)
            for part, _ in group
        ]
        examples = [self.example(part, image) for part, image in group]
        model = self.models.variant(self.spec).model
        limit = MicroBatchLimit(micro_batch_of(self.settings, self.device))

        def explain(images: ImageStream) -> Iterator[tuple[int, Tensor]]:
            return self.explain(model, group, examples, images, limit)

        radius = (
            self.faithfulness.radius / torch.tensor(self.preprocessing.std, device=self.device)[:, None, None]
        )
        sensitivities = max_sensitivity(explain, [example.image for example in examples], radius, draws)
        maps = [own for own, _ in sensitivities]
        infidelities = infidelity(model, examples, maps, self.settings, draws, limit)
        return [
            [
                {
                    "variant_id": part.spec.variant_id, "image_id": part.image.image_id,
                    "target": target, **index_columns(index),
                    "infidelity": unfaithful[k], "squared_change": change[k], "sensitivity": sensitivity[k],
                    "perturbations": self.faithfulness.perturbations, "radius": self.faithfulness.radius,
                    "seed": self.faithfulness.images.seed,
                }
                for k, (target, index) in enumerate(part.targets)
            ]
            for (part, _), (_, sensitivity), (unfaithful, change) in zip(
                group, sensitivities, infidelities, strict=True
            )
        ]  # fmt: skip
