"""The study file: what to explain, with which models, how, and what to keep.

A study is one YAML file. Every key is declared here, with its default; `docs/study.md` explains them.
Relative paths are relative to the study file. Reading a study opens nothing else.
"""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from igbatch.errors import InputError, one_line

MAX_STUDY_BYTES = 256 * 1024
MAX_SCENES = 1_000_000
DYNAMIC_TARGETS = re.compile(r"predicted|label|top-[1-9][0-9]?")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Steps = Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SceneGroup(_Section):
    """Scenes drawn by the built-in generator: `count` seeds from `first_seed` on, or the listed `seeds`."""

    kind: Literal["single", "double", "empty"]
    label: Literal["eagle", "magpie", "crow", "gull"] | None = None
    seeds: tuple[Seed, ...] = ()
    first_seed: Seed | None = None
    count: Annotated[int, Field(ge=1, le=MAX_SCENES)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> SceneGroup:
        counted = self.first_seed is not None and self.count is not None
        if bool(self.seeds) == counted or (self.first_seed is None) != (self.count is None):
            raise ValueError("give either `seeds: [..]` or both `first_seed` and `count`")
        if (self.first_seed or 0) + (self.count or 0) > 2**32:
            raise ValueError("seeds end at 2**32 - 1; give a smaller `first_seed` or `count`")
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
        seeds = self.seeds or range(self.first_seed or 0, (self.first_seed or 0) + (self.count or 0))
        for seed in seeds:
            yield "-".join(filter(None, (self.kind, self.label, f"{seed:05d}"))), seed


class Images(_Section):
    """Where the images are: a folder (`root`), a `manifest` CSV, or drawn `scenes`; and the boxes on them."""

    root: str | None = None
    manifest: str | None = None
    scenes: tuple[SceneGroup, ...] = ()
    boxes: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Images:
        if bool(self.scenes) == bool(self.root or self.manifest):
            raise ValueError("give one source: `root` (a folder), `manifest` (a CSV file) or `scenes`")
        if self.scenes and self.boxes:
            raise ValueError("scenes carry their own boxes; leave `boxes` out")
        return self


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
    """Variants of every model: the trained one, or one with random parameters for each seed."""

    kind: Literal["trained", "random"]
    seeds: tuple[Seed, ...] = ()
    steps: Steps | None = None

    @model_validator(mode="after")
    def _seeds_where_random(self) -> Variant:
        if (self.kind == "random") != bool(self.seeds):
            raise ValueError("`seeds: [..]` belongs to `kind: random`, and there it is needed")
        return self


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


class MapSample(_Section):
    """Keep the maps of `sample` images, chosen under `seed`."""

    sample: Annotated[int, Field(ge=1)]
    seed: Seed = 0


class Store(_Section):
    """Which attribution maps are kept, and in which numbers; statistics are always kept whole and exact."""

    maps: Literal["all", "none"] | MapSample = "all"
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
    shard_images: Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"] = "auto"
    shard_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["auto"] = "auto"
    retries: Annotated[int, Field(ge=0)] = 5


class Quarantine(_Section):
    """How many (image, variant, target) rows may be missing before a finished run is bad (exit code 1)."""

    allowance: Annotated[int, Field(ge=0)] = 0


class Report(_Section):
    """What the report shows: the featured images by id, then the first others up to `max_images`."""

    featured: tuple[str, ...] = ()
    max_images: Annotated[int, Field(ge=1, le=200)] = 8


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
    report: Report = Report()

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

    def variant_specs(self) -> list[VariantSpec]:
        """List the variants of every model, in the order of the study."""
        prefix = len(self.models) > 1
        specs: list[VariantSpec] = []
        for model in self.models:
            for variant in self.variants:
                steps = variant.steps or self.attribution.steps
                for seed in variant.seeds or (None,):
                    name = variant.kind if seed is None else f"{variant.kind}-{seed}"
                    variant_id = f"{model}.{name}" if prefix else name
                    specs.append(VariantSpec(variant_id, model, variant.kind, seed, steps))
        return specs

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
    """One variant of one model, and the integration steps that it gets: a number, or `auto`."""

    variant_id: str
    model: str
    kind: str
    seed: int | None
    steps: int | Literal["auto"]


@dataclass(frozen=True)
class LoadedStudy:
    """A study with the place that its relative paths start from."""

    study: Study
    base: Path

    def locate(self, path: str) -> str:
        """Return `path` as a URI or absolute path; relative ones start at the study file's folder."""
        return path if "://" in path else str((self.base / os.path.expanduser(path)).resolve())


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> LoadedStudy:
    """Read a study file and apply `key=value` overrides (dotted keys, YAML values, paths from here).

    Raises:
        InputError: the file is missing, is no plain YAML, or holds an unknown key or a bad value.
    """
    path = Path(path)
    content = _parse_yaml(_read_text(path), str(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: a study is a mapping of keys to values; see docs/study.md")
    for override in overrides:
        _override(content, override)
    return LoadedStudy(parse_study(content, str(path)), path.resolve().parent)


def parse_study(content: Mapping[str, Any], origin: str) -> Study:
    """Validate the content of a study; `origin` names it in messages.

    Raises:
        InputError: one line that names the key, the value and the fix.
    """
    try:
        study = Study.model_validate(content)
    except ValidationError as error:
        raise InputError(one_line(f"{origin}: {_explain(error, content)}")) from None
    specs = study.variant_specs()
    ((name, count),) = Counter(spec.variant_id for spec in specs).most_common(1)
    if count > 1:
        raise InputError(f"{origin}: variants: {name} is listed {count} times; list it once")
    if study.attribution.rule == "trapezoid" and any(spec.steps == 1 for spec in specs):
        raise InputError(
            f"{origin}: attribution.rule: trapezoid with 1 step: it takes both ends; give 2 steps or more"
        )
    return study


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise InputError(f"{path}: there is no such study file; check the path")
        if path.stat().st_size > MAX_STUDY_BYTES:
            raise InputError(
                f"{path}: larger than {MAX_STUDY_BYTES} bytes; list images in a manifest CSV instead"
            )
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a YAML file (it is not UTF-8 text); save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, which make a few lines endlessly large, and without a key twice in a mapping."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"`*{event.anchor}` is an alias; write it out", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} stands twice; remove one", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str, origin: str) -> Any:
    try:
        return yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        # PyYAML meets odd tags and numbers with exceptions of many classes.
        reason = one_line(error, limit=300) or type(error).__name__
        raise InputError(one_line(f"{origin}: not plain YAML ({reason}); correct it")) from None


def _override(content: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise InputError(f"--set {override}: write it as key=value, for instance attribution.steps=100")
    value = _parse_yaml(text, f"--set {override}")
    node: Any = content
    *parents, last = key.split(".")
    for part in parents:
        node = node.setdefault(part, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise InputError(f"--set {override}: {part} is not a mapping in the study; set it as a whole")
    node[last] = _from_here(key, value)


def _from_here(key: str, value: Any) -> Any:
    """Make a path given on the command line absolute: it starts at the current folder, not the study's."""
    prefix = ""
    if not isinstance(value, str):
        return value
    if key.startswith("models.") and key.endswith(".weights"):
        if value in ("bundled", "pretrained"):
            return value
        prefix = "local-dir:" if value.startswith("local-dir:") else ""
    elif key not in ("images.root", "images.manifest", "images.boxes"):
        return value
    path = value.removeprefix(prefix)
    return value if "://" in path else prefix + str(Path(os.path.expanduser(path)).absolute())


def _explain(error: ValidationError, content: Mapping[str, Any]) -> str:
    """Say the most telling of pydantic's errors: where, what was found, and what would do."""
    problems = sorted(error.errors(), key=lambda e: (e["type"] != "extra_forbidden", -len(e["loc"])))
    first = problems[0]
    keys = _keys(first, content)
    where = ".".join(keys) or "the study"
    if first["type"] == "extra_forbidden":
        known = _known_keys(keys[:-1])
        close = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known keys here: {', '.join(sorted(known))}"
        return f"{where}: unknown key; {hint}"
    if first["type"] == "missing":
        return f"{where}: missing; add it (docs/study.md)"
    alternatives = dict.fromkeys(_plain(e["msg"]) for e in problems if _keys(e, content) == keys)
    message, *others = alternatives
    message += "".join(f", or {other.removeprefix('should be ')}" for other in others)
    return f"{where}: {_shown(first['input'])}: {message}"


def _keys(problem: Any, content: Any) -> list[str]:
    """Return the path of a problem in the file: pydantic's without the names of union members in it."""
    keys = []
    node = content
    for part in problem["loc"]:
        try:
            node = node[part]
        except (LookupError, TypeError):
            if problem["type"] != "missing" or part != problem["loc"][-1]:
                continue
        keys.append(str(part))
    return keys


def _plain(message: str) -> str:
    """Put pydantic's message into the words of a YAML file."""
    message = message.removeprefix("Value error, ")
    message = re.sub(r"^Input | or instance of \w+| after validation, not \d+", "", message)
    message = message[:1].lower() + message[1:]
    return message.replace("dictionary", "mapping").replace("tuple", "list")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python does not write out whole numbers of thousands of digits
        text = f"a number of {value.bit_length()} bits" if isinstance(value, int) else "a value"
    return text if len(text) < 80 else text[:77] + "..."


def _known_keys(location: Sequence[str]) -> list[str]:
    """Return the keys that the section at a place in the file may have."""
    sections: dict[str, type[BaseModel]] = {
        "images": Images, "images.scenes": SceneGroup, "models": Model, "variants": Variant,
        "attribution": Attribution, "store": Store, "store.maps": MapSample, "run": Run,
        "run.workers": WorkerRange, "quarantine": Quarantine, "report": Report,
    }  # fmt: skip
    section: type[BaseModel] = Study
    for depth in (1, 2):
        section = sections.get(".".join(location[:depth]), section)
    return list(section.model_fields)
