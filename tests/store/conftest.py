"""Outputs on a local disk and in an object store, and shards of made-up numbers in them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from igbatch.statistics.image_stats import map_statistics
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output

SIDE = 6


@pytest.fixture(params=["local", "memory", "s3"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Output:
    """A new output on a local disk, one in a store of fsspec's, and one in a store that Arrow opens."""
    if request.param == "s3":
        return Output(f"s3://{request.getfixturevalue('s3').new_bucket()}/out")
    return Output(str(tmp_path / "out") if request.param == "local" else f"memory://{tmp_path.name}/out")


@pytest.fixture
def local_output(tmp_path: Path) -> Output:
    """A new output on a local disk."""
    return Output(str(tmp_path / "out"))


@pytest.fixture(scope="session")
def made_up_map() -> Callable[..., np.ndarray]:
    """From any names and numbers to a map of random values that they decide."""

    def make(*decisive: Any) -> np.ndarray:
        seed = [ord(letter) for letter in repr(decisive)]
        return np.random.default_rng(seed).normal(size=(SIDE, SIDE)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def lay_out() -> Callable[..., None]:
    """Write study.json, images.parquet and variants.parquet.

    `images` maps ids to etags, `subsets` variants to the images that they are computed on, where not all.
    """

    def write(
        output: Output,
        images: dict[str, str],
        variants: Sequence[str] = ("v",),
        targets: Sequence[str] = ("a", "b"),
        subsets: dict[str, list[str]] | None = None,
    ) -> None:
        output.put_json(output.path("study.json"), {"format": schemas.FORMAT, "target_names": list(targets)})
        rows = [{"image_id": name, "uri": f"/{name}", "etag": etag} for name, etag in images.items()]
        output.put_table(output.path("images.parquet"), pa.Table.from_pylist(rows, schema=schemas.IMAGES))
        rows = [
            {"variant_id": name, "model": "m", "kind": "trained", "images": (subsets or {}).get(name)}
            for name in variants
        ]
        output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))

    return write


@pytest.fixture(scope="session")
def stats_row() -> Callable[..., dict[str, Any]]:
    """A whole row of image_stats, without its variant."""

    def make(
        image: str, target: str, attribution: np.ndarray, etag: str = "1", **changes: Any
    ) -> dict[str, Any]:
        return {
            "image_id": image, "label": None, "target": target, "target_index": 0, "prediction": None,
            "prediction_index": 1, "prediction_probability": 0.5, "target_probability": 0.5, "score": 0.5,
            "score_baseline": 0.25, **map_statistics(attribution), "convergence_delta": 0.0,
            "relative_delta": 0.0, "map_error": None, "steps": 4, "converged": True, "negligible": False,
            "precision": "float32", "device": "cpu", "image_etag": etag, "image_sha256": f"sha-{image}",
            "image_width": SIDE, "image_height": SIDE, "weights_sha256": "w", **changes,
        }  # fmt: skip

    return make


@pytest.fixture(scope="session")
def write_shard(
    made_up_map: Callable[..., np.ndarray], stats_row: Callable[..., dict[str, Any]]
) -> Callable[..., ShardWriter]:
    """Write and commit a shard in which everything follows from names and `version`; return its writer."""

    def write(
        output: Output,
        images: Sequence[str],
        *,
        variant: str = "v",
        shard: str = "s",
        targets: Sequence[str] = ("a", "b"),
        etag: str = "1",
        version: int = 0,
        maps: bool = True,
        boxes: Sequence[str] = ("box-1",),
        quarantined: Sequence[tuple[str, str | None]] = (),
    ) -> ShardWriter:
        with ShardWriter(output, variant, shard, "f") as writer:
            for image in images:
                arrays = [made_up_map(variant, image, target, version) for target in targets]
                for target, array in zip(targets, arrays, strict=True):
                    writer.add_image_stats([stats_row(image, target, array, etag)])
                    writer.add_box_stats([box_row(image, target, box, version) for box in boxes])
                if maps:
                    writer.add_maps([image] * len(targets), targets, np.stack(arrays))
            for image, target in quarantined:
                place = {"image_id": image, "target": target, "image_etag": etag}
                writer.add_quarantine([{**place, "stage": "image", "error": f"v{version}"}])
            writer.commit()
        return writer

    return write


def box_row(image: str, target: str, box: str, version: int) -> dict[str, Any]:
    return {
        "image_id": image, "target": target, "box_id": box, "box_label": "bird", "x_min": 0, "y_min": 0,
        "x_max": 2, "y_max": 2, "visible_fraction": 1.0, "pixels": 4, "sum": float(version),
    }  # fmt: skip
