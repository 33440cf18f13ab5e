"""The study file: what to explain, with which models, how, and what to keep.

A study is one YAML file. Every key is declared here, with its default; `docs/study.md` explains them.
Relative paths are relative to the study file. `igbatch.study_file` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

MAX_SCENES = 1_000_000
MAX_SEEDS = 10_000
DYNAMIC_TARGETS = re.compile(r"predicted|label|top-[1-9][0-9]?")
MAIN_KEYS = {"images.boxes": "path"}
"""Sections that may be given as the value of one of their keys, and that key."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Steps = Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what pydantic would take for 0 or 1."""
        kinds = _kinds(cls.model_fields[info.field_name or ""].annotation)
        found = [value]
        if isinstance(value, (list, tuple)):
            found = list(value)
        elif isinstance(value, dict) and not any(isinstance(kind, type(BaseModel)) for kind in kinds):
            found = list(value.values())
        numbers = (int in kinds or float in kinds) and bool not in kinds
        if numbers and any(isinstance(each, bool) for each in found):
            raise ValueError("true and false (yes and no, on and off) are no numbers; give a number")
        return value


def _kinds(annotation: Any) -> list[Any]:
    """Return what an annotation is made of."""
    parts = get_args(annotation)
    return [kind for part in parts for kind in _kinds(part)] if parts else [annotation]


def _check_seeds(seeds: Sequence[int], first_seed: int | None, count: int | None) -> None:
    counted = first_seed is not None and count is not None
    if bool(seeds) == counted or (first_seed is None) != (count is None):
        raise ValueError("give either `seeds: [..]` or both `first_seed` and `count`")
    if (first_seed or 0) + (count or 0) > 2**32:
        raise ValueError("seeds end at 2**32 - 1; give a smaller `first_seed` or `count`")


def _seeds_of(seeds: Sequence[int], first_seed: int | None, count: int | None) -> Sequence[int]:
    return seeds or range(first_seed or 0, (first_seed or 0) + (count or 0))


class Sample(_Section):
    """`sample` of the images, chosen under `seed`: those whose seeded digests are smallest."""

    sample: Annotated[int, Field(ge=1)]
    seed: Seed = 0


