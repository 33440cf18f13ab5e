"""The base class of a study file's sections, and the types and checks that they share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Steps = Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"]

DYNAMIC_TARGETS = re.compile(r"predicted|label|top-[1-9][0-9]?")
"""Targets that are another class for each image."""


class Section(BaseModel):
    """A section: no unknown keys, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what pydantic would take for 0 or 1."""
        kinds = kinds_of(cls.model_fields[info.field_name or ""].annotation)
        found = [value]
        if isinstance(value, (list, tuple)):
            found = list(value)
        elif isinstance(value, dict) and not any(isinstance(kind, type(BaseModel)) for kind in kinds):
            found = list(value.values())
        numbers = (int in kinds or float in kinds) and bool not in kinds
        if numbers and any(isinstance(each, bool) for each in found):
            raise ValueError("true and false (yes and no, on and off) are no numbers; give a number")
        return value


def kinds_of(annotation: Any) -> list[Any]:
    """Return what an annotation is made of."""
    parts = get_args(annotation)
    return [kind for part in parts for kind in kinds_of(part)] if parts else [annotation]


def check_seeds(seeds: Sequence[int], first_seed: int | None, count: int | None) -> None:
    """Refuse seeds that are neither listed nor counted, or both, or leave the range of seeds."""
    counted = first_seed is not None and count is not None
    if bool(seeds) == counted or (first_seed is None) != (count is None):
        raise ValueError("give either `seeds: [..]` or both `first_seed` and `count`")
    if (first_seed or 0) + (count or 0) > 2**32:
        raise ValueError("seeds end at 2**32 - 1; give a smaller `first_seed` or `count`")


def seeds_of(seeds: Sequence[int], first_seed: int | None, count: int | None) -> Sequence[int]:
    """Return the listed seeds, or those that are counted."""
    return seeds or range(first_seed or 0, (first_seed or 0) + (count or 0))


class SeededSample(Section):
    """`sample` of the images, chosen under `seed`: those whose seeded digests are smallest."""

    sample: Annotated[int, Field(ge=1)]
    seed: Seed = 0
