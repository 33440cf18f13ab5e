"""Resolving a study: from what a file says to what is computed, with every name looked up and checked."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from igbatch.errors import InputError, one_line
from igbatch.filesystem import is_local, refuse_credentials, resolve
from igbatch.images.baselines import parse_baseline
from igbatch.images.box_files import read_boxes
from igbatch.images.boxes import BoxTable, check_inside
from igbatch.images.decoding import probe_size
from igbatch.images.manifest import FolderSource, ManifestSource, SceneSource, Source, list_images
from igbatch.store import schemas
from igbatch.store_errors import machine_error
from igbatch.study import DYNAMIC_TARGETS, Attribution, Model, Study, VariantSpec
from igbatch.study_file import LoadedStudy
from igbatch.variants.facts import find_facts
from igbatch.variants.specs import needs_layers, variant_specs
from igbatch.variants.weights import WeightsSource, locate_weights

Listed = TypeVar("Listed")
PROBED_IMAGES = 256
"""Up to so many local images with boxes are opened while planning, headers only, to check the boxes."""


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
        targets: from the study's targets to logit indices; None where one is found for each image.
        layers: its stages and their blocks, in order of data flow; none where no variant asks for them.
    """

    name: str
    source: WeightsSource
    weights_identity: str
    classes: int
    own_names: dict[str, int]
    class_names: dict[str, int]
    data_config: dict[str, Any]
    targets: dict[str, int | None]
    layers: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class ResolvedStudy:
    """A study ready to be planned; its images and boxes stay with the driver, the rest goes to workers."""

    study: Study
    baseline: str
    models: dict[str, ResolvedModel]
    variants: list[VariantSpec]
    target_names: list[str]

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
            "baseline": self.baseline,
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
        }


def _weights(model: ResolvedModel, spec: VariantSpec) -> str | dict[str, Any]:
    """Return what decides a variant's weights: of a random one the seed alone, and not the trained ones."""
    if spec.seed is None:
        return model.weights_identity
    if spec.layers is None:
        return f"random:{spec.seed}"
    return {"trained": model.weights_identity, "seed": spec.seed, "layers": list(spec.layers)}


def _quadrature(settings: Attribution, spec: VariantSpec) -> dict[str, Any]:
    """Return what decides a variant's nodes: a rule and its steps, or the limit of adaptive ones."""
    if spec.steps == "auto":
        return {"rule": "adaptive", "steps": "auto", "max_steps": settings.max_steps}
    return {"rule": settings.rule, "steps": spec.steps}


def resolve_study(loaded: LoadedStudy, known_facts: Mapping[str, Any] | None = None) -> ResolvedStudy:
    """Look up models, classes and targets of a study.

    `known_facts` are those of an earlier run (`study.json`); where the weights are the same they are
    believed, and neither torch nor timm is imported.

    Raises:
        InputError: weights are missing or do not fit, a target is not a class of its model, a variant is
            listed twice, or the report or an audit asks for one that the study does not have.
    """
    study = loaded.study
    models = {
        name: _resolve_model(name, model, loaded, known_facts or {}) for name, model in study.models.items()
    }
    variants = variant_specs(study, {name: model.layers for name, model in models.items()})
    _check_variants("report.variants", study.report.variants, variants)
    faithfulness = study.audit.faithfulness
    if faithfulness is not None and not isinstance(faithfulness.variants, str):
        _check_variants("audit.faithfulness.variants", faithfulness.variants, variants)
    return ResolvedStudy(
        study=study,
        baseline=_parse_baseline(study.attribution.baseline),
        models=models,
        variants=variants,
        target_names=study.target_names(),
    )


def _check_variants(key: str, named: Sequence[str], variants: Sequence[VariantSpec]) -> None:
    known = [spec.variant_id for spec in variants]
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean `{near[0]}`?" if near else f"; it has {known[0]} and others"
            raise InputError(f"{key}: {name!r} is not a variant of the study{meant}")


def _parse_baseline(value: str | tuple[int, int, int]) -> str:
    try:
        return parse_baseline(value)
    except InputError as error:
        raise InputError(f"attribution.{error}") from None


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
        facts = asdict(find_facts(source, key))
    names = {**facts["class_names"], **(model.classes or {})}
    for class_name, index in (model.classes or {}).items():
        _check_index(f"models.{name}.classes.{class_name}", index, facts["classes"], source)
    return ResolvedModel(
        name=name,
        source=source,
        weights_identity=identity,
        classes=facts["classes"],
        own_names=facts["class_names"],
        class_names=names,
        data_config=facts["data_config"],
        targets=_resolve_targets(loaded.study, name, facts["classes"], names, source),
        layers=facts.get("layers", {}),
    )


def _local_path(place: str, key: str) -> str:
    if not is_local(place):
        refuse_credentials(place)
        raise InputError(f"{key}: {place}: weights are read from a local path; download them first")
    return resolve(place)[1]


def _resolve_targets(
    study: Study, model: str, classes: int, names: Mapping[str, int], source: WeightsSource
) -> dict[str, int | None]:
    targets: dict[str, int | None] = {}
    if isinstance(study.targets, Mapping):
        for name, index in study.targets.items():
            _check_index(f"targets.{name}", index, classes, source)
            targets[name] = index
        return targets
    for name in study.target_names():
        if name in names:
            targets[name] = names[name]
        elif DYNAMIC_TARGETS.fullmatch(name):
            targets[name] = None
            if name.startswith("top-") and int(name[4:]) > classes:
                raise InputError(f"targets: {name}: model {model} has {classes} classes only; ask for fewer")
        else:
            some = ", ".join(list(names)[:6]) + (", …" if len(names) > 6 else "")
            raise InputError(
                f"targets: {name!r} is not a class of model {model} ({source.architecture}: {some}); "
                "use one of its classes, a mapping `name: index`, or predicted, label, top-<k>"
            )
    return targets


