"""Faults planted in a small study that is really computed: each fails the checks that are there for it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from igbatch.audit.compare import compare
from igbatch.audit.verdict import Comparison, Outcome
from igbatch.birds.scenes import write_scenes
from igbatch.results import open_study
from igbatch.store.output import Output
from igbatch.study import AuditSection
from igbatch.variants.randomized import random_model, randomize
from igbatch.variants.weights import locate_weights

pytestmark = pytest.mark.slow

IMAGES = 3
STUDY = {
    "name": "night",
    "images": {"root": "scenes", "boxes": "scenes/boxes.csv"},
    "targets": {"eagle": 0, "magpie": 1},
    "variants": [{"kind": "trained"}, {"kind": "random", "seeds": [3]}],
    "attribution": {"steps": 2, "micro_batch": 4},
}
TRAINED = "variants=[{kind: trained}]"
Night = Callable[..., Comparison]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_model: str) -> Path:
    """A study file beside its images and their boxes."""
    path = tmp_path_factory.mktemp("nights")
    write_scenes(path / "scenes", IMAGES, first_seed=1, kind="double")
    (path / "night.yaml").write_text(yaml.safe_dump({**STUDY, "models": {"small": {"weights": small_model}}}))
    return path


@pytest.fixture(scope="module")
def reference(folder: Path, compute_study: Callable[..., Output]) -> Output:
    return compute_study(folder / "night.yaml", folder / "reference")


@pytest.fixture
def night(tmp_path: Path, folder: Path, reference: Output, compute_study: Callable[..., Output]) -> Night:
    """Compute the study with something changed, and audit it against the reference."""

    def audited(*overrides: str) -> Comparison:
        output = compute_study(folder / "night.yaml", tmp_path / "out", *overrides)
        return compare(open_study(output.uri), open_study(reference.uri), AuditSection())

    return audited


def failed(found: Comparison) -> set[str]:
    assert not found.passed
    return {check.name for check in found.checks if check.outcome is Outcome.FAILED}


def changed(found: Comparison) -> Iterator[str]:
    return (change.what for change in found.changes)


def test_a_repeat_passes_every_check_and_tells_of_no_change(night: Night) -> None:
    found = night()
    outcomes = {check.name: check.outcome for check in found.checks}
    unmeasured = {"infidelity", "sensitivity", "curves"}
    assert {name for name, outcome in outcomes.items() if outcome is Outcome.SKIPPED} == unmeasured
    assert found.passed
    assert found.changes == ()


def test_a_block_that_was_initialised_again(tmp_path: Path, small_model: str, night: Night) -> None:
    source = locate_weights(small_model, None, "k")
    assert source.file is not None
    state = randomize(
        load_file(source.file), random_model(source, 7, "k").state_dict(), ["layers.2.blocks.1"]
    )
    shutil.copytree(Path(source.file).parent, tmp_path / "damaged")
    save_file(state, tmp_path / "damaged" / "model.safetensors")
    found = night(f"models.small={{weights: 'local-dir:{tmp_path}/damaged'}}")
    assert {"similarity", "distance", "box_sums", "deletions"} <= failed(found)
    assert any("weights of trained" in what for what in changed(found))
    assert not any("random-3" in what for what in changed(found))


def test_classes_that_were_swapped(night: Night) -> None:
    found = night("targets={eagle: 1, magpie: 0}", TRAINED)
    assert {"probabilities", "box_signs", "localization"} <= failed(found)
    assert "predictions" not in failed(found)
    assert {"index of target eagle (small)", "index of target magpie (small)"} <= set(changed(found))


def test_a_wrong_mean_of_preprocessing(tmp_path: Path, small_model: str, night: Night) -> None:
    shutil.copytree(small_model.removeprefix("local-dir:"), tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["pretrained_cfg"]["mean"] = [0.485, 0.456, 0.406]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    found = night(f"models.small={{weights: 'local-dir:{tmp_path}/model'}}", TRAINED)
    assert {"probabilities", "similarity"} <= failed(found)
    assert "preprocessing.mean (all variants)" in changed(found)


def test_images_that_were_replaced(tmp_path: Path, folder: Path, night: Night) -> None:
    write_scenes(tmp_path / "other", IMAGES, first_seed=21, kind="double")
    shutil.copytree(folder / "scenes", tmp_path / "scenes")
    for number in range(IMAGES):
        shutil.copy(tmp_path / f"other/scene-{21 + number}.png", tmp_path / f"scenes/scene-{1 + number}.png")
    found = night(f"images={{root: {tmp_path}/scenes, boxes: {tmp_path}/scenes/boxes.csv}}", TRAINED)
    assert {"probabilities", "localization", "similarity"} <= failed(found)
    assert any(f"content of {IMAGES} images" in what for what in changed(found))


def test_a_baseline_of_another_colour(night: Night) -> None:
    found = night("attribution.baseline=white", TRAINED)
    assert {"similarity", "distance"} <= failed(found)
    assert {"predictions", "probabilities"}.isdisjoint(failed(found))
    assert "baseline (all variants)" in changed(found)
