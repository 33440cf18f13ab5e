"""How a study randomizes its models: cascades step by step, single layers, and random models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from igbatch.text import plain


@dataclass(frozen=True)
class Randomized:
    """Variants that belong together: a cascade in its order, or layers randomized one at a time.

    Attributes:
        direction: `down` (from the head), `up` (from the patch embedding), or None for independent ones.
        steps: the id of each variant, by the layer that it randomizes beyond those before it.
    """

    direction: str | None
    seed: int
    steps: Mapping[str, str]

    @property
    def whence(self) -> str:
        """Where a cascade begins and where it goes, in words."""
        return {"down": "from the head down", "up": "from the patch embedding up"}[str(self.direction)]


@dataclass(frozen=True)
class ModelVariants:
    """The variants of one model by what they are; `random` are those that are computed on all images."""

    model: str
    trained: str | None
    random: tuple[str, ...]
    cascades: tuple[Randomized, ...]
    independent: tuple[Randomized, ...]


def model_variants(variants: pd.DataFrame) -> list[ModelVariants]:
    """Sort the variants of each model.

    The steps of a cascade are sorted by how many blocks are random: one that is listed by stage and by block
    is one cascade. Variants on some images only are left out.

    Args:
        variants: rows of `schemas.VARIANTS`, in the order of the study.
    """
    found = []
    for model, own in variants[variants["images"].isna()].groupby("model", sort=False):
        of = {kind: own[own["kind"] == kind] for kind in ("trained", "random", "cascade", "independent")}
        trained, random = (tuple(of[kind]["variant_id"]) for kind in ("trained", "random"))
        groups = (_groups(of["cascade"]), _groups(of["independent"]))
        found.append(ModelVariants(str(model), trained[0] if trained else None, random, *groups))
    return found


def _groups(rows: pd.DataFrame) -> tuple[Randomized, ...]:
    """Group variants of a kind by direction and seed; ids are `<kind>-<direction>-<seed>-<layer>`."""
    groups = []
    for _, own in rows.groupby(["direction", "seed"], sort=False, dropna=False):
        first = own.iloc[0]
        direction, seed = first["direction"] if first["kind"] == "cascade" else None, int(first["seed"])
        if direction:
            own = own.sort_values("layers", key=lambda layers: layers.map(len), kind="stable")
        name = f"cascade-{direction}-{seed}-" if direction else f"independent-{seed}-"
        layers = (each.split(name, 1)[-1] or each for each in own["variant_id"])
        groups.append(Randomized(direction, seed, dict(zip(layers, own["variant_id"], strict=True))))
    return tuple(groups)


def short_layer(layer: str) -> str:
    """Return a layer's name as figures have it: `layers.2.blocks.3` is `2.blocks.3`."""
    return plain(layer.removeprefix("layers.") if layer.count(".") > 1 else layer)


def first_of_each_direction(cascades: Sequence[Randomized]) -> list[Randomized]:
    """Return the first cascade of each direction, `down` before `up`."""
    by_direction = {each.direction: each for each in reversed(cascades)}
    return [by_direction[name] for name in ("down", "up") if name in by_direction]
