"""Smoothed maps: means of the engine's own over noisy copies, whatever the cut, for every variant."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from igbatch.attribution import integrated_gradients
from igbatch.attribution.smoothing import copy_noise
from igbatch.birds.scenes import render_scene
from igbatch.forecast import preview
from igbatch.pipeline.calibration import settings_of
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.messages import Calibration
from igbatch.pipeline.plan import SHARD_MAP_BYTES, Plan, copies_of
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.study_output import open_output
from igbatch.reduce.study import reduce_study
from igbatch.report.findings.summary import describe
from igbatch.results import StudyResults
from igbatch.store.output import Output
from igbatch.store.verify import verify
from igbatch.study import AttributionSection
from igbatch.study_file import load_study
from igbatch.variants.models import load_trained
from igbatch.variants.randomized import random_model
from igbatch.variants.weights import locate_weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

COPIES, NOISE, SEED = 3, 0.1, 7
CALIBRATION = Calibration("float32", 0.0, micro_batch=4)
CONTENT = {
    "name": "smooth",
    "images": {"scenes": [{"kind": "double", "seeds": [1, 2]}]},
    "targets": ["eagle", "magpie"],
    "variants": [{"kind": "trained"}, {"kind": "random", "seeds": [3]}],
    "attribution": {
        "steps": 2, "micro_batch": 4, "smoothing": {"samples": COPIES, "noise": NOISE, "seed": SEED}
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, small_model: str) -> Path:
    path = tmp_path_factory.mktemp("smooth") / "smooth.yaml"
    path.write_text(yaml.safe_dump({**CONTENT, "models": {"small": {"weights": small_model}}}))
    return path


def planned(study: Path, out: Path, *overrides: str) -> Plan:
    return plan_study(load_study(study, overrides), Output(str(out)))


def run(study: Path, out: Path, *overrides: str) -> StudyResults:
    plan = planned(study, out, *overrides)
    output = Output(str(out))
    open_output(output, plan.resolved, plan.images)
    computer = ShardComputer(plan.resolved, output, torch.device("cpu"))
    for shard in plan.shards():
        report = computer.compute(shard, CALIBRATION)
        assert report.nodes == COPIES * 2 * len(shard.images)
    reduce_study(output)
    return StudyResults(output.uri)


def scene_pixels() -> NDArray[np.float32]:
    """Scene double-00001 as the small model takes it, in 0..1: float32 [56, 56, 3]."""
    image = Image.fromarray(render_scene(1, "double").image).resize((56, 56), Image.Resampling.BICUBIC)
    return np.asarray(image).astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def results(study: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    torch.set_num_threads(1)
    return run(study, tmp_path_factory.mktemp("out") / "out", "run.shard_images=2")


def test_maps_are_the_means_of_the_engines_own_over_the_same_copies_for_every_variant(
    results: StudyResults, small_model: str
) -> None:
    source = locate_weights(small_model, None, "k")
    models = {"trained": load_trained(source, "k"), "random-3": random_model(source, 3, "k")}
    pixels = scene_pixels()
    clean = torch.from_numpy((pixels.transpose(2, 0, 1) - np.float32(0.5)) / np.float32(0.5))
    noise = [copy_noise(pixels.shape, NOISE, SEED, "double-00001", copy) for copy in range(COPIES)]
    copies = torch.stack([clean + torch.from_numpy(each.transpose(2, 0, 1)) / 0.5 for each in noise])
    assert copies.min() < -1 < 1 < copies.max()  # noise is not clipped
    rows = results.image_stats.set_index(["variant_id", "image_id", "target"])
    for variant, model in models.items():
        own = integrated_gradients(model, copies, [0, 1], 0.0, steps=2, micro_batch=4)
        probabilities = torch.softmax(model(clean[None])[0].double(), 0)
        for k, target in enumerate(("eagle", "magpie")):
            stored = results.attribution(variant, "double-00001", target)
            expected = own.attributions[:, k].double().mean(0).numpy()
            np.testing.assert_allclose(stored, expected, atol=1e-4 * np.abs(expected).max())
            row = rows.loc[(variant, "double-00001", target)]
            assert row["score"] == pytest.approx(own.scores[:, k].mean().item(), rel=1e-5)
            assert row["score_baseline"] == pytest.approx(own.baseline_scores[0, k].item(), rel=1e-12)
            assert row["target_probability"] == pytest.approx(probabilities[k].item(), rel=1e-5)
            assert row["prediction_index"] == int(probabilities.argmax())
            assert row["steps"] == COPIES * 2


def test_reproducible_by_image_maps_are_the_same_bits_for_every_cut_and_order(
    study: Path, tmp_path: Path
) -> None:
    settings = ["attribution.reproducible=image", "variants=[{kind: trained}]"]
    scenes = "images.scenes=[{kind: double, seeds: [2, 1]}]"
    results = run(study, tmp_path / "one", "run.shard_images=2", *settings)
    other = run(study, tmp_path / "other", "run.shard_images=1", scenes, *settings)
    for variant, image, target in results.image_stats[["variant_id", "image_id", "target"]].to_numpy():
        one, two = (each.attribution(variant, image, target) for each in (results, other))
        assert one.tobytes() == two.tobytes()
    columns = ["score", "score_baseline", "sum", "steps", "target_probability"]
    assert results.image_stats[columns].equals(other.image_stats[columns])


def test_the_report_says_what_was_averaged(results: StudyResults) -> None:
    facts = describe(results)[1]
    assert "mean of those of 3 copies" in facts["Smoothing"]
    assert "standard deviation 0.1" in facts["Smoothing"]


def test_adaptive_means_keep_to_the_tolerance_and_are_verified(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    few = ["variants=[{kind: random, seeds: [3]}]", "images.scenes=[{kind: double, seeds: [1]}]"]
    plan = planned(study, out, "attribution.steps=auto", "attribution.tolerance=0.05", *few)
    output = Output(str(out))
    open_output(output, plan.resolved, plan.images)
    (shard,) = plan.shards()
    ShardComputer(plan.resolved, output, torch.device("cpu")).compute(shard, CALIBRATION)
    reduce_study(output)
    rows = StudyResults(output.uri).image_stats
    assert rows["converged"].all()
    assert rows["map_error"].between(0, 0.05).all()
    assert (rows["steps"] >= 5 * COPIES).all()
    assert verify(output).problems == []


def test_fingerprints_name_smoothing_where_there_is_any(study: Path, tmp_path: Path) -> None:
    smooth = planned(study, tmp_path / "out").resolved.fingerprint()
    plain = planned(study, tmp_path / "out", "attribution.smoothing=null").resolved.fingerprint()
    for variant, values in smooth.items():
        assert values == {**plain[variant], "smoothing": {"samples": 3, "noise": 0.1, "seed": 7}}
        assert "smoothing" not in plain[variant]


def test_copies_are_integrated_more_finely_than_their_mean() -> None:
    smooth = AttributionSection(tolerance=0.02, smoothing={"samples": 16})
    assert settings_of(smooth, "auto").tolerance == pytest.approx(0.02 / 4)
    assert settings_of(AttributionSection(tolerance=0.02), "auto").tolerance == 0.02


def test_calibration_uses_copies(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from igbatch.pipeline import compute

    seen = []
    monkeypatch.setattr(compute, "calibrate_device", lambda attribution, samples, *_: seen.append(samples))
    plan = planned(study, tmp_path / "out")
    ShardComputer(plan.resolved, Output(str(tmp_path)), torch.device("cpu")).calibrate(plan.samples(1), 2)
    pixels = scene_pixels()
    noise = copy_noise(pixels.shape, NOISE, SEED, "double-00001", 0)
    expected = (pixels + noise - np.float32(0.5)) / np.float32(0.5)
    for sample in seen[0]:
        np.testing.assert_allclose(sample.examples[0].image, expected.transpose(2, 0, 1), atol=1e-6)


def test_a_trial_tells_what_all_copies_take(study: Path, tmp_path: Path) -> None:
    """It computes a few of them: here 4 of 100."""
    few = ["variants=[{kind: random, seeds: [3]}]", "attribution.smoothing.samples=100", "run.threads=1"]
    plan = planned(study, tmp_path / "out", *few)
    assert copies_of(plan.resolved) == 100
    (trial,) = preview(plan, None).trials
    assert trial.nodes == 200


def test_shards_of_large_studies_hold_fewer_images_the_more_copies_they_take(
    study: Path, tmp_path: Path
) -> None:
    many = ["images.scenes=[{kind: single, first_seed: 0, count: 5000}]", "models.small.weights=bundled"]
    plain, smooth = (
        planned(study, tmp_path / "out", *many, f"attribution.smoothing={smoothing}")
        for smoothing in ("null", "{samples: 10}")
    )
    assert plain.shard_images == SHARD_MAP_BYTES // (4 * 224**2 * 2)
    assert smooth.shard_images == math.floor(SHARD_MAP_BYTES / (4 * 224**2 * 2 * 10))
