"""Outputs on a local disk and in an object store, and shards of made-up numbers in them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output

SIDE = 6


@pytest.fixture(params=["local", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Output:
    """A new output on a local disk, one in a store of fsspec's, and one in a store that Arrow opens."""
    if request.param == "s3":
        return Output(f"s3://{request.getfixturevalue('s3').new_bucket()}/out")
    return Output(str(tmp_path / "out") if request.param == "local" else f"memory://{tmp_path.name}/out")


@pytest.fixture(scope="session")
def made_up_map() -> Callable[..., np.ndarray]:
    """From any names and numbers to a map of random values that they decide."""

    def make(*decisive: Any) -> np.ndarray:
        seed = [ord(letter) for letter in repr(decisive)]
        return np.random.default_rng(seed).normal(size=(SIDE, SIDE)).astype(np.float32)

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
