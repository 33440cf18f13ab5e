"""Resolves a study: looks up and checks the models, classes, targets and variants that its file names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from igbatch.errors import InputError
from igbatch.filesystem import is_local, refuse_credentials, resolve
from igbatch.images.masks import SEGMENTATION
from igbatch.pipeline.baselines import Baselines, baseline_record, resolve_baselines
from igbatch.pipeline.target_names import Class, check_index, contrasts_of, refuse_contrast, resolve_targets
from igbatch.study import DYNAMIC_TARGETS, AttributionSection, Model, Study, VariantSpec
from igbatch.study_file import LoadedStudy
from igbatch.variants.facts import numbered
from igbatch.variants.lookup import find_facts
from igbatch.variants.specs import needs_layers, variant_specs
from igbatch.variants.weights import WeightsSource, locate_weights


@dataclass(frozen=True)
class ResolvedModel:
    """A model of the study.

    Attributes:
        name: the study's name of it.
        source: where its weights are.
        weights_identity: what stands for them in a fingerprint.
        classes: number of logits.
        own_names: from the names that the model itself has for its classes to logit indices.
        class_names: the same, with those that the study adds or moves.
        data_config: timm's.
        targets: from the study's targets to logit indices, two of a contrast; None where one is found for
            each image.
        layers: its stages and their blocks, in order of data flow; none where no variant needs them.
    """

    name: str
    source: WeightsSource
    weights_identity: str
    classes: int
    own_names: dict[str, int]
    class_names: dict[str, int]
    data_config: dict[str, Any]
    targets: dict[str, Class | None]
    layers: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ResolvedStudy:
    """A study ready to be planned; its images and boxes stay with the driver, the rest goes to workers."""

    study: Study
    baseline: Baselines
    models: dict[str, ResolvedModel]
    variants: list[VariantSpec]
    target_names: list[str]

    @cached_property
    def contrasts(self) -> dict[str, tuple[str, str]]:
        """The names of the two classes of each target that is a contrast."""
        return contrasts_of(self.study, next(iter(self.models.values())).class_names)

    @property
    def backward_passes(self) -> int:
        """How many targets need a backward pass a node: all but contrasts of two others."""
        return sum(
            not {*self.contrasts.get(each, [""])} <= {*self.target_names} for each in self.target_names
        )

    def fingerprint(self) -> dict[str, Any]:
        """Return what decides the numbers of each variant's maps, as plain values, by variant id.

        It covers weights, preprocessing, baseline, output, rule, steps, tolerance and precision; not which
        images, variants and targets the study lists, so that these may grow.
        """
        return {spec.variant_id: self.fingerprint_of(spec) for spec in self.variants}

    def fingerprint_of(self, spec: VariantSpec) -> dict[str, Any]:
        """Return what decides the numbers of one variant's maps."""
        settings = self.study.attribution
        model = self.models[spec.model]
        return {
            "baseline": baseline_record(self.baseline),
            "output": settings.output,
            "tolerance": settings.tolerance,
            "atol": settings.atol,
            "precision": settings.precision,
            **_quadrature(settings, spec),
            "architecture": model.source.architecture,
            "classes": model.classes,
            "weights": _weights(model, spec),
            "preprocessing": model.data_config,
            **({"smoothing": settings.smoothing.model_dump()} if settings.smoothing else {}),
            **self._segments(),
        }

    def _segments(self) -> dict[str, Any]:
        """Return what decides the regions beside squares and boxes whose sums are measured with each map."""
        images = self.study.images
        masks = None if images.masks is None else SEGMENTATION if images.masks == SEGMENTATION else "folder"
        segments = {"superpixels": images.superpixels, "masks": masks}
        return {name: value for name, value in segments.items() if value is not None}


def required_top_k(targets: Sequence[str]) -> int:
    """Return how many of the likeliest classes the targets `predicted` and `top-<k>` among some ask for."""
    ranked = [target for target in targets if DYNAMIC_TARGETS.fullmatch(target) and target != "label"]
    return max((1 if target == "predicted" else int(target[4:]) for target in ranked), default=0)


def _weights(model: ResolvedModel, spec: VariantSpec) -> str | dict[str, Any]:
    """Return what decides a variant's weights: of a random one the seed alone, and not the trained ones."""
    if spec.seed is None:
        return model.weights_identity
    if spec.layers is None:
        return f"random:{spec.seed}"
    return {"trained": model.weights_identity, "seed": spec.seed, "layers": list(spec.layers)}


