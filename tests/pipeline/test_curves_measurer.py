"""Curves of a sample of a study: of its own maps, resumed after a kill, verified, and read again."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
import yaml

from igbatch import open_study
from igbatch.attribution.curves import random_order, step_counts
from igbatch.errors import InputError
from igbatch.images.baselines import baseline_pixels
from igbatch.pipeline import sampled
from igbatch.pipeline.curves import passes_an_image, square_labels
from igbatch.pipeline.curves_measurer import CurvesMeasurer
from igbatch.pipeline.messages import Calibration, SamplePart
from igbatch.pipeline.plan import Plan
from igbatch.pipeline.reduction_state import state_of
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.sampled import CURVES, measure_parts, measure_sample
from igbatch.pipeline.study_output import keep_study
from igbatch.statistics.patches import patch_sums
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.store.verify import verify
from igbatch.study import Curves
from igbatch.study_file import load_study
from igbatch.variants.models import load_trained

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
SECTION = {"images": {"sample": 2}, "regions": ["patch 16", "pixel"], "steps": 3, "random_orders": 2}
STUDY: dict[str, Any] = {
    "name": "curves",
    "images": {"scenes": [{"kind": "double", "seeds": [1, 2]}]},
    "targets": ["predicted", "magpie"],
    "variants": [{"kind": "trained"}, {"kind": "random", "seeds": [3]}],
    "attribution": {"steps": 1, "rule": "midpoint", "micro_batch": 4},
    "audit": {"curves": SECTION},
}
KEY = ["variant_id", "image_id", "target", "kind", "regions", "fill", "order", "number"]
Compute = Callable[..., Output]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, small_model: str) -> Path:
    path = tmp_path_factory.mktemp("curves") / "study.yaml"
    path.write_text(yaml.safe_dump({**STUDY, "models": {"small": {"weights": small_model}}}))
    return path


@pytest.fixture(scope="module")
def measured_once(study: Path, tmp_path_factory: pytest.TempPathFactory, compute_study: Compute) -> Output:
    output = compute_study(study, tmp_path_factory.mktemp("computed") / "out")
    measure(study, output)
    return output


@pytest.fixture
def output(measured_once: Output, tmp_path: Path) -> Output:
    shutil.copytree(measured_once.uri, tmp_path / "out")
    return Output(str(tmp_path / "out"))


def planned(study: Path, output: Output, *overrides: str) -> Plan:
    return plan_study(load_study(study, overrides), output)


def measure(study: Path, output: Output, *overrides: str, stop_after: int = 99) -> list[str]:
    """Measure in this process what is missing, one lot after another; return the lines of the run."""
    plan, lines = planned(study, output, *overrides), list[str]()
    keep_study(output, plan.resolved, plan.images)

    def here(output: Output, resolved: Any, parts: Sequence[SamplePart], address: str | None) -> list[Any]:
        calibration = Calibration("float32", 0.0, micro_batch=4)
        skipped = []
        for number, lot in enumerate(sampled.lots(parts, 2)):
            if number == stop_after:
                raise KeyboardInterrupt
            skipped += measure_parts(resolved, output, "cpu", 1, calibration, lot)
        return skipped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampled, "on_cluster", here)
        measure_sample(CURVES, output, plan.resolved, state_of(plan), say=lines.append)
    return lines


def test_each_row_is_the_curve_of_the_stored_map(study: Path, measured_once: Output) -> None:
    results = open_study(measured_once.uri)
    rows = results.curves
    assert measured_once.read_table(measured_once.path(CURVES.file)).schema.equals(schemas.CURVES)
    assert len(rows) == 2 * 2 * 2 * 2 * 2 * 3  # images, targets, kinds, regions, fills, orders
    assert set(rows["variant_id"]) == {"trained"}
    assert not rows.duplicated(KEY).any()
    assert np.allclose(rows["area"], list(map(np.trapezoid, rows["outputs"], rows["fractions"])))

    image_id = "double-00001"
    own = rows[(rows["image_id"] == image_id) & (rows["target"] == "magpie")].set_index(KEY[3:]).sort_index()
    index = int(own["target_index"].iloc[0])
    model = load_trained(planned(study, measured_once).resolved.models["small"].source, "x")
    config = results.record["models"]["small"]["data_config"]
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
    pixels, labels = results.pixels(image_id), square_labels("patch 16", 56, 56)
    order = np.argsort(-patch_sums(results.attribution("trained", image_id, "magpie"), 16).ravel())
    drawn = random_order(16, 0, 1, image_id)
    close, none = {"rtol": 1e-4, "atol": 1e-7}, float("nan")

    def stored(fill: str, kind: str, order: str, number: float) -> np.ndarray:
        return np.asarray(own.loc[(kind, "patch 16", fill, order)].loc[number]["outputs"])

    def outputs(start: np.ndarray, end: np.ndarray, order: np.ndarray) -> np.ndarray:
        inside = [np.isin(labels, order[:count])[:, :, None] for count in step_counts(16, 3)]
        states = np.stack([np.where(each, end, start) for each in inside])
        images = (torch.from_numpy(states).permute(0, 3, 1, 2) - mean) / std
        with torch.no_grad():
            return np.asarray(model(images).double().softmax(1)[:, index])

    for fill in ("baseline", "blurred"):
        empty = baseline_pixels({"baseline": "gray"}.get(fill, fill), pixels)
        deleted, inserted = (stored(fill, kind, "attribution", none) for kind in ("deletion", "insertion"))
        assert np.allclose(deleted, outputs(pixels, empty, order), **close)
        assert np.allclose(inserted, outputs(empty, pixels, order), **close)
        removed = outputs(pixels, empty, drawn)
        assert np.allclose(stored(fill, "deletion", "random", 1), removed, **close)
        assert np.allclose(stored(fill, "insertion", "random", 1), removed[::-1], **close)


def test_a_run_that_was_killed_goes_on_and_doubles_nothing(study: Path, output: Output) -> None:
    whole = output.read(output.path(CURVES.file))
    assert measure(study, output) == []
    for info in (
        *output.files("curves")[1:],
        *(each for each in output.files() if each.base_name == CURVES.file),
    ):
        output.delete(info.path)
    every = "audit.curves.variants=all"
    with pytest.raises(KeyboardInterrupt):
        measure(study, output, every, stop_after=2)
    assert not output.exists(output.path(CURVES.file))
    assert len(output.files("curves")) == 3
    lines = measure(study, output, every)
    assert lines == ["curves of 4 (image, variant) pairs: 1 measured, 3 stood from before"]
    table = open_study(output.uri).curves
    assert len(table) == 2 * 96
    assert not table.duplicated(KEY).any()
    assert set(table["variant_id"]) == {"trained", "random-3"}
    assert measure(study, output) == ["curves of 2 (image, variant) pairs: 0 measured, 2 stood from before"]
    assert output.read(output.path(CURVES.file)) == whole
    assert verify(output).problems == []


def test_maps_that_are_not_kept_are_computed_again(
    study: Path, measured_once: Output, tmp_path: Path, compute_study: Compute
) -> None:
    overrides = ("store.maps=none", "variants=[{kind: trained}]", "audit.curves.images.sample=1")
    output = compute_study(study, tmp_path / "out", *overrides)
    measure(study, output, *overrides)
    found, kept = open_study(output.uri).curves, open_study(measured_once.uri).curves
    kept = kept[kept["image_id"].isin(found["image_id"])].reset_index(drop=True)
    columns = [*KEY, "area"]
    pd.testing.assert_frame_equal(found[columns], kept[columns], rtol=1e-4)


def test_maps_over_several_baselines_are_computed_again_as_they_were(
    study: Path, tmp_path: Path, compute_study: Compute
) -> None:
    several = ("attribution.baseline=[gray, black, white]", "audit.curves.fills=[blurred]")
    several += ("variants=[{kind: trained}]", "audit.curves.regions=[patch 16]")
    found = []
    for maps in ("all", "none"):
        overrides = (*several, f"store.maps={maps}")
        output = compute_study(study, tmp_path / maps, *overrides)
        assert not any("could not" in line for line in measure(study, output, *overrides))
        found.append(open_study(output.uri).curves[[*KEY, "area"]])
    pd.testing.assert_frame_equal(*found, rtol=1e-4)


def test_superpixels_are_those_whose_sums_the_study_shows(
    study: Path, tmp_path: Path, compute_study: Compute
) -> None:
    cut = ("images.superpixels=12", "variants=[{kind: trained}]", "audit.curves.images.sample=1")
    overrides = (*cut, "audit.curves.regions=[superpixels]", "audit.curves.steps=99", "targets=[magpie]")
    output = compute_study(study, tmp_path / "out", *overrides)
    measure(study, output, *overrides)
    results = open_study(output.uri)
    rows = results.curves
    image_id = str(rows["image_id"].iloc[0])
    sums = results.region_sums("trained", image_id, "magpie", "superpixels")
    pixels = np.bincount(results.partition("trained", image_id, "superpixels").labels.ravel())
    shares = np.cumsum(pixels[np.argsort(-sums, kind="stable")]) / 56**2
    own = rows[rows["order"] == "attribution"]
    assert (own["steps"] == len(sums)).all()
    assert all(np.allclose(each, [0, *shares]) for each in own["fractions"])
    assert verify(output).problems == []
    few = (*overrides, "images.superpixels=2")
    single = compute_study(study, tmp_path / "single", *few)
    assert measure(study, single, *few)[-1].startswith(
        "curves: 1 image(s) are a single superpixel, which has"
    )
    assert verify(single).problems == []
    with pytest.raises(InputError, match=r"audit.curves.regions: superpixels: .* `images: {superpixels"):
        planned(study, Output(str(tmp_path / "new")), "audit.curves.regions=[superpixels]")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("steps=1",), r"audit\.curves\.steps: 1: under every order that is the same curve"),
        (("steps=1000", "images.sample=1000", "random_orders=100", "variants=all", "regions=[pixel]"),
         r"would have 25,881,856 points, more than 20,000,000; take fewer images"),
    ],
)  # fmt: skip
def test_curves_that_say_nothing_or_that_no_table_holds_are_refused(
    study: Path, tmp_path: Path, overrides: Sequence[str], message: str
) -> None:
    many = "images.scenes=[{kind: double, first_seed: 1, count: 16}]"
    with pytest.raises(InputError, match=message):
        planned(study, Output(str(tmp_path)), many, *(f"audit.curves.{each}" for each in overrides))


def test_a_change_of_what_decides_a_curve_measures_all_again(study: Path, output: Output) -> None:
    (line,) = measure(study, output, "audit.curves.random_orders=3")
    assert line == "curves of 2 (image, variant) pairs: 2 measured, 0 stood from before"
    assert len(output.files("curves")) == 2


def test_verify_names_rows_that_are_lost_or_changed(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("igbatch.store.scan.BATCH_ROWS", 7)  # a map's curves lie in several batches
    path = output.path(CURVES.file)
    rows = output.read_table(path).to_pylist()
    rows[0]["area"] += 1e-6
    rows[5]["outputs"][0] += 1e-3
    rows[9]["fractions"][0] = 0.5
    del rows[20]
    output.put_table(path, pa.Table.from_pylist(rows, schema=schemas.CURVES))
    found = [str(each) for each in verify(output).problems]
    assert all(each.startswith("curves: curves.parquet: trained/") for each in found)
    assert len(found) == 4, found
    output.delete(path)
    assert [str(each) for each in verify(output).problems] == [
        "curves: curves.parquet: missing, and curves were measured; run the study again"
    ]


def test_passes_are_those_that_are_made(study: Path, output: Output) -> None:
    plan = planned(study, output)
    settings = plan.resolved.study.audit.curves
    assert settings is not None
    parts = list(sampled.find_parts(Reader(output), plan.resolved, CURVES))
    measurer = CurvesMeasurer(
        plan.resolved, output, torch.device("cpu"), Calibration("float32", 0.0, 4), parts
    )
    batches: list[int] = []
    measurer.models.variant(measurer.spec).model.register_forward_hook(
        lambda module, given, logits: batches.append(len(logits))
    )
    measurer.run()
    passes = sum(
        passes_an_image(settings, 56, 56, len({index for _, index in part.targets})) for part in parts
    )
    assert sum(batches) == passes
    assert len(batches) < passes / 4 + len(parts)  # one of an image's at most is not full
    of_one = Curves(regions=("patch 32", "pixel"), steps=20, random_orders=5, fills=("baseline",))
    assert passes_an_image(of_one, 224, 224, 2) == 1 + 1 + (19 + 19) * 9
