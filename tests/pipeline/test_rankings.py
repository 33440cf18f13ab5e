"""Rankings by the trained model: each image of a study once, whoever computes it, and never an old one."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from igbatch.birds.scenes import CLASSES, render_scene, write_scenes
from igbatch.pipeline import compute, rankings
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.messages import Calibration, calibrate_plan
from igbatch.pipeline.models import batched_logits
from igbatch.pipeline.plan import Plan
from igbatch.pipeline.queue import ShardQueue
from igbatch.pipeline.resolve import required_top_k
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.study_output import open_output
from igbatch.results import StudyResults
from igbatch.store.output import Output
from igbatch.store.rankings import FOLDER, parse_rankings
from igbatch.store.verify import verify
from igbatch.study_file import load_study
from igbatch.variants import randomized

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

CPU = torch.device("cpu")
CALIBRATION = Calibration("float32", 0.0, micro_batch=4)
IMAGES = 4


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "images"
    write_scenes(folder, IMAGES, first_seed=1)
    return folder


@pytest.fixture
def study(tmp_path: Path, scenes: Path, small_model: str) -> Path:
    """Four drawn scenes as files; two random variants are computed, and the trained one is not."""
    shutil.copytree(scenes, tmp_path / "images")
    content = {
        "name": "ranked", "images": {"root": "images"}, "models": {"m": {"weights": small_model}},
        "targets": ["predicted"],
        "variants": [{"kind": "random", "seeds": [3, 4]}], "attribution": {"steps": 1},
        "run": {"shard_images": 2},
    }  # fmt: skip
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "study.yaml"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through the trained model, pass by pass."""
    seen: list[int] = []

    def spy(model: torch.nn.Module, images: Sequence[torch.Tensor]) -> torch.Tensor:
        seen.append(len(images))
        return batched_logits(model, images)

    monkeypatch.setattr(rankings, "batched_logits", spy)
    return seen


