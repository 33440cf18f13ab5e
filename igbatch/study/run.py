"""The sections on how the work is spread, what is kept of it, and what may be missing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from igbatch.study.section import Section, SeededSample


class Store(Section):
    """Which attribution maps are kept, and in which numbers; statistics are always kept whole and exact."""

    maps: Literal["all", "none"] | SeededSample = "all"
    encoding: Literal["float32", "int16"] = "float32"


class WorkerRange(Section):
    """How many workers there are at least and at most."""

    minimum: Annotated[int, Field(ge=1)] = 1
    maximum: Annotated[int, Field(ge=1, le=10_000)]

    @model_validator(mode="after")
    def _ordered(self) -> WorkerRange:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}; swap them")
        return self


class Run(Section):
    """How the work is spread: devices, workers, threads and shards; at most last bits depend on it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] | WorkerRange = "auto"
    threads: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    workers_per_gpu: Annotated[int, Field(ge=1, le=16)] | Literal["auto"] = "auto"
    shard_images: Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"] = "auto"
    shard_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["auto"] = "auto"
    retries: Annotated[int, Field(ge=0)] = 5


class QuarantineSection(Section):
    """How many (image, variant, target) rows may be missing before a finished run is bad (exit code 1)."""

    allowance: Annotated[int, Field(ge=0)] = 0
