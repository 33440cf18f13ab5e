"""Studies made of given maps, whose files lie in memory: outputs that nobody computed."""

import hashlib
import pickle
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa

from igbatch.reduce.study import reduce_study
from igbatch.results import StudyResults
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.image_stats import convergence, map_statistics
from igbatch.statistics.partitions import LabelMap, segment_statistics
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.label_maps import write_label_maps
from igbatch.store.output import Output
from igbatch.study import Study

Key = tuple[str, str, str]
Maps = Mapping[Key, np.ndarray]
SIZE = 16
MEMORY = fsspec.filesystem("memory")
CLASSES = ("eagle", "magpie", "crow", "gull", "none")


@dataclass(frozen=True)
class Box:
    box_id: str
    label: str
    x_min: int
    y_min: int
    x_max: int
    y_max: int
    visible_fraction: float = 1.0


BOXES = (Box("0", "eagle", 1, 2, 7, 9), Box("1", "magpie", 9, 3, 15, 8))


def lay_out(
    place: Output,
    maps: Maps,
    *,
    images: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    targets: Sequence[str] = ("eagle", "magpie"),
    boxes: Mapping[str, Sequence[Box]] | Sequence[Box] = BOXES,
    quarantine: Sequence[Mapping[str, Any]] = (),
    patches: bool = True,
    label_maps: Sequence[LabelMap] = (),
    gap: float = 0.0,
    map_error: float | None = None,
    featured: Sequence[str] = (),
    max_images: int = 8,
    output: str = "probability",
    precision: str = "float32",
    title: str = "",
    subsets: Mapping[str, Sequence[str]] | None = None,
    removals: Mapping[str, Mapping[str, float]] | None = None,
    kept: bool = False,
) -> None:
    """Write the files of a study of these maps, and reduce it; the maps themselves where they are `kept`."""
    images = images or list(dict.fromkeys(key[1] for key in maps))
    kinds = kinds or {key[0]: key[0].split("-")[0] for key in maps}
    steps = 50 if map_error is None else "auto"
    rule = "gauss-legendre" if map_error is None else "adaptive"
    study = Study.model_validate({
        "name": "drawn", "title": title,
        "images": {"root": "photos", "superpixels": 4 if label_maps else None}, "models": {"small": {}},
        "targets": list(targets),
        "attribution": {"output": output, "steps": steps, "tolerance": 0.05},
        "report": {"featured": list(featured), "max_images": max_images},
    })  # fmt: skip
    record = {
        "format": schemas.FORMAT,
        "target_names": list(targets),
        "study": study.model_dump(mode="json"),
        "targets": {"small": {name: index for index, name in enumerate(targets)}},
        "models": {
            "small": {
                "architecture": "swin", "weights": "sha256:0",
                "data_config": {"input_size": [3, SIZE, SIZE]},
            }
        },
        "fingerprint": {variant: {"rule": rule, "steps": steps} for variant in kinds},
        "versions": {"igbatch": "0.1.0"},
        "hardware": [{"node": "here", "device": "cpu", "threads": 1}],
    }  # fmt: skip
    place.put_json(place.path("study.json"), record)
    for name, rows, schema in (
        ("images", [_image_row(image) for image in images], schemas.IMAGES),
        ("variants", [_variant_row(*pair, subsets) for pair in kinds.items()], schemas.VARIANTS),
    ):
        place.put_table(place.path(f"{name}.parquet"), pa.Table.from_pylist(rows, schema=schema))
    for variant in kinds:
        kept_maps = dict.fromkeys(images, tuple(label_maps)) if label_maps else {}
        write_label_maps(place, "small", "regions", kept_maps)
        named = "regions" if label_maps else None
        with ShardWriter(place, variant, "shard", "fingerprint", label_maps=named) as writer:
            mine = {key[1:]: values for key, values in maps.items() if key[0] == variant}
            for (image, target), values in mine.items():
                row = _stats_row(image, target, values, gap, map_error)
                row["patches"] = [*segment_statistics(values, label_maps), *row["patches"]]
                before = {} if patches else {"patches": None}
                writer.add_image_stats([{**row, "precision": precision, **before}])
                on_image = boxes.get(image, ()) if isinstance(boxes, Mapping) else boxes
                keys = {"image_id": image, "target": target, **(removals or {}).get(variant, {})}
                if kept:
                    writer.add_maps([image], [target], values[None])
                writer.add_box_stats([{**keys, **row} for row in box_statistics(values, on_image)])
            lost = [row for row in quarantine if row["variant_id"] == variant]
            writer.add_quarantine([{"image_etag": "", **row} for row in lost])
            writer.commit()
    reduce_study(place)


_FILES: dict[bytes, dict[str, bytes]] = {}


def drawn_files(maps: Maps, how: Mapping[str, Any]) -> Mapping[str, bytes]:
    """Return the files of a study by their paths; they are made once for all studies that are alike."""
    key = hashlib.sha256(pickle.dumps((maps, how))).digest()
    if key not in _FILES:
        root = f"/drawn-{uuid.uuid4().hex}"
        lay_out(Output(f"memory:/{root}/out"), maps, **how)
        _FILES[key] = {
            path.removeprefix(f"{root}/out/"): MEMORY.cat_file(path) for path in MEMORY.find(f"{root}/out")
        }
        forget_files(root)
    return _FILES[key]