@dataclass
class Opened:
    """A study opened for computing."""

    plan: Plan
    output: Output

    def computer(self) -> ShardComputer:
        return ShardComputer(self.plan.resolved, self.output, CPU)

    def run(self, *variants: str) -> None:
        """Compute what is left, of some variants only where these are named, by a fresh worker for each."""
        for spec in self.plan.ordered():
            if not variants or spec.variant_id in variants:
                computer = self.computer()
                for shard in self.plan.shards_of(spec):
                    computer.compute(shard, CALIBRATION)

    @property
    def targets(self) -> pd.DataFrame:
        """target_index: rows of images and targets, columns of variants."""
        stats = StudyResults(self.output.uri).image_stats
        found: pd.DataFrame = stats.pivot(
            index=["image_id", "target"], columns="variant_id", values="target_index"
        )
        return found

    @property
    def stored(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of each file of rankings."""
        paths = [info.path for info in self.output.files(FOLDER)]
        return {path: parse_rankings(self.output.read(path))[1].to_pylist() for path in paths}


def opened(study: Path, out: Path | str, *overrides: str, **how: Any) -> Opened:
    output = Output(str(out))
    plan = plan_study(load_study(study, overrides), output, **how)
    open_output(output, plan.resolved, plan.images)
    return Opened(plan, output)


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "out")
    return f"s3://{request.getfixturevalue('s3').new_bucket()}/out"


def test_two_workers_rank_each_image_once_for_all_variants_and_what_is_measured_first(
    study: Path, out: str, passes: list[int]
) -> None:
    variants = "variants=[{kind: random, seeds: [3, 4]}, {kind: trained}]"
    work = opened(study, out, variants, "targets=[predicted, top-2]", "run.shard_images=1")
    workers = [work.computer(), work.computer()]
    calibrate_plan(work.plan, workers[0].calibrate)
    assert passes == [IMAGES]
    queue, held = ShardQueue(work.plan), ["", ""]
    while len(queue):
        for place, worker in enumerate(workers):
            shard = queue.take(held[place], {held[1 - place]})
            if shard is not None:
                held[place] = shard.spec.variant_id
                worker.compute(shard, CALIBRATION)
    assert sum(passes) == IMAGES
    targets = work.targets
    assert targets.shape == (IMAGES * 3, 3)
    assert (targets.nunique(axis=1) == 1).all()
    assert verify(work.output).whole


def test_workers_side_by_side_rank_different_images(study: Path, tmp_path: Path, passes: list[int]) -> None:
    work = opened(study, tmp_path / "out", "run.shard_images=1")
    workers, queue, held = [work.computer(), work.computer()], ShardQueue(work.plan), ["", ""]
    while len(queue):  # nothing is committed or stored before both have begun
        taken = [queue.take(held[place], {held[1 - place]}) for place in (0, 1)]
        assert taken[0] is not None
        assert taken[1] is not None
        assert taken[0].images != taken[1].images
        for place, shard in enumerate(taken):
            assert shard is not None
            held[place] = shard.spec.variant_id
            workers[place].compute(shard, CALIBRATION)
    assert passes == [1] * IMAGES


def test_a_worker_whose_images_are_ranked_never_loads_the_trained_model(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = opened(study, tmp_path / "out")
    work.run("random-3")

    def refuse(*arguments: Any) -> None:
        raise AssertionError("the trained model was loaded")

    monkeypatch.setattr(randomized, "load_trained", refuse)
    work.run("random-4")
    assert work.targets.notna().all(axis=None)


@pytest.mark.parametrize(
    "change",
    [
        ["run.shard_images=3"],
        ["run.shard_images=1", "attribution.steps=1"],
        ["variants=[{kind: random, seeds: [3]}, {kind: random, seeds: [5], images: {sample: 2}}]"],
    ],
    ids=["larger shards", "smaller shards", "some of the images"],
)
def test_other_shards_of_the_same_images_are_not_ranked_again(
    study: Path, tmp_path: Path, passes: list[int], change: list[str]
) -> None:
    opened(study, tmp_path / "out").run("random-3")
    assert sum(passes) == IMAGES
    work = opened(study, tmp_path / "out", *change)
    work.run()
    assert sum(passes) == IMAGES
    assert work.targets.shape[1] == 2


def test_rankings_are_those_of_the_trained_model_alone(study: Path, tmp_path: Path) -> None:
    work = opened(study, tmp_path / "out", "targets=[predicted, top-2]")
    work.run()
    computer = work.computer()
    rows = {row["image_id"]: row for file in work.stored.values() for row in file}
    assert len(rows) == IMAGES
    for shard in work.plan.shards_of(work.plan.resolved.variants[0]):
        for image in compute.prepare_ahead(shard.images, computer.preprocessing["m"], 1, 1):
            assert not isinstance(image, compute.RefusedImage)
            pixels = [computer._input("m", image.pixels)]
            chances = batched_logits(computer.models.trained("m"), pixels)[0].softmax(0)
            row = rows[image.entry.image_id]
            assert row["image_sha256"] == image.sha256
            assert row["classes"] == chances.argsort(descending=True)[:2].tolist()
            np.testing.assert_allclose(row["probabilities"], chances[row["classes"]], rtol=1e-4)
    stats = StudyResults(work.output.uri).image_stats
    for row in stats.to_dict("records"):
        rank = {"predicted": 0, "top-1": 0, "top-2": 1}[row["target"]]
        assert row["target_index"] == rows[row["image_id"]]["classes"][rank]


def test_an_image_that_was_changed_is_ranked_anew_though_its_etag_is_the_same(
    study: Path, tmp_path: Path, passes: list[int]
) -> None:
    """As with a manifest of a store, which has no etags."""
    work = opened(study, tmp_path / "out", "run.shard_images=4")
    work.run("random-3")
    (before,) = work.stored.values()
    first = before[0]["classes"][0]
    other = render_scene(7, "single", label="magpie" if CLASSES[first] == "eagle" else "eagle")
    Image.fromarray(other.image).save(tmp_path / "images" / before[0]["image_id"])
    work.run("random-4")
    (after,) = work.stored.values()
    assert passes == [IMAGES, 1]
    assert before[1:] == after[1:]
    assert after[0]["image_sha256"] != before[0]["image_sha256"]
    assert after[0]["classes"] != before[0]["classes"]
    changed = work.targets.loc[(before[0]["image_id"], "predicted")]
    assert (changed["random-3"], changed["random-4"]) == (first, after[0]["classes"][0])


def test_a_study_that_asks_for_more_classes_ranks_anew_and_replaces(
    study: Path, tmp_path: Path, passes: list[int]
) -> None:
    opened(study, tmp_path / "out").run()
    work = opened(study, tmp_path / "out", "targets=[predicted, top-3]")
    work.run("random-4")
    work.run("random-3")
    assert passes == [2, 2] * 2
    assert [len(row["classes"]) for file in work.stored.values() for row in file] == [3] * IMAGES
    targets = work.targets.unstack("target")
    assert targets["random-3"].equals(targets["random-4"])
    assert targets["random-3"]["top-1"].equals(targets["random-3"]["predicted"])
    fewer = opened(study, tmp_path / "out", "variants=[{kind: random, seeds: [5]}]")
    fewer.run()
    assert passes == [2, 2] * 2
    assert [len(row["classes"]) for file in fewer.stored.values() for row in file] == [3] * IMAGES


def test_images_that_cannot_be_decoded_have_no_ranking_and_the_others_have(
    study: Path, tmp_path: Path, passes: list[int]
) -> None:
    name = sorted(path.name for path in (tmp_path / "images").glob("*.png"))[0]
    whole = (tmp_path / "images" / name).read_bytes()
    (tmp_path / "images" / name).write_bytes(whole[: len(whole) // 2])
    work = opened(study, tmp_path / "out", "run.shard_images=4")
    work.run()
    assert passes == [IMAGES - 1]
    (rows,) = work.stored.values()
    assert len(rows) == IMAGES - 1
    assert name not in {row["image_id"] for row in rows}
    lost = StudyResults(work.output.uri).quarantine
    assert lost["image_id"].tolist() == [name] * 2
    (tmp_path / "images" / name).write_bytes(whole)
    again = opened(study, tmp_path / "out", "run.shard_images=4", retry_quarantined=True)
    again.run()
    assert passes == [IMAGES - 1, 1]
    assert again.targets.shape == (IMAGES, 2)


def test_a_damaged_file_is_ranked_anew_and_replaced(study: Path, tmp_path: Path, passes: list[int]) -> None:
    work = opened(study, tmp_path / "out", "run.shard_images=4")
    work.run("random-3")
    ((path, before),) = work.stored.items()
    work.output.put(path, work.output.read(path)[:-9])
    assert [problem.kind for problem in verify(work.output).problems if problem.kind == "ranking"]
    work.run("random-4")
    assert passes == [IMAGES, IMAGES]
    assert work.stored == {path: before}
    assert verify(work.output).whole


def test_a_worker_that_dies_leaves_nothing_that_lies(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = opened(study, tmp_path / "out", "run.shard_images=4")
    (shard,) = work.plan.shards_of(work.plan.resolved.variants[0])
    monkeypatch.setattr(rankings, "batched_logits", lambda model, images: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        work.computer().compute(shard, CALIBRATION)
    assert not work.stored
    monkeypatch.undo()

    def die(*arguments: Any, **named: Any) -> Any:
        next(arguments[1])
        raise RuntimeError("the worker died")

    monkeypatch.setattr(compute, "attribute_forward", die)
    with pytest.raises(RuntimeError, match="died"):
        work.computer().compute(shard, CALIBRATION)
    monkeypatch.undo()
    assert [len(rows) for rows in work.stored.values()] == [IMAGES]
    work.run()
    assert (work.targets.nunique(axis=1) == 1).all()
    assert verify(work.output).whole


def test_two_models_keep_apart(study: Path, tmp_path: Path, passes: list[int], small_model: str) -> None:
    models = {"m": {"weights": small_model}, "n": {"weights": small_model, "classes": {"hawk": 1}}}
    work = opened(study, tmp_path / "out", f"models={json.dumps(models)}")
    work.run()
    assert sum(passes) == 2 * IMAGES
    assert work.output.folders(FOLDER) == ["m", "n"]
    assert [len(work.output.files(FOLDER, name)) for name in ("m", "n")] == [2, 2]


def test_no_study_without_such_targets_has_rankings(study: Path, tmp_path: Path, passes: list[int]) -> None:
    work = opened(study, tmp_path / "out", "targets=[eagle, label]")
    work.run()
    assert (passes, work.stored) == ([], {})


def test_a_shard_of_fixed_targets_asks_nobody(study: Path, tmp_path: Path, passes: list[int]) -> None:
    work = opened(study, tmp_path / "out", "targets=[eagle, predicted]")
    shard = next(work.plan.shards())
    work.computer().compute(replace(shard, targets=("eagle",)), CALIBRATION)
    assert (passes, work.stored) == ([], {})


def test_verification_finds_rows_that_explain_another_class(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = opened(study, tmp_path / "out")
    work.run("random-3")

    def turned(model: torch.nn.Module, images: Sequence[torch.Tensor]) -> torch.Tensor:
        return -batched_logits(model, images)

    for info in work.output.files(FOLDER):
        work.output.delete(info.path)
    monkeypatch.setattr(rankings, "batched_logits", turned)
    work.run("random-4")
    found = [problem for problem in verify(work.output).problems if problem.kind == "ranking"]
    assert len(found) == IMAGES
    assert all(problem.where.startswith("random-3/") for problem in found)
    assert "its image's ranking says" in found[0].what
    assert not verify(work.output, quick=True).problems


@pytest.mark.parametrize(
    ("targets", "count"),
    [(["eagle"], 0), (["label", "topaz"], 0), (["predicted"], 1), (["top-1", "top-12", "predicted"], 12)],
)
def test_as_many_classes_are_ranked_as_targets_ask_for(targets: list[str], count: int) -> None:
    assert required_top_k(targets) == count
