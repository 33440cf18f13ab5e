"""The sections on models and their variants, and one variant as the rest of igbatch knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from igbatch.study.section import DYNAMIC_TARGETS, Section, Seed, SeededSample, Steps, check_seeds, seeds_of

MAX_SEEDS = 10_000


class Model(Section):
    """A Swin Transformer by its timm name, where its weights come from, and the names of its classes."""

    architecture: str | None = None
    weights: str = "bundled"
    classes: Mapping[str, Annotated[int, Field(ge=0)]] | None = None

    @field_validator("classes")
    @classmethod
    def _no_dynamic_target(cls, value: Mapping[str, int] | None) -> Mapping[str, int] | None:
        for name in value or ():
            if DYNAMIC_TARGETS.fullmatch(name):
                raise ValueError(
                    f"`{name}` is no name for a class, since targets `predicted`, `label` and `top-<k>` "
                    "follow from each image; name the class otherwise"
                )
        return value

    @field_validator("weights")
    @classmethod
    def _known_source(cls, value: str) -> str:
        named = value in ("bundled", "pretrained") or value.startswith("local-dir:")
        if not (named or value.endswith(".safetensors")):
            raise ValueError("must be `bundled`, `pretrained`, `local-dir:PATH` or a `.safetensors` file")
        return value

    @model_validator(mode="after")
    def _named(self) -> Model:
        has_own = self.weights == "bundled" or self.weights.startswith("local-dir:")
        if self.architecture is None and not has_own:
            raise ValueError("these weights need `architecture`, the timm name of the model they belong to")
        if self.weights == "bundled" and self.architecture is not None:
            raise ValueError("the bundled weights have their own architecture; leave `architecture` out")
        return self


class Variant(Section):
    """Variants of every model: the trained one, or for each seed one or several with random parameters.

    `random` has all parameters as they are initialised under the seed. `cascade` has more and more layers so,
    one variant a layer: from the head to the patch embedding (`down`) or the other way round (`up`).
    `independent` has one layer so at a time. Layers are stages, or the blocks of stages (`by`).

    Source: Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018, section 3.
    """

    kind: Literal["trained", "random", "cascade", "independent"]
    seeds: tuple[Seed, ...] = ()
    first_seed: Seed | None = None
    count: Annotated[int, Field(ge=1, le=MAX_SEEDS)] | None = None
    direction: Literal["down", "up"] | None = None
    by: Literal["stage", "block"] | None = None
    images: Literal["all"] | tuple[str, ...] | SeededSample = "all"
    steps: Steps | None = None

    @model_validator(mode="after")
    def _seeds_where_random(self) -> Variant:
        given = self.seeds or self.first_seed is not None or self.count is not None
        if self.kind == "trained":
            if given:
                raise ValueError("a trained variant has no seed; leave `seeds` out")
        elif not given:
            raise ValueError("give either `seeds: [..]` or both `first_seed` and `count`")
        else:
            check_seeds(self.seeds, self.first_seed, self.count)
        return self

    @model_validator(mode="after")
    def _layers_where_partly_random(self) -> Variant:
        if (self.kind == "cascade") != (self.direction is not None):
            raise ValueError("`direction: down` or `up` belongs to `kind: cascade`, and there it is needed")
        if self.by is not None and self.kind not in ("cascade", "independent"):
            raise ValueError("`by` belongs to `kind: cascade` and `kind: independent`; leave it out")
        return self

    @field_validator("images")
    @classmethod
    def _some_images(cls, value: Any) -> Any:
        if value == ():
            raise ValueError("list at least one image_id")
        return value

    def seed_values(self) -> Sequence[int]:
        """List the seeds, none of a trained variant."""
        return seeds_of(self.seeds, self.first_seed, self.count)


@dataclass(frozen=True)
class VariantSpec:
    """One variant of one model. `igbatch.variants.specs` makes them from a study.

    Attributes:
        variant_id: unique in the study.
        model: the study's name of its model.
        kind: trained, random, cascade or independent.
        seed: of its random parameters; None where it is trained.
        steps: of the integration.
        direction: of a cascade.
        layers: the blocks whose parameters are random, in order of data flow; None where all are, or none.
        images: that it is computed on.
    """

    variant_id: str
    model: str
    kind: str
    seed: int | None
    steps: int | Literal["auto"]
    direction: str | None = None
    layers: tuple[str, ...] | None = None
    images: Literal["all"] | tuple[str, ...] | SeededSample = "all"