def _quadrature(settings: AttributionSection, spec: VariantSpec) -> dict[str, Any]:
    """Return what decides a variant's nodes: a rule and its steps, or the limit of adaptive ones."""
    if spec.steps == "auto":
        return {"rule": "adaptive", "steps": "auto", "max_steps": settings.max_steps}
    return {"rule": settings.rule, "steps": spec.steps}


def resolve_study(loaded: LoadedStudy, known_facts: Mapping[str, Any] | None = None) -> ResolvedStudy:
    """Look up models, classes and targets of a study.

    `known_facts` are those of an earlier run (`study.json`); where the weights are the same they are
    believed, and neither torch nor timm is imported.

    Raises:
        InputError: weights are missing or do not fit, a model has one logit and a probability is explained,
            a target is not a class of its model, a variant is listed twice, or the report or an audit asks
            for one that the study does not have.
    """
    study = loaded.study
    models = {
        name: _resolve_model(name, model, loaded, known_facts or {}) for name, model in study.models.items()
    }
    variants = variant_specs(study, {name: model.layers for name, model in models.items()})
    _check_variants("report.variants", study.report.variants, variants)
    baseline = resolve_baselines(study)
    _check_kinds(models)
    for name in ("faithfulness", "curves"):
        section = getattr(study.audit, name)
        if section is not None and not isinstance(section.variants, str):
            _check_variants(f"audit.{name}.variants", section.variants, variants)
    return ResolvedStudy(study, baseline, models, variants, study.target_names())


def _check_kinds(models: Mapping[str, ResolvedModel]) -> None:
    """Refuse a name that is a class of one model and a contrast in another."""
    for target in {target: None for model in models.values() for target in model.targets}:
        kinds = {isinstance(model.targets[target], tuple) for model in models.values()}
        if len(kinds) > 1:
            raise InputError(
                f"targets: {target!r} is a class of one model and the difference of two classes of another; "
                "name that class otherwise in the model's `classes`"
            )


def _check_variants(key: str, named: Sequence[str], variants: Sequence[VariantSpec]) -> None:
    known = [spec.variant_id for spec in variants]
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean `{near[0]}`?" if near else f"; it has {known[0]} and others"
            raise InputError(f"{key}: {name!r} is not a variant of the study{meant}")


def _resolve_model(name: str, model: Model, loaded: LoadedStudy, known: Mapping[str, Any]) -> ResolvedModel:
    key = f"models.{name}.weights"
    weights = model.weights
    if weights not in ("bundled", "pretrained"):
        kind = "local-dir:" if weights.startswith("local-dir:") else ""
        weights = kind + _local_path(loaded.locate(weights.removeprefix(kind)), key)
    source = locate_weights(weights, model.architecture, key)
    identity = source.identity()
    facts = known.get(name)
    if not facts or facts["weights"] != identity or facts["architecture"] != source.architecture:
        facts = None
    if facts is None or ("layers" not in facts and needs_layers(loaded.study)):
        facts = asdict(find_facts(source, key, trained=_needs_trained(loaded.study)))
    source = replace(source, classes=facts["classes"])
    output = loaded.study.attribution.output
    if facts["classes"] == 1 and output != "logit":
        raise InputError(
            f"attribution.output: {output}: {key.removesuffix('.weights')} has one logit, whose softmax is 1 "
            "whatever the image shows; use `output: logit`"
        )
    names = {**facts["class_names"], **(model.classes or {})}
    if facts["class_names"] == numbered(facts["classes"]):
        names = {**(model.classes or {}), **names}  # a name that the study gives comes before a number
    for class_name, index in (model.classes or {}).items():
        class_key = f"models.{name}.classes.{class_name}"
        check_index(class_key, index, facts["classes"], source)
        if class_name not in facts["class_names"]:
            refuse_contrast(class_key, class_name, names)
    return ResolvedModel(
        name=name,
        source=source,
        weights_identity=identity,
        classes=facts["classes"],
        own_names=facts["class_names"],
        class_names=names,
        data_config=facts["data_config"],
        targets=resolve_targets(loaded.study, name, facts["classes"], names, source),
        layers=facts.get("layers", {}),
    )


def _needs_trained(study: Study) -> bool:
    """Return whether trained weights are read: by a variant, or for targets that follow a prediction."""
    return required_top_k(study.target_names()) > 0 or any(
        variant.kind != "random" for variant in study.variants
    )


def _local_path(place: str, key: str) -> str:
    if not is_local(place):
        refuse_credentials(place)
        raise InputError(f"{key}: {place}: weights are read from a local path; download them first")
    return resolve(place)[1]
