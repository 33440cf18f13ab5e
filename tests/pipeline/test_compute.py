"""Computing shards, without Ray: rows, maps and boxes, and whatever is wrong kept to where it is wrong."""

import csv
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

from igbatch.attribution import (
    PRECISIONS,
    Attributed,
    Example,
    Settings,
    graphs,
    integrated_gradients,
)
from igbatch.attribution.engine import attribute_forward
from igbatch.attribution.passes import Forward
from igbatch.birds.scenes import CLASSES, render_scene, render_without_each
from igbatch.images.baselines import baseline_pixels
from igbatch.images.boxes import number_boxes
from igbatch.images.loading import load_image
from igbatch.pipeline import compute, rankings, rows, study_images
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.messages import Calibration, ShardReport, Times, calibrate_plan
from igbatch.pipeline.models import HeldVariant, Models, batched_logits
from igbatch.pipeline.occupancy import Occupancy
from igbatch.pipeline.plan import Plan, Shard
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.study_output import open_output
from igbatch.reduce.study import reduce_study
from igbatch.report.figures.image_data import error_mark
from igbatch.results import StudyResults
from igbatch.statistics.agreement import MEASURES
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.device import launch_map_statistics
from igbatch.statistics.image_stats import map_statistics
from igbatch.store.output import Output
from igbatch.store.verify import verify
from igbatch.study import VariantSpec
from igbatch.study_file import load_study
from igbatch.variants.models import load_trained, weights_sha256
from igbatch.variants.randomized import random_model
from igbatch.variants.weights import locate_weights

KEY = ["variant_id", "image_id", "target"]
OWN = ["histogram", "attempt", "attributions_bytes", "box_stats_bytes", "quarantine_bytes"]
TRAINED = ["variants=[{kind: trained}]"]
ONE_SCENE = "images.scenes=[{kind: double, seeds: [1]}]"


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


SIDE = 56  # of what the small model takes: a quarter of a scene's, so that boxes are divided by 4


