"""Superpixels and objects in a study: once an image, shared by variants, verified, refused where absent."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from igbatch.errors import InputError
from igbatch.pipeline import label_maps
from igbatch.reduce.ranges import region_size
from igbatch.results import open_study
from igbatch.store import verify_regions
from igbatch.store.label_maps import LabelMapFile
from igbatch.store.output import Output
from igbatch.store.verify import verify

pytestmark = pytest.mark.slow
Compute = Callable[..., Output]
SEGMENTS: Any = ("superpixels", "objects")


@pytest.fixture
def study(scene_folder: Path, tmp_path: Path) -> Path:
    """Two photographs with boxes and masks of another shape, two variants and two steps."""
    for path in sorted(scene_folder.glob("*.png"))[2:]:
        path.unlink()
    images = sorted(scene_folder.glob("*.png"))
    masks = tmp_path / "masks"
    masks.mkdir()
    for path in images:
        width, height = Image.open(path).size
        labels = np.zeros((height, width), dtype=np.uint8)
        labels[: height // 3] = 7
        labels[height // 4 : height // 2, : width // 2] = 200
        Image.fromarray(labels).save(masks / path.name)
    content = {
        "name": "cut",
        "images": {"root": str(scene_folder), "boxes": str(scene_folder / "boxes.csv"), "superpixels": 20},
        "models": {"small": {"weights": "bundled"}}, "targets": ["eagle", "magpie"],
        "variants": [{"kind": "trained"}, {"kind": "random", "seeds": [3]}],
        "attribution": {"steps": 2, "micro_batch": 4}, "run": {"workers": 1, "shard_images": 2},
    }  # fmt: skip
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_study_by_superpixels_and_objects(
    study: Path, tmp_path: Path, compute_study: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(
        label_maps,
        "superpixels",
        lambda pixels, n, cut=label_maps.superpixels: drawn.append(n) or cut(pixels, n),
    )
    output = compute_study(study, tmp_path / "out")
    results = open_study(output.uri)
    assert drawn == [20, 20]  # once an image, not once a variant
    assert len(output.files("label_maps")) == 1  # of one shard of each variant
    images = results.images["image_id"].tolist()
    with pytest.raises(InputError, match="it takes superpixels or objects"):
        results.label_map("trained", images[0], "patch 8")
    for variant, image, regions in [
        (v, i, r) for v in ("trained", "random-3") for i in images for r in SEGMENTS
    ]:
        found = results.label_map(variant, image, regions)
        for target in ("eagle", "magpie"):
            values = results.attribution(variant, image, target)
            sums = results.region_sums(variant, image, target, regions)
            assert len(sums) == found.regions
            assert abs(sums.sum() - values.sum(dtype=np.float64)) <= 1e-12 * np.abs(values).sum(
                dtype=np.float64
            )
            shared = results.scope_range(
                "image", variant_id=variant, image_id=image, targets=[target], regions=regions
            )
            assert (shared.minimum, shared.maximum, shared.regions) == (sums.min(), sums.max(), regions)
            if regions == "objects":  # boxes do not overlap here: a region is a box
                boxes = results.boxes_of([image]).query("variant_id == @variant and target == @target")
                stored = dict(zip(boxes["box_id"], boxes["sum"], strict=True))
                by_name = dict(zip(found.names, sums, strict=True))
                assert by_name.keys() == {"background", *stored}
                assert all(by_name[name] == pytest.approx(stored[name], abs=1e-12) for name in stored)
    every = results.scope_range("dataset", regions="superpixels")
    assert (every.n_maps, every.complete) == (8, True)
    read: list[str] = []
    monkeypatch.setattr(
        verify_regions, "LabelMapFile", lambda *file: read.append(file[2]) or LabelMapFile(*file)
    )
    assert verify(output).problems == []
    assert len(read) == 2  # once a shard, whatever maps and sizes
    _check_damage(output)


def _check_damage(output: Output) -> None:
    (file,) = output.files("label_maps")
    content = output.read(file.path)
    table = output.read_table(file.path).to_pylist()
    labels = {row["segments"]: row["labels"] for row in table if row["image_id"] == table[0]["image_id"]}
    for row in table:
        row["labels"] = labels["objects"]
    import pyarrow as pa

    from igbatch.store import schemas

    output.put_table(file.path, pa.Table.from_pylist(table, schema=schemas.LABEL_MAPS))
    assert {problem.kind for problem in verify(output).problems} == {"numbers"}
    output.delete(file.path)
    assert {problem.kind for problem in verify(output).problems} == {"regions"}
    where = f"'superpixels': .*: {re.escape(output.relative(file.path))} is gone; `igbatch verify` says"
    lost = open_study(output.uri)
    with pytest.raises(InputError, match=where):
        lost.label_map("trained", lost.images["image_id"][0], "superpixels")
    assert verify(output, quick=True).problems == []
    output.put(file.path, content)


def test_masks_and_outlines_stand_for_boxes(study: Path, tmp_path: Path, compute_study: Compute) -> None:
    masked = compute_study(study, tmp_path / "masked", f"images.masks={tmp_path / 'masks'}", reduce=False)
    results = open_study(masked.uri)
    image = results.images["image_id"][0]
    assert results.label_map("trained", image, "objects").names == ("background", "7", "200")
    with pytest.raises(InputError, match="was computed with superpixels 20, the study now says 8"):
        compute_study(
            study, tmp_path / "masked", "images.superpixels=8", f"images.masks={tmp_path / 'masks'}"
        )

    boxes = results.boxes_of([image], ["box_id", "box_label"]).drop_duplicates()
    assert len(boxes)
    width, height = Image.open(results.images["uri"][0]).size
    coco = {
        "images": [{"id": 1, "file_name": image, "width": width, "height": height}],
        "categories": [{"id": 1, "name": "wing"}],
        "annotations": [{
            "id": 5, "image_id": 1, "category_id": 1, "bbox": [0, 0, width, height],
            "segmentation": [[0, 0, width, 0, 0, height]],
        }],
    }  # fmt: skip
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(coco))
    overrides = (f"images.boxes={path}", "images.superpixels=null")
    outlined = open_study(compute_study(study, tmp_path / "o", *overrides, "images.masks=segmentation").uri)
    found = outlined.label_map("trained", image, "objects")
    assert found.names == ("background", "wing-1")
    assert np.count_nonzero(found.labels) == pytest.approx(224 * 224 / 2, rel=0.02)
    with pytest.raises(InputError, match=r"'superpixels': the study has none; set images\.superpixels"):
        outlined.region_sums("trained", image, "eagle", "superpixels")
    sizes = {each["size"] for each in outlined.rows_of([image], ["patches"])["patches"][0]}
    assert sizes == {region_size("blurred"), region_size("objects"), 4, 8, 16, 32}


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("images.masks=segmentation", "images.masks: segmentation: no box of .* has a segmentation"),
        ("images.masks=nowhere", "images.masks: .*nowhere: no such folder"),
        ("images.superpixels=1", "images.superpixels"),
        ("images.superpixels=4096", "images.superpixels"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    study: Path, tmp_path: Path, compute_study: Compute, override: str, why: str
) -> None:
    with pytest.raises(InputError, match=why) as caught:
        compute_study(study, tmp_path / "out", override)
    assert "\n" not in str(caught.value)