class SceneGroup(_Section):
    """Scenes drawn by the built-in generator: `count` seeds from `first_seed` on, or the listed `seeds`."""

    kind: Literal["single", "double", "empty"]
    label: Literal["eagle", "magpie", "crow", "gull"] | None = None
    seeds: tuple[Seed, ...] = ()
    first_seed: Seed | None = None
    count: Annotated[int, Field(ge=1, le=MAX_SCENES)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> SceneGroup:
        _check_seeds(self.seeds, self.first_seed, self.count)
        return self

    @model_validator(mode="after")
    def _a_bird_of_its_kind(self) -> SceneGroup:
        if self.kind == "empty" and self.label is not None:
            raise ValueError("an empty scene has no bird; leave `label` out")
        if self.kind == "double" and self.label not in (None, "eagle", "magpie"):
            raise ValueError(
                "a double scene shows an eagle and a magpie; its `label`, the larger one, is one of them"
            )
        return self

    def entries(self) -> Iterator[tuple[str, int]]:
        """Yield (image_id, seed) for each scene of the group."""
        for seed in _seeds_of(self.seeds, self.first_seed, self.count):
            yield "-".join(filter(None, (self.kind, self.label, f"{seed:05d}"))), seed


class Boxes(_Section):
    """Where the boxes on the images are, and how their file is read. A path alone is a section by itself.

    `match` says how images are named in the file, `units` what its edges are. `invalid` says what becomes of
    boxes that cannot be used, and `crowd` of COCO's regions of many objects (`iscrowd: 1`).
    """

    path: Annotated[str, Field(min_length=1)]
    match: Literal["id", "name", "stem"] = "id"
    units: Literal["pixels", "normalized"] = "pixels"
    invalid: Literal["refuse", "skip"] = "refuse"
    crowd: Literal["skip", "keep"] = "skip"

    @model_serializer(mode="wrap")
    def _shortest(self, whole: SerializerFunctionWrapHandler) -> Any:
        """Write a path where nothing else is said, as studies of before are kept: nothing has changed."""
        return self.path if self == Boxes(path=self.path) else whole(self)


class Images(_Section):
    """Where the images are: a folder (`root`), a `manifest` CSV, or drawn `scenes`; and the boxes on them."""

    root: str | None = None
    manifest: str | None = None
    scenes: tuple[SceneGroup, ...] = ()
    boxes: Boxes | None = None

    @field_validator("boxes", mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {MAIN_KEYS["images.boxes"]: value}
        if value is None or isinstance(value, Mapping | Boxes):
            return value
        raise ValueError("give a path, or a mapping with `path` and how the file is read")

    @model_validator(mode="after")
    def _one_source(self) -> Images:
        if bool(self.scenes) == bool(self.root or self.manifest):
            raise ValueError("give one source: `root` (a folder), `manifest` (a CSV file) or `scenes`")
        if self.scenes and self.boxes:
            raise ValueError("scenes carry their own boxes; leave `boxes` out")
        return self

    def places(self) -> Iterator[tuple[str, str]]:
        """Yield the keys that name a place, and the paths or URIs that they name."""
        named = {"root": self.root, "manifest": self.manifest, "boxes": self.boxes and self.boxes.path}
        for key, place in named.items():
            if place:
                yield f"images.{key}", place


class Model(_Section):
    """A Swin Transformer by its timm name, where its weights come from, and the names of its classes."""

    architecture: str | None = None
    weights: str = "bundled"
    classes: Mapping[str, Annotated[int, Field(ge=0)]] | None = None

    @field_validator("weights")
    @classmethod
    def _known_source(cls, value: str) -> str:
        if (
            value in ("bundled", "pretrained")
            or value.startswith("local-dir:")
            or value.endswith(".safetensors")
        ):
            return value
        raise ValueError("must be `bundled`, `pretrained`, `local-dir:PATH` or a `.safetensors` file")

    @model_validator(mode="after")
    def _named(self) -> Model:
        if self.architecture is None and not (
            self.weights == "bundled" or self.weights.startswith("local-dir:")
        ):
            raise ValueError("these weights need `architecture`, the timm name of the model they belong to")
        if self.weights == "bundled" and self.architecture is not None:
            raise ValueError("the bundled weights have their own architecture; leave `architecture` out")
        return self


class Variant(_Section):
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
    images: Literal["all"] | tuple[str, ...] | Sample = "all"
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
            _check_seeds(self.seeds, self.first_seed, self.count)
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
        return _seeds_of(self.seeds, self.first_seed, self.count)


class Smoothing(_Section):
    """Maps are averaged over `samples` copies of the image with normal noise.

    `noise` is its standard deviation, where black is 0 and white is 1.

    Source: Smilkov et al., *SmoothGrad*, 2017; Hedström et al., *Sanity Checks Revisited*, 2024 (sMPRT).
    """

    samples: Annotated[int, Field(ge=2, le=1000)]
    noise: Annotated[float, Field(gt=0, le=1)] = 0.1
    seed: Seed = 0


class Attribution(_Section):
    """How the integral is taken: baseline, output, quadrature, tolerance and arithmetic."""

    baseline: str | tuple[int, int, int] = "gray"
    output: Literal["probability", "logit", "log-probability"] = "probability"
    rule: Literal["gauss-legendre", "midpoint", "trapezoid", "left", "right"] = "gauss-legendre"
    steps: Steps = "auto"
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.01
    atol: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-6
    max_steps: Annotated[int, Field(ge=5, le=100_000)] = 2000
    precision: Literal["auto", "float32", "float64", "tensorfloat32", "bfloat16", "float16"] = "float32"
    micro_batch: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = "auto"
    passes: Literal["auto", "eager", "compiled", "captured"] = "auto"
    reproducible: Literal["shard", "image"] = "shard"
    smoothing: Smoothing | None = None


class Store(_Section):
    """Which attribution maps are kept, and in which numbers; statistics are always kept whole and exact."""

    maps: Literal["all", "none"] | Sample = "all"
    encoding: Literal["float32", "int16"] = "float32"


class WorkerRange(_Section):
    """How many workers there are at least and at most."""

    minimum: Annotated[int, Field(ge=1)] = 1
    maximum: Annotated[int, Field(ge=1, le=10_000)]

    @model_validator(mode="after")
    def _ordered(self) -> WorkerRange:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}; swap them")
        return self


class Run(_Section):
    """How the work is spread: devices, workers, threads and shards; at most last bits depend on it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] | WorkerRange = "auto"
    threads: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    workers_per_gpu: Annotated[int, Field(ge=1, le=16)] | Literal["auto"] = "auto"
    shard_images: Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"] = "auto"
    shard_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["auto"] = "auto"
    retries: Annotated[int, Field(ge=0)] = 5


class Quarantine(_Section):
    """How many (image, variant, target) rows may be missing before a finished run is bad (exit code 1)."""

    allowance: Annotated[int, Field(ge=0)] = 0


class Randomization(_Section):
    """What a randomization study measures of the stored maps, and how much of it.

    `images` are those whose maps are compared, of those whose maps are kept. `random_pairs` is the budget of
    random-to-random comparisons: how many other random models each one is compared with.
    """

    images: Literal["all"] | Sample = "all"
    random_pairs: Annotated[int, Field(ge=0, le=1000)] = 2


class Report(_Section):
    """What the report shows: the featured images by id, then `others`, up to `max_images` in all.

    Others are the first ones, or are chosen at `random` under `seed`, or by the largest difference of a box's
    sums between targets, the worst convergence, or trained and random maps that disagree most
    (`igbatch.report.findings.contrasts`). `variants` are those that are shown; by default the report chooses.
    `figures` says whether the maps of featured images are drawn as files besides, for print.
    """

    featured: tuple[str, ...] = ()
    max_images: Annotated[int, Field(ge=1, le=200)] = 8
    others: Literal["first", "random", "box-contrast", "worst-convergence", "disagreement"] = "first"
    seed: Seed = 0
    variants: tuple[str, ...] = ()
    figures: bool = True

    @field_validator("variants")
    @classmethod
    def _listed_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((name for place, name in enumerate(value) if name in value[:place]), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is listed twice; list it once")
        return value


class Faithfulness(_Section):
    """On how many images, drawn under a seed, infidelity and maximum sensitivity are measured, and how.

    `variants` are those whose maps are measured: the trained ones, all, or some by id. `perturbations` are
    drawn for each image; `radius` is that of maximum sensitivity, where black is 0 and white is 1. Both
    measures are captum's (docs/measures.md).
    """

    images: Sample = Sample(sample=4)
    variants: Literal["trained", "all"] | tuple[str, ...] = "trained"
    perturbations: Annotated[int, Field(ge=1, le=1000)] = 10
    radius: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.02


Fraction = Annotated[float, Field(ge=0, le=1)]
Bound = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Thresholds(_Section):
    """What an audit lets pass, by check; null turns a check off.

    Attributes:
        convergence: the share of converged maps may fall by so much.
        completeness: the completeness gap may grow by this factor.
        predictions: share of images whose predicted class may change.
        probabilities: mean change of a target's probability.
        largest_probability: largest change of a target's probability.
        box_sums: change of the mean sum in boxes, of their mean |sum|.
        box_signs: share of sums in boxes that may change their sign.
        ranges: change of a joint minimum or maximum, of the range's width.
        similarity: median rank correlation of maps, at least.
        distance: median relative L2 distance of maps.
        localization: fall of the share of |a| in a target's own box, of what it was.
        sanity: the sanity ratio may fall to so much of what it was.
        infidelity, sensitivity: mean of each may grow by this factor.
        quarantine: the share of rows that are missing may grow by so much.
    """

    convergence: Fraction | None = 0.01
    completeness: Bound | None = 1.5
    predictions: Fraction | None = 0.01
    probabilities: Fraction | None = 0.01
    largest_probability: Fraction | None = 0.1
    box_sums: Bound | None = 0.1
    box_signs: Fraction | None = 0.05
    ranges: Bound | None = 0.2
    similarity: Annotated[float, Field(ge=-1, le=1)] | None = 0.95
    distance: Bound | None = 0.2
    localization: Fraction | None = 0.1
    sanity: Bound | None = 0.7
    infidelity: Bound | None = 1.5
    sensitivity: Bound | None = 1.5
    quarantine: Fraction | None = 0.001


class Webhook(_Section):
    """A chat that is told of each audit. `variable` names the environment variable that holds its URL."""

    variable: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    when: Literal["always", "failed"] = "always"


class Retain(_Section):
    """Of how many of the last nights the maps are kept; a night prunes those of older ones at its end.

    Maps of the reference and of the last good night stay, and statistics of all nights do.
    """

    maps: Annotated[int, Field(ge=1)]


class Audit(_Section):
    """How a study is audited against a reference, who is told, and what nights keep."""

    thresholds: Thresholds = Thresholds()
    faithfulness: Faithfulness | None = None
    webhook: Webhook | None = None
    retain: Retain | None = None


class Study(_Section):
    """A whole study. `load_study` makes one from a file."""

    name: Name
    title: str = ""
    images: Images
    models: Annotated[Mapping[Name, Model], Field(min_length=1)]
    targets: Mapping[str, Annotated[int, Field(ge=0)]] | tuple[str, ...]
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)] = (Variant(kind="trained"),)
    attribution: Attribution = Attribution()
    store: Store = Store()
    run: Run = Run()
    quarantine: Quarantine = Quarantine()
    randomization: Randomization | None = None
    report: Report = Report()
    audit: Audit = Audit()

    @field_validator("targets")
    @classmethod
    def _some_targets(cls, value: Any) -> Any:
        if not value:
            raise ValueError("name at least one target")
        if len(set(value)) != len(value):
            raise ValueError("a target is listed twice")
        if isinstance(value, Mapping) and any(DYNAMIC_TARGETS.fullmatch(target) for target in value):
            raise ValueError(
                "`predicted`, `label` and `top-<k>` have no index of their own; list them without one"
            )
        return value

    def target_names(self) -> list[str]:
        """List the values of the `target` column that the study asks for; `top-<k>` stands for k of them."""
        names: list[str] = []
        for target in self.targets:
            if target.startswith("top-") and DYNAMIC_TARGETS.fullmatch(target):
                names += [f"top-{rank}" for rank in range(1, int(target[4:]) + 1)]
            else:
                names.append(target)
        return list(dict.fromkeys(names))


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
    images: Literal["all"] | tuple[str, ...] | Sample = "all"