@pytest.fixture(scope="module")
def study_file(small_content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.yaml"
    path.write_text(yaml.safe_dump(small_content))
    return path


@pytest.fixture(scope="module")
def results(study_file: Path) -> StudyResults:
    torch.set_num_threads(1)
    work = open_work(study_file, study_file.parent / "results")
    work.run()
    return work.results


@pytest.fixture(scope="module")
def models(small_model: str) -> dict[str, nn.Module]:
    """The two variants of the small study, built without its help."""
    source = locate_weights(small_model, None, "k")
    return {"trained": load_trained(source, "k"), "random-3": random_model(source, 3, "k")}


def model_input(image: np.ndarray) -> torch.Tensor:
    """uint8 [224, 224, 3] as the small model takes it: float32 [1, 3, 56, 56]."""
    resized = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pixels = np.asarray(resized).astype(np.float32).transpose(2, 0, 1)[None] / np.float32(255)
    return torch.from_numpy((pixels - np.float32(0.5)) / np.float32(0.5))


def chances_of(model: nn.Module, scene: Any) -> torch.Tensor:
    """What a model gives each class of a scene: float64 [classes]."""
    return batched_logits(model, [model_input(scene.image)[0]])[0].softmax(0)


SCENES = {
    "double-00001": render_scene(1, "double"), "double-00002": render_scene(2, "double"),
    "single-magpie-00005": render_scene(5, "single", label="magpie"),
}  # fmt: skip


@dataclass
class Work:
    """A study opened for computing."""

    plan: Plan
    output: Output
    computer: ShardComputer
    calibration: Calibration

    def run(self) -> list[ShardReport]:
        return [self.computer.compute(shard, self.calibration) for shard in self.plan.shards()]

    @property
    def results(self) -> StudyResults:
        return StudyResults(self.output.uri)


def open_work(study: Path, out: Path, *overrides: str, **how: Any) -> Work:
    output = Output(str(out))
    plan = plan_study(load_study(study, overrides), output, **how)
    open_output(output, plan.resolved, plan.images)
    precision = plan.resolved.study.attribution.precision
    calibration = Calibration("float32" if precision == "auto" else precision, 0.0, micro_batch=4)
    return Work(plan, output, ShardComputer(plan.resolved, output, torch.device("cpu")), calibration)


def numbers(results: StudyResults) -> pd.DataFrame:
    """The rows of image_stats without their histograms, which frames cannot compare."""
    return results.image_stats.sort_values(KEY, ignore_index=True).drop(columns=OWN)


# What a study comes to


def test_removals_are_differences_of_the_output_by_hand(
    results: StudyResults, models: dict[str, nn.Module]
) -> None:
    scores = results.image_stats.set_index(KEY)["score"]
    boxes = results.box_stats
    own, others = (boxes[(boxes["variant_id"] == "trained") == each] for each in (True, False))
    assert others[[*MEASURES]].isna().all().all()  # deletion: trained
    assert len(own) == 2 * sum(len(scene.boxes) for scene in SCENES.values())
    for image, scene in SCENES.items():
        _, without = render_without_each(scene.seed, scene.kind, label=scene.label)
        whole = model_input(scene.image)[0]
        soft = baseline_pixels("blurred", (whole.permute(1, 2, 0) / 2 + 0.5).numpy())
        fills = {
            "deletion": torch.zeros_like(whole),
            "deletion_blurred": torch.from_numpy(2 * soft - 1).permute(2, 0, 1),
        }
        for place, box_id in enumerate(number_boxes(box.label for box in scene.boxes)):
            rows = own[(own["image_id"] == image) & (own["box_id"] == box_id)].set_index("target")
            edges = rows.iloc[0]
            inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
            inside[edges["y_min"] : edges["y_max"], edges["x_min"] : edges["x_max"]] = True
            pictures = {name: torch.where(inside, fill, whole) for name, fill in fills.items()}
            pictures["true_effect"] = model_input(without[place])[0]
            for (name, picture), target in itertools.product(pictures.items(), ("eagle", "magpie")):
                chances = batched_logits(models["trained"], [picture])[0].softmax(0)
                lost = scores["trained", image, target] - float(chances[CLASSES.index(target)])
                assert rows.loc[target, name] == pytest.approx(lost, abs=2e-5), (image, box_id, name)


def test_removals_are_the_same_bits_again_and_change_no_map(small_study: Path, tmp_path: Path) -> None:
    runs = {
        name: open_work(small_study, tmp_path / name, f"attribution.deletion={deletion}", *TRAINED, ONE_SCENE)
        for name, deletion in (("one", "all"), ("two", "all"), ("none", "none"))
    }
    for each in runs.values():
        each.run()
    one, two, none = (each.results.box_stats for each in runs.values())
    pd.testing.assert_frame_equal(one, two)
    assert none[[*MEASURES]].isna().all().all()
    names = [name for name in one if name not in MEASURES]
    pd.testing.assert_frame_equal(one[names], none[names])
    fingerprints = {each.results.image_stats["fingerprint"].iloc[0] for each in runs.values()}
    assert len(fingerprints) == 1
    found = [np.concatenate([each.results.attribution("trained", "double-00001", target)
             for target in ("eagle", "magpie")]) for each in runs.values()]  # fmt: skip
    assert np.array_equal(found[0], found[2])
    assert verify(runs["one"].output).whole


def test_every_row_and_every_map_is_there_once(results: StudyResults) -> None:
    expected = set(itertools.product(("trained", "random-3"), SCENES, ("eagle", "magpie")))
    found = [tuple(key) for key in results.image_stats[KEY].to_numpy()]
    assert sorted(found) == sorted(expected)
    for key in found:
        assert results.attribution(*key).shape == (SIDE, SIDE)
    assert len(results.quarantine) == 0


def test_a_map_is_the_engines_own_bit_for_bit(results: StudyResults, models: dict[str, nn.Module]) -> None:
    for (variant, model), (image, scene) in itertools.product(models.items(), SCENES.items()):
        own = integrated_gradients(
            model, model_input(scene.image), [0, 1], 0.0, steps=4, micro_batch=4, tolerance=0.01
        )
        for k, target in enumerate(("eagle", "magpie")):
            stored = results.attribution(variant, image, target)
            assert stored.tobytes() == own.attributions[0, k].numpy().tobytes()
            row = results.image_stats.set_index(KEY).loc[(variant, image, target)]
            assert row["score"] == own.scores[0, k].item()
            assert row["score_baseline"] == own.baseline_scores[0, k].item()
            assert row["converged"] == own.converged[0, k].item()


def test_statistics_are_those_of_the_stored_maps(results: StudyResults) -> None:
    for row in results.image_stats.to_dict("records"):
        stored = results.attribution(*(row[name] for name in KEY))
        numbers = map_statistics(stored)
        del numbers["patches"]  # which the frame leaves out
        for name, value in numbers.items():
            np.testing.assert_array_equal(row[name], value, err_msg=name)


def test_the_convergence_delta_is_what_completeness_is_missed_by(results: StudyResults) -> None:
    stats = results.image_stats
    assert (stats["convergence_delta"] == stats["sum"] - (stats["score"] - stats["score_baseline"])).all()
    np.testing.assert_allclose(
        stats["relative_delta"], stats["convergence_delta"].abs() / stats["abs_sum"], rtol=1e-12
    )
    assert (stats["convergence_delta"] != 0).any()
    assert stats["map_error"].isna().all()


def test_probabilities_and_predictions_are_the_variants_own(
    results: StudyResults, models: dict[str, nn.Module]
) -> None:
    for row in results.image_stats.itertuples():
        chances = chances_of(models[row.variant_id], SCENES[row.image_id])
        assert row.prediction_index == chances.argmax().item()
        assert row.prediction == CLASSES[row.prediction_index]
        assert row.prediction_probability == pytest.approx(chances.max().item(), abs=1e-6)
        assert row.target_index == CLASSES.index(row.target)
        assert row.target_probability == pytest.approx(chances[row.target_index].item(), abs=1e-6)
        assert row.score == pytest.approx(row.target_probability, abs=1e-12)


def test_a_plain_baseline_scores_the_same_for_every_image(results: StudyResults) -> None:
    scores = results.image_stats.groupby(["variant_id", "target"])["score_baseline"]
    np.testing.assert_allclose(scores.min(), scores.max(), rtol=1e-5)  # but for a row's place in its batch


def test_rows_tell_how_and_from_what_they_came(results: StudyResults, models: dict[str, nn.Module]) -> None:
    stats = results.image_stats
    assert set(stats["steps"]) == {4}
    assert set(stats["precision"]) == {"float32"}
    assert set(stats["device"]) == {"cpu"}
    for variant, model in models.items():
        assert set(stats.loc[stats["variant_id"] == variant, "weights_sha256"]) == {weights_sha256(model)}
    etags = results.images.set_index("image_id")["etag"]
    for row in stats.itertuples():
        loaded = load_image(results.images.set_index("image_id").loc[row.image_id, "uri"])
        assert (row.image_sha256, row.image_width, row.image_height) == (loaded.sha256, 224, 224)
        assert row.image_etag == etags[row.image_id]
        assert row.label == SCENES[row.image_id].label


def test_box_statistics_are_those_of_the_maps_and_the_scenes(results: StudyResults) -> None:
    for key, found in results.box_stats.groupby(KEY):
        boxes = {(box.box_label, box.x_min, box.y_min, box.x_max, box.y_max) for box in found.itertuples()}
        assert boxes == {
            (box.label, box.x_min // 4, box.y_min // 4, -(-box.x_max // 4), -(-box.y_max // 4))
            for box in SCENES[key[1]].boxes
        }
        for box in found.itertuples():
            inside = results.attribution(*key)[box.y_min : box.y_max, box.x_min : box.x_max]
            assert box.sum == pytest.approx(inside.sum(dtype=np.float64), abs=1e-12)
            assert box.pixels == inside.size
            assert box.visible_fraction == 1.0
    assert len(results.box_stats) == 4 * sum(len(scene.boxes) for scene in SCENES.values())


# Bits


def test_reproducible_by_image_maps_are_the_same_bits_for_every_cut_and_order(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*TRAINED, "attribution.steps=2"]
    one = open_work(small_study, tmp_path / "one", *settings)
    assert [report.images for report in one.run()] == [1, 1, 1]
    monkeypatch.setattr(rows, "MAP_GROUP_IMAGES", 2)
    other = open_work(small_study, tmp_path / "other", *settings, REORDERED, "run.shard_images=3")
    assert [report.images for report in other.run()] == [3]
    pd.testing.assert_frame_equal(numbers(one.results), numbers(other.results), check_exact=True)
    for key in numbers(one.results)[KEY].to_numpy():
        assert one.results.attribution(*key).tobytes() == other.results.attribution(*key).tobytes()


def test_targets_computed_later_are_the_same_bits(small_study: Path, tmp_path: Path) -> None:
    settings = [*TRAINED, "attribution.steps=2", ONE_SCENE]
    both = open_work(small_study, tmp_path / "both", *settings)
    both.run()
    for targets in ("[magpie]", "[eagle, magpie]"):
        later = open_work(small_study, tmp_path / "later", *settings, f"targets={targets}")
        (report,) = later.run()
        assert report.rows == 1
    pd.testing.assert_frame_equal(numbers(both.results), numbers(later.results), check_exact=True)


# Shards


def test_a_committed_shard_is_not_computed_again(small_study: Path, tmp_path: Path) -> None:
    work = open_work(small_study, tmp_path / "out", *TRAINED, "attribution.steps=1", "run.shard_images=3")
    (first,) = work.run()
    assert (first.images, first.rows, first.quarantined, first.already_committed) == (3, 6, 0, False)
    before = {info.path: info.mtime_ns for info in work.output.files()}
    (second,) = work.run()
    assert second.already_committed
    assert (second.shard, second.images, second.rows) == (first.shard, 3, 6)
    assert {info.path: info.mtime_ns for info in work.output.files()} == before


@pytest.mark.parametrize(("choice", "kept"), [("none", 0), ("{sample: 1, seed: 2}", 1), ("all", 3)])
def test_maps_are_kept_as_the_study_says(small_study: Path, tmp_path: Path, choice: str, kept: int) -> None:
    work = open_work(small_study, tmp_path / "out", *TRAINED, "attribution.steps=1", f"store.maps={choice}")
    work.run()
    found = set()
    for key in work.results.image_stats[KEY].to_numpy():
        try:
            work.results.attribution(*key)
        except KeyError:
            continue
        found.add(key[1])
    assert len(found) == kept
    assert len(work.output.files("attributions")) == kept
    assert len(work.results.image_stats) == 6
    assert len(work.results.box_stats) >= 6


@pytest.mark.parametrize(
    ("override", "column"),
    [
        ("attribution.output=logit", "score"),
        ("attribution.baseline=blurred", "score_baseline"),
        ("attribution.rule=trapezoid", "sum"),
        ("variants=[{kind: trained, steps: 2}]", "sum"),
    ],
)
def test_settings_reach_the_engine(
    small_study: Path, tmp_path: Path, results: StudyResults, override: str, column: str
) -> None:
    work = open_work(small_study, tmp_path / "out", *TRAINED, ONE_SCENE, override)
    work.run()
    plain = results.image_stats.set_index(KEY)
    for row in work.results.image_stats.to_dict("records"):
        before = plain.loc[tuple(row[name] for name in KEY), column]
        assert row[column] != pytest.approx(before, rel=1e-3)
        assert row["convergence_delta"] == row["sum"] - (row["score"] - row["score_baseline"])


def test_double_precision_is_the_engines(
    small_study: Path, tmp_path: Path, models: dict[str, nn.Module]
) -> None:
    settings = [ONE_SCENE, "attribution.precision=float64", "attribution.steps=2"]
    work = open_work(small_study, tmp_path / "out", *TRAINED, *settings)
    work.run()
    image = model_input(SCENES["double-00001"].image)
    own = integrated_gradients(
        models["trained"], image, [0, 1], 0.0, steps=2, micro_batch=4, precision="float64"
    )
    assert set(work.results.image_stats["precision"]) == {"float64"}
    for k, target in enumerate(("eagle", "magpie")):
        stored = work.results.attribution("trained", "double-00001", target)
        assert stored.tobytes() == own.attributions[0, k].numpy().tobytes()


@pytest.mark.parametrize(("tolerance", "atol"), [(0.99, 0.0), (1e-9, 0.0), (1e-9, 1e6)])
def test_tolerances_decide_what_has_converged(
    small_study: Path, tmp_path: Path, tolerance: float, atol: float
) -> None:
    settings = [f"attribution.tolerance={tolerance}", f"attribution.atol={atol}", "attribution.steps=8"]
    work = open_work(small_study, tmp_path / "out", *TRAINED, ONE_SCENE, *settings)
    work.run()
    assert work.results.image_stats["converged"].any() == (tolerance > 0.5 or atol > 1)
    assert set(work.results.image_stats["negligible"]) == {atol > 1}


# Adaptive steps

ADAPTIVE = ["attribution.steps=auto", "attribution.tolerance=0.2"]
LOOSE = [*TRAINED, "attribution.steps=auto", "attribution.tolerance=0.5"]
REORDERED = "images.scenes=[{kind: single, label: magpie, seeds: [5]}, {kind: double, seeds: [2, 1]}]"


@pytest.fixture(scope="module")
def adaptive(study_file: Path) -> StudyResults:
    """The small study with as many steps as each map needs."""
    torch.set_num_threads(1)
    work = open_work(study_file, study_file.parent / "out", *ADAPTIVE, "run.shard_images=3")
    work.run()
    return work.results


@pytest.fixture(scope="module")
def loose(study_file: Path) -> StudyResults:
    """The same at a looser tolerance, of the trained variant, in a shard for each image."""
    torch.set_num_threads(1)
    work = open_work(study_file, study_file.parent / "loose", *LOOSE)
    assert [report.images for report in work.run()] == [1, 1, 1]
    return work.results


@pytest.fixture(scope="module")
def in_one_shard(study_file: Path) -> StudyResults:
    """The same, reproducible by shard only: in one, in another order."""
    torch.set_num_threads(1)
    how = [*LOOSE, REORDERED, "run.shard_images=3", "attribution.reproducible=shard"]
    work = open_work(study_file, study_file.parent / "in_one_shard", *how)
    assert [report.images for report in work.run()] == [3]
    return work.results


def test_adaptive_maps_state_their_error_and_keep_to_the_tolerance(adaptive: StudyResults) -> None:
    stats = adaptive.image_stats
    assert len(stats) == 2 * 3 * 2
    assert stats["map_error"].notna().all()
    assert stats["converged"].all()
    assert (stats["map_error"] <= 0.2 + 1e-6 / stats["abs_sum"]).all()
    assert (stats["convergence_delta"].abs() <= 0.2 * stats["abs_sum"] + 1e-6).all()


def test_adaptive_steps_differ_between_images_and_kinds_of_model(adaptive: StudyResults) -> None:
    steps = adaptive.image_stats.groupby(["variant_id", "image_id"])["steps"]
    assert (steps.nunique() == 1).all()  # targets share their nodes
    trained, random = (steps.first()[variant] for variant in ("trained", "random-3"))
    assert trained.nunique() > 1
    assert (random < trained).all()


def test_a_tighter_tolerance_takes_more_steps(adaptive: StudyResults, loose: StudyResults) -> None:
    tight = adaptive.image_stats.set_index(KEY)["steps"].loc["trained"]
    few = loose.image_stats.set_index(KEY)["steps"].loc["trained"]
    assert (few < tight.loc[few.index]).all()


def test_adaptive_maps_are_the_engines_own_bit_for_bit(
    in_one_shard: StudyResults, models: dict[str, nn.Module]
) -> None:
    images = list(reversed(SCENES))
    pixels = torch.cat([model_input(SCENES[image].image) for image in images])
    own = integrated_gradients(
        models["trained"], pixels, [0, 1], 0.0, steps="auto", tolerance=0.5, micro_batch=4
    )
    stats = in_one_shard.image_stats.set_index(KEY)
    for (i, image), (k, target) in itertools.product(enumerate(images), enumerate(("eagle", "magpie"))):
        stored = in_one_shard.attribution("trained", image, target)
        assert stored.tobytes() == own.attributions[i, k].numpy().tobytes()
        row = stats.loc[("trained", image, target)]
        assert row["map_error"] == own.map_error[i, k].item()
        assert row["steps"] == own.steps[i, k].item()


def test_adaptive_maps_of_other_shards_are_within_their_errors(
    loose: StudyResults, in_one_shard: StudyResults
) -> None:
    errors = loose.image_stats.set_index(KEY)["map_error"]
    for key in numbers(loose)[KEY].to_numpy():
        first, second = (each.attribution(*key).astype(np.float64) for each in (loose, in_one_shard))
        assert np.linalg.norm(first - second) <= 2 * errors[tuple(key)] * np.linalg.norm(first)


def test_reproducible_by_image_adaptive_maps_are_the_same_bits_for_every_cut_and_order(
    study_file: Path, tmp_path: Path, loose: StudyResults
) -> None:
    other = open_work(study_file, tmp_path / "other", *LOOSE, REORDERED, "run.shard_images=3")
    assert [report.images for report in other.run()] == [3]
    pd.testing.assert_frame_equal(numbers(loose), numbers(other.results), check_exact=True)
    for key in numbers(loose)[KEY].to_numpy():
        assert loose.attribution(*key).tobytes() == other.results.attribution(*key).tobytes()


def test_targets_of_one_class_are_computed_once_and_stored_under_each_name(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []

    def spy(
        model: Forward, examples: Iterator[Example], settings: Settings, **others: Any
    ) -> Iterator[Attributed]:
        for example in examples:
            seen.append(example.targets.tolist())
            yield from attribute_forward(model, [example], settings)

    monkeypatch.setattr(compute, "attribute_forward", spy)
    targets = "targets=[gull, predicted, top-2, label]"
    work = open_work(small_study, tmp_path / "out", *TRAINED, ONE_SCENE, targets, "attribution.steps=2")
    (report,) = work.run()
    assert report.rows == 5
    stats = work.results.image_stats.set_index("target")
    assert seen == [list(dict.fromkeys(stats.loc[work.plan.resolved.target_names, "target_index"]))]
    assert len(seen[0]) == 2  # gull is what the model predicts and top-1, an eagle is top-2 and the label
    for targets in (("gull", "predicted", "top-1"), ("label", "top-2")):
        first, *others = (work.results.attribution("trained", "double-00001", each) for each in targets)
        assert all(first.tobytes() == other.tobytes() for other in others)
        assert stats.loc[list(targets), "score"].nunique() == 1


def test_trained_rankings_come_in_batches_once_an_image_and_not_once_a_variant(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def spy(model: nn.Module, images: Sequence[torch.Tensor]) -> torch.Tensor:
        seen.append(len(images))
        return batched_logits(model, images)

    monkeypatch.setattr(rankings, "batched_logits", spy)
    variants = "variants=[{kind: trained}, {kind: random, seeds: [3, 4]}]"
    cut = ["attribution.steps=1", "run.shard_images=3"]
    work = open_work(small_study, tmp_path / "out", variants, "targets=[predicted, top-2]", *cut)
    assert sum(report.rows for report in work.run()) == 27
    assert seen == [3]


def test_maps_that_reach_the_limit_of_steps_have_not_converged(study_file: Path, tmp_path: Path) -> None:
    limits = ["attribution.steps=auto", "attribution.tolerance=0.001", "attribution.max_steps=7"]
    work = open_work(study_file, tmp_path / "out", *TRAINED, ONE_SCENE, *limits)
    work.run()
    stats = work.results.image_stats
    assert set(stats["steps"]) == {7}
    assert not stats["converged"].any()
    assert (stats["map_error"] > 0.001).all()
    settings = work.plan.resolved.study.attribution
    for row in stats.to_dict("records"):
        assert error_mark(row, settings).startswith("not converged: off by")
        assert error_mark(row, settings).endswith("(7 steps)")


def test_variants_may_be_adaptive_or_not(study_file: Path, tmp_path: Path) -> None:
    variants = "variants=[{kind: trained, steps: 3}, {kind: random, seeds: [3], steps: auto}]"
    work = open_work(study_file, tmp_path / "out", ONE_SCENE, variants)
    work.run()
    stats = work.results.image_stats.set_index("variant_id")
    assert set(stats.loc["trained", "steps"]) == {3}
    assert stats.loc["trained", "map_error"].isna().all()
    assert stats.loc["random-3", "map_error"].notna().all()


# Calibration


def seen_settings(work: Work, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the engine is given; nothing is computed."""
    seen = []

    def spy(model: Forward, examples: Any, settings: Settings, **others: Any) -> Iterator[Attributed]:
        seen.append(settings)
        yield from ()

    monkeypatch.setattr(compute, "attribute_forward", spy)
    work.run()
    (settings,) = set(seen)
    return settings


def test_the_calibration_reaches_the_engine(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = ["attribution.micro_batch=auto", "attribution.precision=auto", "attribution.steps=auto"]
    limits = ["attribution.tolerance=0.02", "attribution.atol=1e-9", "attribution.max_steps=77"]
    work = open_work(small_study, tmp_path / "out", *TRAINED, *choice, *limits, "attribution.output=logit")
    work.calibration = Calibration("bfloat16", 0.003, micro_batch=24)
    settings = seen_settings(work, monkeypatch)
    assert (settings.precision, settings.arithmetic_error) == ("bfloat16", 0.003)
    assert (settings.micro_batch, settings.together) == (24, False)
    assert (settings.steps, settings.tolerance, settings.atol) == ("auto", 0.02, 1e-9)
    assert (settings.max_steps, settings.output) == (77, "logit")


def test_a_micro_batch_of_the_study_beats_that_of_the_calibration(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = open_work(small_study, tmp_path / "out", *TRAINED, "attribution.micro_batch=12")
    work.calibration = replace(work.calibration, micro_batch=24)
    assert seen_settings(work, monkeypatch).micro_batch == 12


def test_variants_go_through_the_graph_of_the_first_one(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def captured(work: graphs.Function, inputs: Sequence[Tensor], device: torch.device) -> graphs.Function:
        made.append(len(inputs[0]))
        return work

    monkeypatch.setattr(graphs, "_captured", captured)
    eager = open_work(small_study, tmp_path / "eager", ONE_SCENE, "attribution.passes=eager")
    work = open_work(small_study, tmp_path / "out", ONE_SCENE)
    work.calibration = replace(work.calibration, passes="captured")
    for each in (eager, work):
        each.run()
    assert len(set(work.results.image_stats["variant_id"])) > 1
    assert made == [4]
    for key in numbers(work.results)[KEY].to_numpy():
        expected = eager.results.attribution(*key)
        np.testing.assert_allclose(
            work.results.attribution(*key), expected, rtol=0, atol=1e-5 * np.abs(expected).max()
        )


def test_an_automatic_precision_is_the_one_that_rows_name(small_study: Path, tmp_path: Path) -> None:
    choice = ["attribution.precision=auto", "attribution.tolerance=0.2", "attribution.steps=2"]
    work = open_work(small_study, tmp_path / "out", *TRAINED, ONE_SCENE, *choice)
    calibration = calibrate_plan(work.plan, work.computer.calibrate)
    assert calibration is not None
    assert calibration.precision in PRECISIONS
    assert calibration.arithmetic_error <= 0.2 / 2
    assert calibration.micro_batch == 4
    assert any(reason.startswith(f"precision {calibration.precision}:") for reason in calibration.reasons)
    work.calibration = calibration
    work.run()
    assert set(work.results.image_stats["precision"]) == {calibration.precision}


def test_calibration_passes_over_images_that_cannot_be_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    monkeypatch.setattr(
        compute,
        "calibrate_device",
        lambda study, samples, *_: looked_at.extend(len(s.examples) for s in samples),
    )
    for name in "ab":
        (folder / f"pictures/{name}.png").write_bytes(b"no picture")
    work = open_work(folder / "study.yaml", folder / "out")
    work.computer.calibrate(work.plan.samples(4), 3)
    assert looked_at == [2]
    for name in "cd":
        (folder / f"pictures/{name}.png").write_bytes(b"no picture")
    assert work.computer.calibrate(work.plan.samples(4), 3) is None
    assert looked_at == [2]
    assert not work.output.files("image_stats")


# What is wrong with one image or one map


@pytest.fixture
def folder(tmp_path: Path, small_model: str) -> Path:
    """A study of four small photographs; `study.yaml` lies beside them."""
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for name in "abcd":
        pixels = rng.integers(100, 160, (90, 120, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"pictures/{name}.png")
    write_boxes(tmp_path, ("a.png", "eagle", 0, 0, 60, 60), ("b.png", "hawk", 10, 10, 90, 80),
                ("c.png", "magpie", 30, 0, 90, 90))  # fmt: skip
    content = {
        "name": "folder", "images": {"root": "pictures", "boxes": "boxes.csv"},
        "models": {"m": {"weights": small_model}}, "targets": ["eagle", "magpie"],
        "attribution": {"steps": 1}, "run": {"shard_images": 4},
    }  # fmt: skip
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def write_boxes(folder: Path, *boxes: tuple[Any, ...]) -> None:
    with open(folder / "boxes.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "x_min", "y_min", "x_max", "y_max"), *boxes])


def quarantine(work: Work) -> list[tuple[str, str | None, str]]:
    """(image, target, stage) of every row in quarantine."""
    frame = work.results.quarantine
    assert not frame["error"].str.contains("\n").any()
    return sorted(((row.image_id, row.target, row.stage) for row in frame.itertuples()), key=str)


def test_an_undecodable_image_is_quarantined_and_the_others_go_on(folder: Path) -> None:
    (folder / "pictures/b.png").write_bytes(b"no picture")
    work = open_work(folder / "study.yaml", folder / "out")
    (report,) = work.run()
    assert (report.images, report.rows, report.quarantined) == (4, 6, 2)
    (again,) = work.run()
    kept = ("shard", "images", "rows", "quarantined")
    assert again.already_committed
    assert [getattr(again, name) for name in kept] == [getattr(report, name) for name in kept]
    assert quarantine(work) == [("b.png", None, "image")]
    assert "it cannot be opened" in work.results.quarantine["error"][0]
    assert sorted(set(work.results.image_stats["image_id"])) == ["a.png", "c.png", "d.png"]


def test_a_box_outside_its_image_is_quarantined_where_nobody_looked_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_boxes(folder, ("a.png", "eagle", 0, 0, 60, 60), ("c.png", "hawk", 10, 10, 122, 80))
    monkeypatch.setattr(study_images, "PROBED_IMAGES", 0)
    work = open_work(folder / "study.yaml", folder / "out")
    work.run()
    assert quarantine(work) == [("c.png", None, "image")]
    assert "reaches outside the image of 120 x 90" in work.results.quarantine["error"][0]
    assert len(work.results.image_stats) == 6


def test_boxes_outside_are_skipped_where_the_study_says_so_and_counted_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of variants, targets and runs: an image is read by each, and has its boxes once."""
    rows = [
        ("a.png", "eagle", -1, 0, 60, 60),
        ("c.png", "hawk", 10, 10, 122, 80),
        ("c.png", "jay", 1, 1, 9, 9),
    ]
    write_boxes(folder, *rows)
    monkeypatch.setattr(study_images, "PROBED_IMAGES", 0)
    open_work(folder / "study.yaml", folder / "out").run()
    skip = "images.boxes.invalid=skip"
    variants = "variants=[{kind: random, seeds: [1], images: [a.png]}, {kind: trained}]"
    work = open_work(folder / "study.yaml", folder / "out", skip, variants, retry_quarantined=True)
    work.run()
    results = work.results
    assert quarantine(work) == []
    image = results.image_stats.set_index(["variant_id", "image_id", "target"]).sort_index()
    for target in ("eagle", "magpie"):
        assert image.loc[("trained", "c.png", target), ["boxes_clipped", "boxes_skipped"]].tolist() == [0, 1]
        assert image.loc[("random-1", "a.png", target), ["boxes_clipped", "boxes_skipped"]].tolist() == [1, 0]
    kept = results.box_stats.query("image_id == 'c.png' and variant_id == 'trained' and target == 'eagle'")
    assert kept["box_id"].tolist() == ["jay-1"]
    planned = work.plan.images.box_counts
    assert planned is not None
    assert (planned.unchecked, planned.outside) == (3, 0)
    reduce_study(results.reader.output)
    assert results.box_counts == replace(planned, clipped=1, outside=1, unchecked=0)


def test_boxes_are_measured_in_the_models_input(folder: Path) -> None:
    work = open_work(folder / "study.yaml", folder / "out")
    work.run()
    found = work.results.box_stats.set_index(["image_id", "target"]).loc[("c.png", "eagle")]
    geometry = work.computer.preprocessing["m"].geometry(120, 90)
    assert work.plan.images.boxes is not None
    (box,) = work.plan.images.boxes.of("c.png")
    mapped = geometry.map_box(box)
    assert [found[name] for name in ("x_min", "y_min", "x_max", "y_max")] == [
        mapped.x_min, mapped.y_min, mapped.x_max, mapped.y_max,
    ]  # fmt: skip
    (expected,) = box_statistics(work.results.attribution("trained", "c.png", "eagle"), [mapped])
    for name, value in expected.items():
        assert found[name] == value
    assert set(work.results.box_stats["image_id"]) == {"a.png", "b.png", "c.png"}


def measure_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Measure maps in torch, as on a GPU; what is returned grows by the maps of each call."""
    calls: list[int] = []

    def counted(maps: Tensor, boxes: Sequence[Any], label_maps: Sequence[Any]) -> Tensor:
        calls.append(len(maps))
        return launch_map_statistics(maps, boxes, label_maps)

    monkeypatch.setattr(compute, "MEASURED_BY_ROWS", ())
    monkeypatch.setattr(compute, "launch_map_statistics", counted)
    monkeypatch.setattr(rows, "measure", lambda attribution, boxes: 1 / 0)
    return calls


def test_a_device_measures_the_maps_of_an_image_together_and_says_what_the_host_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = open_work(folder / "study.yaml", folder / "host")
    host.run()
    calls = measure_where_they_lie(monkeypatch)
    work = open_work(folder / "study.yaml", folder / "device")
    work.run()
    assert calls == [2, 2, 2, 2]
    pd.testing.assert_frame_equal(numbers(work.results), numbers(host.results), rtol=1e-11, atol=1e-13)
    boxes = [each.results.box_stats.sort_values([*KEY, "box_id"], ignore_index=True) for each in (work, host)]
    assert len(boxes[0]) == 6
    pd.testing.assert_frame_equal(*boxes, rtol=1e-11, atol=1e-13)
    for row in work.results.image_stats.to_dict("records"):
        stored = work.results.attribution(*(row[name] for name in KEY))
        for name in ("minimum", "maximum", "q01", "q50", "q99", "histogram"):
            expected = map_statistics(stored)[name]  # type: ignore[literal-required]
            np.testing.assert_array_equal(row[name], expected, err_msg=name)
    reduce_study(work.output)
    assert verify(work.output).problems == []


def test_only_maps_that_are_kept_leave_the_device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure_where_they_lie(monkeypatch)
    left: list[tuple[int, ...]] = []
    cpu, to = Tensor.cpu, Tensor.to

    def spied_cpu(tensor: Tensor) -> Tensor:
        left.append(tuple(tensor.shape))
        return cpu(tensor)

    def spied_to(tensor: Tensor, *place: Any, **how: Any) -> Tensor:
        if place == ("cpu",):
            left.append(tuple(tensor.shape))
        return to(tensor, *place, **how)

    monkeypatch.setattr(Tensor, "cpu", spied_cpu)
    monkeypatch.setattr(Tensor, "to", spied_to)
    work = open_work(folder / "study.yaml", folder / "out", "store.maps={sample: 1}")
    (report,) = work.run()
    assert report.rows == 8
    assert [shape for shape in left if shape[-2:] == (SIDE, SIDE)] == [(2, SIDE, SIDE)]


def test_a_device_tells_maps_that_are_no_numbers_in_the_words_of_the_host(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_fault(*arguments: Any, **named: Any) -> Iterator[Attributed]:
        for done in attribute_forward(*arguments, **named):
            if done.index == 2:
                done.attributions[1, 5, 7:9].fill_(-math.inf)
            yield done

    measure_where_they_lie(monkeypatch)
    monkeypatch.setattr(compute, "attribute_forward", with_fault)
    work = open_work(folder / "study.yaml", folder / "out")
    (report,) = work.run()
    assert quarantine(work) == [("c.png", "magpie", "attribution")]
    assert work.results.quarantine["error"][0] == "the map holds 2 values that are NaN or infinite"
    assert (report.rows, report.quarantined) == (7, 1)
    assert set(work.results.box_stats.query("image_id == 'c.png'")["target"]) == {"eagle"}


def test_a_missing_label_is_quarantined_for_that_target_only(folder: Path) -> None:
    work = open_work(folder / "study.yaml", folder / "out", "targets=[label, eagle]")
    (report,) = work.run()
    assert quarantine(work) == [("b.png", "label", "target"), ("d.png", "label", "target")]
    errors = work.results.quarantine.set_index("image_id")["error"]
    assert "'hawk' is no class of the model" in errors["b.png"]
    assert "the image has no label" in errors["d.png"]
    assert (report.rows, report.quarantined) == (6, 2)
    stats = work.results.image_stats
    labelled = stats[stats["target"] == "label"].set_index("image_id")["target_index"]
    assert labelled.to_dict() == {"a.png": 0, "c.png": 1}
    assert sorted(stats.loc[stats["target"] == "eagle", "image_id"]) == ["a.png", "b.png", "c.png", "d.png"]


def test_a_label_may_be_a_name_that_the_study_gives(folder: Path) -> None:
    work = open_work(folder / "study.yaml", folder / "out", "targets=[label]", "models.m.classes={hawk: 3}")
    work.run()
    assert quarantine(work) == [("d.png", "label", "target")]
    indices = work.results.image_stats.set_index("image_id")["target_index"]
    assert indices.to_dict() == {"a.png": 0, "b.png": 3, "c.png": 1}


class NanInTheDark(nn.Module):
    """The model, but what it says of a dark image is no number."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        dark = images.mean((1, 2, 3)) < -0.3
        return self.inner(images) + torch.where(dark, torch.nan, 0.0)[:, None]


def test_maps_of_a_model_that_yields_nan_are_quarantined(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (120, 90)).save(folder / "pictures/c.png")
    real = Models.variant

    def variant(self: Models, spec: VariantSpec) -> HeldVariant:
        held = real(self, spec)
        return replace(held, model=NanInTheDark(held.model))

    monkeypatch.setattr(Models, "variant", variant)
    work = open_work(folder / "study.yaml", folder / "out")
    (report,) = work.run()
    assert quarantine(work) == [("c.png", "eagle", "attribution"), ("c.png", "magpie", "attribution")]
    assert set(work.results.quarantine["error"]) == {
        f"the map holds {SIDE * SIDE} values that are NaN or infinite"
    }
    assert (report.rows, report.quarantined) == (6, 2)
    numbers = work.results.image_stats.select_dtypes("float").dropna(axis="columns", how="all")
    assert np.isfinite(numbers).all().all()
    assert "c.png" not in set(work.results.box_stats["image_id"])
    with pytest.raises(KeyError):
        work.results.attribution("trained", "c.png", "eagle")


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (lambda done: done.attributions[0, 5, 7].fill_(math.nan), "the map holds 1 values"),
        (lambda done: done.attributions[0].view(-1)[:9].fill_(-math.inf), "the map holds 9 values"),
        (lambda done: done.scores.put(0, math.inf), "the model's score is inf"),
        (lambda done: done.baseline_scores.put(0, math.nan), "the model's score_baseline is nan"),
    ],
)
def test_what_is_no_number_is_quarantined_for_its_target_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Attributed], Any], reason: str
) -> None:
    def with_fault(*arguments: Any, **named: Any) -> Iterator[Attributed]:
        for done in attribute_forward(*arguments, **named):
            if done.index == 1:
                plant(done)
            yield done

    monkeypatch.setattr(compute, "attribute_forward", with_fault)
    work = open_work(folder / "study.yaml", folder / "out")
    (report,) = work.run()
    assert quarantine(work) == [("b.png", "eagle", "attribution")]
    assert reason in work.results.quarantine["error"][0]
    assert (report.rows, report.quarantined) == (7, 1)
    assert work.results.attribution("trained", "b.png", "magpie").any()