def forget_files(root: str) -> None:
    """Take away what lies below a folder in memory."""
    for name in [name for name in MEMORY.store if name.startswith(f"{root}/")]:
        del MEMORY.store[name]
    MEMORY.pseudo_dirs[:] = [name for name in MEMORY.pseudo_dirs if not f"{name}/".startswith(f"{root}/")]


class DrawnResults(StudyResults):
    """A study whose tables follow from the maps it is given: `lay_out` says what else it takes.

    Its files are there as long as it is.
    """

    def __init__(self, maps: Maps, *, kept: bool = True, **how: Any) -> None:
        self.maps, self.kept = dict(maps), kept
        root = f"/drawn-{uuid.uuid4().hex}"
        for name, content in drawn_files(self.maps, how).items():
            MEMORY.pipe(f"{root}/out/{name}", content)
        weakref.finalize(self, forget_files, root)  # what lies in memory slows down each look into it
        super().__init__(f"memory:/{root}/out")

    def attribution(self, variant_id: str, image_id: str, target: str) -> np.ndarray:
        if not self.kept:
            raise KeyError("not kept")
        return self.maps[variant_id, image_id, target]

    def maps_of(self, variant_id: str, image_ids: Sequence[str]) -> Iterator[tuple[str, str, np.ndarray]]:
        for (variant, image_id, target), values in self.maps.items():
            if self.kept and variant == variant_id and image_id in set(image_ids):
                yield image_id, target, values

    def pixels(self, image_id: str, variant_id: str | None = None) -> np.ndarray:
        high, wide = next((values.shape for values in self.maps.values()), (SIZE, SIZE))
        return np.linspace(0, 1, high * wide * 3, dtype=np.float32).reshape(high, wide, 3)


def _stats_row(
    image: str, target: str, values: np.ndarray, gap: float, map_error: float | None
) -> dict[str, Any]:
    numbers = map_statistics(values)
    score = numbers["sum"] - gap * numbers["abs_sum"]
    row = {**numbers, "score": score, "score_baseline": 0.0, "map_error": map_error}
    return {
        "image_id": image, "label": "eagle", "target": target,
        "target_index": CLASSES.index(target) if target in CLASSES else 0,
        "prediction": "eagle", "prediction_index": 0, "prediction_probability": 0.97,
        "target_probability": 0.97, **row, **convergence(row, 0.05),
        "steps": 50, "precision": "float32", "device": "cpu", "image_etag": "",
        "image_sha256": "0" * 64, "image_width": SIZE, "image_height": SIZE, "weights_sha256": "0" * 64,
    }  # fmt: skip


def _image_row(image: str) -> dict[str, Any]:
    return {
        "image_id": image, "uri": image, "size": 1, "etag": "", "label": "eagle", "sha256": "0" * 64,
        "width": SIZE, "height": SIZE,
    }  # fmt: skip


def _variant_row(variant: str, kind: str, subsets: Mapping[str, Sequence[str]] | None) -> dict[str, Any]:
    return {
        "variant_id": variant, "model": "small", "kind": kind, "direction": None, "seed": None,
        "layers": None, "weights_sha256": "0" * 64, "images": (subsets or {}).get(variant),
    }  # fmt: skip


def speckles(seed: int, magnitude: float = 1e-3) -> np.ndarray:
    """A map of noise in which both signs occur: float32 [SIZE, SIZE]."""
    return (np.random.default_rng(seed).normal(size=(SIZE, SIZE)) * magnitude).astype(np.float32)


def two_birds(
    eagle: tuple[float, float], magpie: tuple[float, float], seed: int = 0
) -> dict[str, np.ndarray]:
    """Maps of both targets with given sums in the boxes (eagle's box, magpie's box) of an image."""
    rng = np.random.default_rng(seed)
    maps = {}
    for target, sums in (("eagle", eagle), ("magpie", magpie)):
        values = np.zeros((SIZE, SIZE))
        for box, total in zip(BOXES, sums, strict=True):
            part = values[box.y_min : box.y_max, box.x_min : box.x_max]
            part += total / part.size * (1 + 0.2 * rng.normal())
        maps[target] = values.astype(np.float32)
    return maps


def quiz_maps(images: int = 6, night: int = 0) -> dict[tuple[str, str, str], np.ndarray]:
    """Maps of a trained model, smooth, strong and in the boxes; those of two random models are noise.

    In `night` 1 the maps of every other image are others.
    """
    maps = {}
    for place in range(images):
        moved = night * (place % 2)
        for at, target in enumerate(("eagle", "magpie")):
            values = np.zeros((SIZE, SIZE), dtype=np.float32)
            for box, total in zip(BOXES, ((3.0, 0.2), (-0.5, 0.4 + place))[at], strict=True):
                part = values[box.y_min : box.y_max, box.x_min : box.x_max]
                part += total / part.size * (1 + moved)
            maps["trained", f"{place}.png", target] = values + speckles(place, 1e-4)
            for seed in (1, 2):
                noise = speckles(100 * seed + 10 * place + at + 1000 * moved, 1e-4 * seed)
                maps[f"random-{seed}", f"{place}.png", target] = noise
    return maps
