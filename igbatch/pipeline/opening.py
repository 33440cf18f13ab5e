"""Opening an output for a study: a new one is laid out, one of the same study is continued, another is refused."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from igbatch.errors import InputError
from igbatch.pipeline.resolve import ResolvedStudy, StudyImages, digest
from igbatch.store import schemas
from igbatch.store.output import Output

FORMAT = 1
LISTED_PACKAGES = ("igbatch", "torch", "timm", "ray", "numpy", "pyarrow")


def existing_study(output: Output) -> dict[str, Any] | None:
    """Return the `study.json` of an output, None where there is none.

    Raises:
        InputError: the folder holds something else, or a study of a newer igbatch.
    """
    study: dict[str, Any] | None = output.read_json(output.path("study.json"))
    if study is not None:
        if study.get("format") != FORMAT:
            raise InputError(
                f"{output.uri}: written in format {study.get('format')}, this igbatch reads {FORMAT}; use its version"
            )
        return study
    return None


def open_output(output: Output, resolved: ResolvedStudy, images: StudyImages) -> dict[str, Any]:
    """Write `study.json`, `images.parquet` and `variants.parquet`, and return the first.

    What was settled and seen by earlier runs of the same study (micro-batch, threads, hardware) is kept.

    Raises:
        InputError: the output belongs to another study; the line says what differs.
    """
    earlier = existing_study(output)
    check_same_study(output, earlier, resolved)
    prints = resolved.fingerprint()
    known = dict(earlier["fingerprint"]) if earlier else {}
    record = {
        "format": FORMAT,
        "name": resolved.study.name,
        "study": resolved.study.model_dump(mode="json"),
        "target_names": resolved.target_names,
        "targets": {name: model.targets for name, model in resolved.models.items()},
        "models": {name: _model_record(resolved, name) for name in resolved.models},
        "fingerprint": {**known, **prints},
        "fingerprint_digest": digest(prints),
        "settled": earlier["settled"] if earlier else {},
        "versions": _versions(),
        "hardware": earlier["hardware"] if earlier else [],
    }
    output.put_json(output.path("study.json"), record)
    output.put_table(output.path("images.parquet"), images.table)
    rows = [
        {
            "variant_id": spec.variant_id, "model": spec.model, "kind": spec.kind, "direction": None,
            "seed": spec.seed, "layers": None, "weights_sha256": None,
        }
        for spec in resolved.variants
    ]  # fmt: skip
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))
    return record


def settle(output: Output, record: dict[str, Any], kind: str, hardware: list[dict[str, Any]]) -> None:
    """Keep in `study.json` what workers of one kind of device ran with, so that a later run does likewise."""
    for seen in hardware:
        settled = {"threads": seen["threads"], "micro_batch": seen["micro_batch"]}
        record["settled"].setdefault(kind, settled)
        if seen not in record["hardware"]:
            record["hardware"].append(seen)
    output.put_json(output.path("study.json"), record)


def _model_record(resolved: ResolvedStudy, name: str) -> dict[str, Any]:
    model = resolved.models[name]
    return {
        "architecture": model.source.architecture,
        "weights": model.weights_identity,
        "classes": model.classes,
        "class_names": model.class_names,
        "data_config": model.data_config,
    }


def check_same_study(output: Output, earlier: Mapping[str, Any] | None, resolved: ResolvedStudy) -> None:
    """Compare a study with what an output was made for; new images, variants and targets are welcome.

    Raises:
        InputError: the name differs, or what decides the numbers of a variant that is there already.
    """
    if earlier is None:
        return
    if earlier["name"] != resolved.study.name:
        raise InputError(
            f"{output.uri}: belongs to the study {earlier['name']!r}, this one is {resolved.study.name!r}; "
            "choose another --out"
        )
    for variant_id, values in resolved.fingerprint().items():
        before = earlier["fingerprint"].get(variant_id)
        if before is None:
            continue
        for key in sorted(values):
            if before.get(key) != values[key]:
                raise InputError(
                    f"{output.uri}: variant {variant_id} was computed with {key} {_short(before.get(key))}, "
                    f"the study now says {_short(values[key])}; choose another --out or change the study back"
                )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in LISTED_PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
