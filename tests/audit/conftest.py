"""Outputs of made-up numbers to be audited."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from igbatch.audit.compare import compare
from igbatch.audit.verdict import Check
from igbatch.results import StudyResults, open_study
from igbatch.statistics.image_stats import map_statistics
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.study import AuditSection
from igbatch.study_file import parse_study

KINDS = {"trained": "trained", "random-1": "random"}
BOXES = {"eagle": 0.5, "magpie": -0.2}


def attribution_of(variant: str, image: str, target: str) -> np.ndarray:
    """Return a map of random values that the names decide: float32 [6, 6]."""
    seed = [ord(letter) for letter in f"{variant}{image}{target}"]
    return np.random.default_rng(seed).normal(size=(6, 6)).astype(np.float32)


def boxes_of(variant: str, image: str, target: str) -> list[dict[str, Any]]:
    """Return a box of each label, with half of |a|; sums of random variants are a tenth."""
    part = 1.0 if variant == "trained" else 0.1
    return [{"box_label": label, "sum": part * total, "share": 0.5} for label, total in BOXES.items()]


def write_night(
    folder: Path,
    images: Sequence[str] = ("a", "b", "c"),
    *,
    kinds: Mapping[str, str] = KINDS,
    targets: Sequence[str] = ("eagle", "magpie"),
    row: Callable[[str, str, str], dict[str, Any]] = lambda variant, image, target: {},
    boxes: Callable[[str, str, str], list[dict[str, Any]]] = boxes_of,
    attribution: Callable[[str, str, str], np.ndarray] = attribution_of,
    missing: Sequence[tuple[str, str]] = (),
    sha256: Callable[[str], str | None] = lambda image: f"sha-{image}",
    weights: str | None = "w",
    maps: Any = "all",
    record: Mapping[str, Any] | None = None,
    faithfulness: Sequence[dict[str, Any]] = (),
    curves: Sequence[dict[str, Any]] = (),
) -> StudyResults:
    """Write a finished output and open it.

    `row`, `boxes` and `attribution` make columns of `image_stats` that are to differ, boxes and a map, from
    variant, image and target. `missing` are (variant, image) in quarantine, `record` keys of `study.json`
    that are to differ.
    """
    output = Output(str(folder))
    measured = {name: {} for name, rows in {"faithfulness": faithfulness, "curves": curves}.items() if rows}
    write_study(output, targets, kinds, maps, measured, record or {})
    listed = [{"image_id": each, "uri": each, "etag": "1", "sha256": sha256(each)} for each in images]
    output.put_table(output.path("images.parquet"), pa.Table.from_pylist(listed, schema=schemas.IMAGES))
    variants = [
        {"variant_id": each, "model": "m", "kind": kind, "weights_sha256": weights}
        for each, kind in kinds.items()
    ]
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(variants, schema=schemas.VARIANTS))
    for name, rows in {"faithfulness": faithfulness, "curves": curves}.items():
        if rows:
            table = pa.Table.from_pylist(list(rows), schema=getattr(schemas, name.upper()))
            output.put_table(output.path(f"{name}.parquet"), table)
    for variant in kinds:
        with ShardWriter(output, variant, "s", "f") as writer:
            for image in images:
                if (variant, image) in missing:
                    lost = {"image_id": image, "target": None, "stage": "image", "error": "cannot be read"}
                    writer.add_quarantine([{**lost, "image_etag": "1"}])
                    continue
                arrays = [attribution(variant, image, target) for target in targets]
                for target, array in zip(targets, arrays, strict=True):
                    writer.add_image_stats([night_row(image, target, array) | row(variant, image, target)])
                    found = boxes(variant, image, target)
                    writer.add_box_stats([night_box(image, target, at, box) for at, box in enumerate(found)])
                if maps != "none":
                    writer.add_maps([image] * len(targets), list(targets), np.stack(arrays))
            writer.commit()
    return open_study(output.uri)


def write_study(
    output: Output,
    targets: Sequence[str],
    kinds: Mapping[str, str],
    maps: Any,
    audit: Mapping[str, Any],
    changes: Mapping[str, Any],
) -> None:
    content = {
        "name": "night", "images": {"root": "/images"}, "models": {"m": {}}, "targets": list(targets),
        "store": {"maps": maps}, "audit": dict(audit),
    }  # fmt: skip
    record = {
        "format": schemas.FORMAT,
        "target_names": list(targets),
        "study": parse_study(content, "night.yaml").model_dump(mode="json"),
        "targets": {"m": {target: index for index, target in enumerate(targets)}},
        "models": {"m": {"class_names": {"eagle": 0, "magpie": 1}}},
        "versions": {"torch": "2.0"},
        "hardware": [{"node": "one", "device": "cpu", "threads": 1}],
        "fingerprint": {variant: {"baseline": "gray", "weights": "w"} for variant in kinds},
    }
    output.put_json(output.path("study.json"), record | dict(changes))


def night_row(image: str, target: str, attribution: np.ndarray) -> dict[str, Any]:
    return {
        "image_id": image, "label": None, "target": target, "target_index": 0, "prediction": "eagle",
        "prediction_index": 0, "prediction_probability": 0.9, "target_probability": 0.5, "score": 0.5,
        "score_baseline": 0.25, **map_statistics(attribution), "convergence_delta": 0.0,
        "relative_delta": 0.0, "map_error": None, "steps": 4, "converged": True, "negligible": False,
        "precision": "float32", "device": "cpu", "image_etag": "1", "image_sha256": f"sha-{image}",
        "image_width": 6, "image_height": 6, "weights_sha256": "w",
    }  # fmt: skip


def night_box(image: str, target: str, number: int, box: dict[str, Any]) -> dict[str, Any]:
    return {
        "image_id": image, "target": target, "box_id": str(number), "x_min": 0, "y_min": 0, "x_max": 2,
        "y_max": 2, "visible_fraction": 1.0, "pixels": 4, **box,
    }  # fmt: skip


@pytest.fixture(scope="session")
def make_night() -> Callable[..., StudyResults]:
    """Write an output of made-up numbers: `write_night`."""
    return write_night


@pytest.fixture(scope="session")
def plain_night(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """The night that `write_night` writes where nothing is to differ."""
    return write_night(tmp_path_factory.mktemp("plain") / "then")


@pytest.fixture
def checked(tmp_path: Path, plain_night: StudyResults) -> Callable[..., Check]:
    """Audit a made-up night against another; return one check.

    Arguments: its name, those of `write_night` for the audited night and for the reference, and thresholds.
    """

    def check(
        name: str, now: Mapping[str, Any], before: Mapping[str, Any] | None = None, **thresholds: float | None
    ) -> Check:
        night = write_night(tmp_path / "now", **now)
        reference = write_night(tmp_path / "then", **before) if before else open_study(plain_night.uri)
        settings = AuditSection.model_validate({"thresholds": thresholds})
        return {each.name: each for each in compare(night, reference, settings).checks}[name]

    return check