def _check_index(key: str, index: int, classes: int, source: WeightsSource) -> None:
    if index >= classes:
        raise InputError(
            f"{key}: {index}: {source.architecture} has {classes} classes; use 0 to {classes - 1}"
        )


@dataclass(frozen=True)
class StudyImages:
    """The images of a study and the boxes on them.

    Attributes:
        table: rows of `schemas.IMAGES`. `etag` changes with an image's boxes and label too, since rows that
            were computed with others are no longer true.
        boxes: None where scenes carry their own, or there are none.
        warnings: one line each.
    """

    table: pa.Table
    boxes: BoxTable | None
    warnings: list[str]


def list_study_images(loaded: LoadedStudy) -> StudyImages:
    """List a study's images and read its boxes; a label comes from the manifest or else the first box.

    Raises:
        InputError: no images, a bad manifest or box file, or a box outside its image where sizes are known.
    """
    images = loaded.study.images
    source = "root" if images.root and not images.manifest else "manifest" if images.manifest else "scenes"
    table = _keyed(f"images.{source}", lambda: list_images(_source(loaded)))
    boxes = None
    if images.boxes:
        place = loaded.locate(images.boxes)
        boxes = _keyed("images.boxes", partial(read_boxes, place))
    warnings = []
    labels = table["label"]
    if boxes is not None:
        _keyed("images.boxes", boxes.check_sizes)
        unmatched = boxes.unmatched(table["image_id"])
        if unmatched:
            warnings.append(
                f"images.boxes: {len(unmatched)} of its images are not in the study (first: {unmatched[0]})"
            )
        if len(table) <= PROBED_IMAGES:
            _keyed("images.boxes", partial(_check_small_set, table, boxes))
        first = boxes.boxes.group_by("image", use_threads=False).aggregate([("label", "first")])
        position = pc.index_in(table["image_id"], value_set=first["image"])
        labels = pc.coalesce(labels, first["label_first"].combine_chunks().take(position.combine_chunks()))
    etags = pc.fill_null(table["etag"], "")
    if not images.scenes:
        etags = pc.binary_join_element_wise(etags, _digests(table["image_id"], labels, boxes), "")
    count = len(table)
    full = pa.table(
        {
            "image_id": table["image_id"],
            "uri": table["uri"],
            "size": table["size"],
            "etag": etags,
            "label": labels,
            "sha256": pa.nulls(count, pa.string()),
            "width": pa.nulls(count, pa.int32()),
            "height": pa.nulls(count, pa.int32()),
        }
    )
    return StudyImages(full.cast(schemas.IMAGES), boxes, warnings)


def _keyed(key: str, action: Callable[[], Listed]) -> Listed:
    """Do something for a key of the study, and name the key in what it refuses."""
    try:
        return action()
    except FileNotFoundError as error:
        raise InputError(f"{key}: {one_line(error)}: there is no such file; check the path") from None
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(key) else f"{key}: {message}") from None
    except OSError as error:
        known = machine_error(error)
        raise error if known is None else type(known)(f"{key}: {known}") from None


def _digests(image_ids: pa.ChunkedArray, labels: pa.ChunkedArray, boxes: BoxTable | None) -> pa.Array:
    """Digest the label and the boxes of each image, to "" where it has neither."""
    known: dict[str, list[str]] = {}
    for image_id, label in zip(image_ids.to_pylist(), labels.to_pylist(), strict=True):
        if label is not None:
            known[image_id] = [label]
    if boxes is not None:
        columns = [column.cast(pa.string()) for column in boxes.boxes.columns[1:]]
        texts = pc.binary_join_element_wise(*columns, "\0")
        for image_id, text in zip(boxes.boxes["image"].to_pylist(), texts.to_pylist(), strict=True):
            known.setdefault(image_id, []).append(text)
    digests = {
        image_id: "-" + hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
        for image_id, texts in known.items()
    }
    return pa.array([digests.get(image_id, "") for image_id in image_ids.to_pylist()], pa.string())


def _source(loaded: LoadedStudy) -> Source:
    images = loaded.study.images
    if images.scenes:
        entries = [
            (image_id, seed, group.kind, group.label)
            for group in images.scenes
            for image_id, seed in group.entries()
        ]
        return SceneSource(tuple(entries))
    root = loaded.locate(images.root) if images.root else None
    if images.manifest:
        return ManifestSource(loaded.locate(images.manifest), root)
    assert root is not None
    return FolderSource(root)


def _check_small_set(table: pa.Table, boxes: BoxTable) -> None:
    """Check boxes against image headers; what cannot be read is left to the worker, which quarantines it."""
    for row in table.select(["image_id", "uri"]).to_pylist():
        found = boxes.of(row["image_id"])
        if not found or not is_local(row["uri"]):
            continue
        try:
            filesystem, path = resolve(row["uri"])
            with filesystem.open_input_file(path) as file:
                width, height = probe_size(file)
        except Exception:  # an unreadable image is quarantined by the worker that meets it, with its reason
            continue
        check_inside(found, width, height, where=f"images.boxes: {boxes.source}: {row['image_id']}")