def test_probabilities_that_are_no_numbers_are_quarantined(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_logits(*arguments: Any, **named: Any) -> Iterator[Attributed]:
        for done in attribute_forward(*arguments, **named):
            yield replace(done, logits=torch.full_like(done.logits, math.nan))

    monkeypatch.setattr(compute, "attribute_forward", without_logits)
    work = open_work(folder / "study.yaml", folder / "out")
    (report,) = work.run()
    assert (report.rows, report.quarantined) == (0, 8)
    assert "probability is nan" in work.results.quarantine["error"][0]


# Targets that the trained model decides


def test_symbolic_targets_are_resolved_by_the_trained_model_for_every_variant(
    small_study: Path, tmp_path: Path, models: dict[str, nn.Module]
) -> None:
    targets = "targets=[predicted, top-2, label]"
    work = open_work(small_study, tmp_path / "out", targets, "attribution.steps=1", "run.shard_images=3")
    work.run()
    stats = work.results.image_stats.set_index(KEY)
    for image, scene in SCENES.items():
        chances = chances_of(models["trained"], scene)
        ranked = chances.argsort(descending=True).tolist()
        for variant in models:
            indices = {target: stats.loc[(variant, image, target), "target_index"]
                       for target in ("predicted", "top-1", "top-2", "label")}  # fmt: skip
            assert indices == {
                "predicted": ranked[0],
                "top-1": ranked[0],
                "top-2": ranked[1],
                "label": CLASSES.index(scene.label),
            }
    own = stats.xs("random-3", level="variant_id")
    assert (own["prediction_index"] != own.xs("predicted", level="target")["target_index"].iloc[0]).any()
    assert len(work.results.quarantine) == 0


# The models that a worker holds


def test_a_variant_is_built_once_for_all_its_shards(small_study: Path, tmp_path: Path) -> None:
    work = open_work(small_study, tmp_path / "out")
    trained, random = work.plan.resolved.variants
    held = Models(work.plan.resolved, torch.device("cpu"))
    first = held.variant(trained)
    assert held.variant(trained) is first
    assert held.trained("small") is first.model
    other = held.variant(random)
    assert other.digest.result() != first.digest.result()
    kept = held.trained("small")
    assert weights_sha256(kept) == first.digest.result()
    assert held.trained("small") is kept


def test_classes_are_called_as_the_study_calls_them(small_study: Path, tmp_path: Path) -> None:
    work = open_work(small_study, tmp_path / "out", "targets={adler: 0}", "models.small.classes={rabe: 2}")
    held = Models(work.plan.resolved, torch.device("cpu"))
    assert held.class_name("small", 0) == "adler"
    assert held.class_name("small", 1) == "magpie"
    assert held.class_name("small", 9) is None


# Shards that overlap


OVERLAPPING = ("images.scenes=[{kind: double, seeds: [1, 2]}]", "attribution.steps=2")


@pytest.fixture(scope="module", params=["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def alone(study_file: Path, request: pytest.FixtureRequest) -> Work:
    """Two variants of two images in a precision, shard after shard."""
    torch.set_num_threads(1)
    precision = f"attribution.precision={request.param}"
    work = open_work(study_file, study_file.parent / request.param, *OVERLAPPING, precision)
    work.calibration = replace(work.calibration, arithmetic_error=0.1)
    work.run()
    return work


@pytest.mark.parametrize("slots", [1, 2])
def test_shards_that_overlap_have_the_bits_of_shards_alone(
    study_file: Path, tmp_path: Path, alone: Work, slots: int
) -> None:
    precision = f"attribution.precision={alone.calibration.precision}"
    together = open_work(study_file, tmp_path / "together", *OVERLAPPING, precision)
    together.computer._occupancy = Occupancy(slots)
    with ThreadPoolExecutor(slots + 1) as pool:
        computed = pool.map(
            lambda shard: together.computer.compute(shard, alone.calibration), together.plan.shards()
        )
        reports = list(computed)
    assert sum(report.rows for report in reports) == together.plan.expected_rows == 2 * 2 * 2
    times = sum((report.times for report in reports), start=Times())
    assert 0 < times.passes <= times.busy <= times.seconds
    assert together.computer.under_way() == 0
    assert set(together.results.image_stats["precision"]) == {alone.calibration.precision}
    for key in numbers(alone.results)[KEY].to_numpy():
        assert np.array_equal(*(work.results.attribution(*key) for work in (alone, together)))


def test_a_fault_in_a_shard_lets_the_next_one_go_on(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = open_work(small_study, tmp_path / "out", *TRAINED, "run.shard_images=1", "attribution.steps=2")
    first, second, *_ = work.plan.shards()
    whole = ShardComputer._attribute

    def failing(self: ShardComputer, shard: Shard, *others: Any) -> None:
        if shard == first:
            raise OSError("the store is away")
        whole(self, shard, *others)

    monkeypatch.setattr(ShardComputer, "_attribute", failing)
    with pytest.raises(OSError, match="away"):
        work.computer.compute(first, work.calibration)
    assert work.computer.compute(second, work.calibration).rows == len(second.targets)
    assert work.computer.under_way() == 0


def test_passes_that_could_not_be_compiled_are_reported_with_the_shard(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError("no compiler")

    monkeypatch.setattr(graphs, "_compiled", refuse)
    overrides = (*TRAINED, "attribution.steps=9", "attribution.passes=compiled")
    work = open_work(small_study, tmp_path / "out", *overrides)
    (shard, *_) = work.plan.shards()
    calibration = replace(work.calibration, passes="eager", passes_requested="auto", micro_batch=4)
    with pytest.warns(UserWarning, match="no compiler"):
        report = work.computer.compute(shard, calibration)
    assert report.refused == "passes run eager: they could not be compiled (OSError: no compiler)"
    assert report.rows == len(shard.images) * len(shard.targets)
