"""How a study randomizes its models: cascades step by step, single layers, and random models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from igbatch.report.text import plain


@dataclass(frozen=True)
class Step:
    """One variant, and the layer that it randomizes beyond those before it."""

    variant_id: str
    layer: str


@dataclass(frozen=True)
class Randomized:
    """Variants that belong together: a cascade in its order, or layers randomized one at a time.

    `direction` is `down` (from the head), `up` (from the patch embedding), or None for independent ones.
    """

    direction: str | None
    seed: int | None
    steps: tuple[Step, ...]

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
        trained = own.loc[own["kind"] == "trained", "variant_id"]
        found.append(
            ModelVariants(
                str(model),
                str(trained.iloc[0]) if len(trained) else None,
                tuple(own.loc[own["kind"] == "random", "variant_id"]),
                _groups(own[own["kind"] == "cascade"], by_depth=True),
                _groups(own[own["kind"] == "independent"], by_depth=False),
            )
        )
    return found


def _groups(rows: pd.DataFrame, by_depth: bool) -> tuple[Randomized, ...]:
    groups = []
    for _, own in rows.groupby(["kind", "direction", "seed"], sort=False, dropna=False):
        listed: list[dict[Any, Any]] = own.to_dict("records")
        if by_depth:
            listed.sort(key=lambda row: len(row["layers"]))
        direction, seed = (
            None if pd.isna(listed[0][key]) else listed[0][key] for key in ("direction", "seed")
        )
        seed = None if seed is None else int(seed)
        name = "-".join(str(part) for part in (listed[0]["kind"], direction, seed) if part is not None)
        ids = [str(row["variant_id"]) for row in listed]
        groups.append(Randomized(direction, seed, tuple(Step(each, _layer(each, name)) for each in ids)))
    return tuple(groups)


def _layer(variant_id: str, name: str) -> str:
    """Return the layer in a variant's id, which is `<kind>-<direction>-<seed>-<layer>` after its model."""
    _, found, layer = variant_id.partition(f"{name}-")
    return layer if found and layer else variant_id


def short(layer: str) -> str:
    """Return a layer's name as figures have it: `layers.2.blocks.3` is `2.blocks.3`."""
    return plain(layer.removeprefix("layers.") if layer.count(".") > 1 else layer)


def first_of_each_direction(cascades: Sequence[Randomized]) -> list[Randomized]:
    """Return the first cascade of each direction, `down` before `up`."""
    by_direction = {each.direction: each for each in reversed(cascades)}
    return [by_direction[name] for name in ("down", "up") if name in by_direction]
