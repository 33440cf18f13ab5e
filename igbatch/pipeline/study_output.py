"""Opens the output of a study: writes its lists and `study.json`, and refuses the output of another study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from igbatch.errors import InputError
from igbatch.images.selection import select_each
from igbatch.pipeline.baselines import drawn_digests
from igbatch.pipeline.messages import Calibration, Hardware
from igbatch.pipeline.packages import imported_packages
from igbatch.pipeline.resolve import ResolvedStudy, required_top_k
from igbatch.pipeline.study_images import StudyImages
from igbatch.store import schemas
from igbatch.store.fingerprint import digest
from igbatch.store.output import DATA_KINDS, Output
from igbatch.store.rankings import model_digest, ranking_facts
from igbatch.store.study_lists import read_study


def existing_study(output: Output) -> dict[str, Any] | None:
    """Return the `study.json` of an output, None where there is none.

    Raises:
        InputError: the folder holds something else, or a study of another igbatch.
    """
    study = read_study(output)
    if study is None:
        for kind in (*DATA_KINDS, "image_stats"):
            if output.files(kind):
                raise InputError(
                    f"{output.uri}: holds a folder {kind} but no study.json; choose another --out"
                )
    return study


def open_output(output: Output, resolved: ResolvedStudy, images: StudyImages) -> dict[str, Any]:
    """Write `images.parquet`, `variants.parquet` and then `study.json`, whose content is returned.

    Calibrations and hardware of earlier runs of the same study are kept.

    Raises:
        InputError: the output belongs to another study; the message names what differs.
    """
    earlier = existing_study(output)
    check_same_study(output, earlier, resolved)
    prints = resolved.fingerprint()
    known = dict(earlier["fingerprint"]) if earlier else {}
    packages = imported_packages()
    record = {
        "format": schemas.FORMAT,
        "name": resolved.study.name,
        "study": resolved.study.model_dump(mode="json"),
        "target_names": resolved.target_names,
        "targets": {name: model.targets for name, model in resolved.models.items()},
        "contrasts": resolved.contrasts,
        "boxes": _box_record(images),
        "models": {name: model_record(resolved, name) for name in resolved.models},
        "fingerprint": {**known, **prints},
        "fingerprint_digest": digest(prints),
        "calibrations": earlier["calibrations"] if earlier else {},
        "versions": packages.versions,
        "package_files": packages.files,
        "hardware": earlier["hardware"] if earlier else [],
    }
    if digests := drawn_digests(resolved.baseline):
        record["baseline_images"] = digests
    output.put_table(output.path("images.parquet"), images.table)
    names = images.table["image_id"]
    listed = select_each((spec.images for spec in resolved.variants), names)
    ids = {
        choice: None if choice == "all" else names.filter(pa.array(taken)).to_pylist()
        for choice, taken in listed.items()
    }
    rows = [{**asdict(spec), "images": ids[spec.images]} for spec in resolved.variants]
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))
    output.put_json(output.path("study.json"), record)
    return record


def keep_study(output: Output, resolved: ResolvedStudy, images: StudyImages) -> None:
    """Write a study's keys and counts of its boxes into the `study.json` of its output where they differ."""
    now = {"study": resolved.study.model_dump(mode="json"), "boxes": _box_record(images)}
    record = existing_study(output)
    if record is not None and {key: record.get(key) for key in now} != now:
        output.put_json(output.path("study.json"), {**record, **now})


def _box_record(images: StudyImages) -> dict[str, int] | None:
    return images.box_counts.record() if images.box_counts else None


def keep_calibration(
    output: Output, record: dict[str, Any], kind: str, hardware: Hardware, calibration: Calibration | None
) -> bool:
    """Keep in `study.json` what workers on one kind of device run with, so that later runs do likewise.

    Its content, `record`, is brought up to date. `calibration` is None where no image could be used.
    Returned is whether it is the first calibration of this kind of device.
    """
    fresh = calibration is not None and "precision" not in record["calibrations"].get(kind, {})
    if calibration is not None and fresh:
        record["calibrations"][kind] = {"threads": hardware.threads, **asdict(calibration)}
    if asdict(hardware) not in record["hardware"]:
        record["hardware"].append(asdict(hardware))
    elif not fresh:
        return False
    output.put_json(output.path("study.json"), record)
    return fresh


def model_record(resolved: ResolvedStudy, name: str) -> dict[str, Any]:
    """Return the entry of a model in `study.json`."""
    model = resolved.models[name]
    return {
        "architecture": model.source.architecture,
        "weights": model.weights_identity,
        "classes": model.classes,
        "class_names": model.own_names,
        "data_config": model.data_config,
        **({"layers": model.layers} if model.layers else {}),
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
        for key, was, now in _differences(before, values):
            raise InputError(
                f"{output.uri}: variant {variant_id} was computed {_change(key, was, now)}; "
                "choose another --out or change the study back"
            )
    _check_same_ranking(output, earlier, resolved)


def _check_same_ranking(output: Output, earlier: Mapping[str, Any], resolved: ResolvedStudy) -> None:
    """Compare the models that rank images: random variants have none of their weights, but their targets."""
    if not (required_top_k(earlier["target_names"]) and required_top_k(resolved.target_names)):
        return
    for name in resolved.models:
        was, current = earlier["models"].get(name), model_record(resolved, name)
        if was is not None and model_digest(was) != model_digest(current):
            key, before, now = next(_differences(ranking_facts(was), ranking_facts(current)))
            raise InputError(
                f"{output.uri}: the targets predicted and top-k followed the ranking of model {name} "
                f"{_change(key, before, now)}; choose another --out or change the study back"
            )


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted key, the value before and the value now of whatever differs.

    Steps come first: the other keys of the quadrature follow from them.
    """
    for key in sorted({*before, *now}, key=lambda key: (key != "steps", key)):
        was, current = before.get(key), now.get(key)
        if isinstance(was, Mapping) and isinstance(current, Mapping):
            yield from _differences(was, current, f"{prefix}{key}.")
        elif was != current:
            yield prefix + key, was, current


def _change(key: str, was: Any, now: Any) -> str:
    """Say what a study was computed with and what it says now; None is what it did not have, or has not."""
    before = f"without {key}" if was is None else f"with {key} {_short(was)}"
    return f"{before}, the study now {'has none' if now is None else f'says {_short(now)}'}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
