"""Faithfulness of a sample: measured once, found again, of the study's own maps; one test needs Ray."""

import shutil
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from igbatch import open_study
from igbatch.attribution import AttributionError, integrated_gradients
from igbatch.attribution.faithfulness import Draws
from igbatch.attribution.smoothing import copy_noise
from igbatch.errors import InputError
from igbatch.images.selection import select_images
from igbatch.pipeline import faithfulness_measurer as measuring
from igbatch.pipeline import part_measurer, sampled
from igbatch.pipeline.messages import Calibration, SamplePart, Skipped
from igbatch.pipeline.part_measurer import group_size
from igbatch.pipeline.plan import Plan
from igbatch.pipeline.reduction_state import state_of
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.pipeline.run import plan_study, run_stage
from igbatch.pipeline.sampled import FAITHFULNESS, find_parts, lots, measure_parts, measure_sample
from igbatch.pipeline.study_output import keep_study, open_output
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.store.verify import verify
from igbatch.study import SeededSample
from igbatch.study_file import load_study
from igbatch.variants.models import load_trained

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
CALIBRATION = Calibration("float32", 0.0, micro_batch=4)
SECTION = {"images": {"sample": 1}, "perturbations": 2, "radius": 0.005}
STUDY: dict[str, Any] = {
    "name": "faithful",
    "images": {"scenes": [{"kind": "double", "seeds": [1, 2]}]},
    "targets": ["predicted", "magpie"],
    "variants": [{"kind": "trained"}, {"kind": "random", "seeds": [3]}],
    "attribution": {"steps": 1, "rule": "midpoint", "micro_batch": 4},
    "audit": {"faithfulness": SECTION},
}
Compute = Callable[..., Output]


class Measuring:
    """Measures in this process, records its parts, and fails where `failure` says so."""

    def __init__(self, calibration: Calibration = CALIBRATION) -> None:
        self.calibration, self.measured = calibration, list[tuple[str, str]]()

    def __call__(
        self, output: Output, resolved: ResolvedStudy, parts: Sequence[SamplePart], address: str | None
    ) -> list[Skipped]:
        self.measured += [(part.spec.variant_id, part.image.image_id) for part in parts]
        return measure_parts(resolved, output, "cpu", 1, self.calibration, parts)


def planned(study: Path, output: Output, *overrides: str) -> Plan:
    return plan_study(load_study(study, overrides), output)


def measure_here(output: Output, resolved: ResolvedStudy, state: str, **how: Any) -> list[tuple[str, str]]:
    """Measure what is missing in this process; return the pairs that were."""
    here = Measuring()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampled, "on_cluster", here)
        measure_sample(FAITHFULNESS, output, resolved, state, **how)
    return here.measured


def measure(study: Path, output: Output, *overrides: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Measure what is missing; return the pairs that were, and the lines of the run."""
    plan, lines = planned(study, output, *overrides), list[str]()
    keep_study(output, plan.resolved, plan.images)
    return measure_here(output, plan.resolved, state_of(plan), say=lines.append), lines


@pytest.fixture(scope="module")
def content(small_model: str) -> dict[str, Any]:
    return {**STUDY, "models": {"small": {"weights": small_model}}}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> Path:
    path = tmp_path_factory.mktemp("faithful") / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def computed_once(study: Path, tmp_path_factory: pytest.TempPathFactory, compute_study: Compute) -> Output:
    return compute_study(study, tmp_path_factory.mktemp("computed") / "out")


@pytest.fixture
def output(computed_once: Output, tmp_path: Path) -> Output:
    """The study computed and reduced, and nothing measured."""
    shutil.copytree(computed_once.uri, tmp_path / "out")
    return Output(str(tmp_path / "out"))


def test_what_is_measured_is_found_again_and_a_change_measures_only_what_changed(
    study: Path, output: Output
) -> None:
    pairs, lines = measure(study, output)
    taken = select_images(SeededSample(sample=1), Reader(output).listing.image_ids)
    (first,) = Reader(output).listing.image_ids.take(np.flatnonzero(taken)).to_pylist()
    (second,) = {"double-00001", "double-00002"} - {first}
    assert pairs == [("trained", first)]
    assert lines == ["faithfulness of 1 (image, variant) pairs: 1 measured, 0 stood from before"]

    results = open_study(output.uri)
    table = results.faithfulness
    assert output.read_table(output.path(FAITHFULNESS.file)).schema.equals(schemas.FAITHFULNESS)
    assert table[["variant_id", "image_id", "target"]].to_numpy().tolist() == [
        ["trained", first, "predicted"],
        ["trained", first, "magpie"],
    ]
    indices = results.rows_of([first], variant_id="trained").set_index("target")["target_index"]
    assert table.set_index("target")["target_index"].to_dict() == indices.to_dict()
    assert (table[["infidelity", "squared_change", "sensitivity"]] > 0).all().all()
    assert verify(output).problems == []

    assert measure(study, output) == ([], [])  # also what an audit says changes nothing
    assert measure(study, output, "audit.webhook={variable: CHAT}") == ([], [])

    grown, lines = measure(study, output, "audit.faithfulness.images.sample=2")
    assert grown == [("trained", second)]
    assert lines[-1].endswith("1 measured, 1 stood from before")
    more = "audit.faithfulness.variants=[trained, random-3]"
    assert measure(study, output, more)[0] == [("random-3", first)]
    assert set(open_study(output.uri).faithfulness["variant_id"]) == {"trained", "random-3"}

    again, _ = measure(study, output, "audit.faithfulness.radius=0.01")
    assert again == [("trained", first)]
    wider = open_study(output.uri).faithfulness
    assert np.array_equal(wider["infidelity"], table["infidelity"])  # the same squares, measured again
    assert (wider["sensitivity"] > table["sensitivity"]).all()
    assert len(output.files("faithfulness")) == 1  # what no row comes from any more is gone


def test_a_new_run_leaves_out_what_was_measured_of_removed_targets_and_variants(
    study: Path, output: Output
) -> None:
    both = "audit.faithfulness.variants=[trained, random-3]"
    measure(study, output, both)
    before = open_study(output.uri).faithfulness
    assert set(before["target"]) == {"predicted", "magpie"}
    assert set(before["variant_id"]) == {"trained", "random-3"}
    smaller = ["targets=[magpie]", "variants=[{kind: trained}]"]
    plan = planned(study, output, *smaller)
    open_output(output, plan.resolved, plan.images)
    assert measure(study, output, *smaller)[0] == [("trained", before["image_id"][0])]
    after = open_study(output.uri).faithfulness
    assert set(after["target"]) == {"magpie"}
    assert set(after["variant_id"]) == {"trained"}


def test_without_the_section_nothing_is_written_and_nothing_removed(study: Path, output: Output) -> None:
    with pytest.raises(InputError, match=r"audit: \{faithfulness: \{\}\}"):
        _ = open_study(output.uri).faithfulness
    assert measure(study, output, "audit.faithfulness=null") == ([], [])
    assert not output.exists(output.path(FAITHFULNESS.file))
    measure(study, output)
    before = output.read(output.path(FAITHFULNESS.file))
    assert measure(study, output, "audit.faithfulness=null") == ([], [])
    assert output.read(output.path(FAITHFULNESS.file)) == before


def test_an_image_that_fails_is_skipped_with_a_reason_and_tried_again(
    tmp_path: Path, scene_folder: Path, compute_study: Compute, content: dict[str, Any]
) -> None:
    changed = {**content, "images": {"root": str(scene_folder)}, "variants": [{"kind": "trained"}]}
    changed["audit"] = {"faithfulness": {**SECTION, "images": {"sample": 2}}}
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(changed))
    output = compute_study(study, tmp_path / "out")
    plan = planned(study, output)
    lost = next(find_parts(Reader(output), plan.resolved, FAITHFULNESS)).image.image_id
    data = (scene_folder / lost).read_bytes()
    (scene_folder / lost).unlink()

    def run() -> list[str]:
        lines: list[str] = []
        measure_here(output, plan.resolved, "state", say=lines.append)
        return lines

    reason, count = run()
    assert reason.startswith(f"faithfulness: trained/{lost}: the file is gone")
    assert count.endswith("of 1 (image, variant) pairs: 1 measured, 0 stood from before")
    assert lost not in set(open_study(output.uri).faithfulness["image_id"])
    (scene_folder / lost).write_bytes(data + b"\0")  # the same picture, in another file
    assert "the file has changed since its maps were computed" in run()[0]
    (scene_folder / lost).write_bytes(data)
    assert run() == ["faithfulness of 2 (image, variant) pairs: 1 measured, 1 stood from before"]
    assert run() == []


def of_both_images(output: Output, study: Path, *overrides: str) -> pd.DataFrame:
    """Measure both images of the study anew; return the table."""
    for info in (
        *output.files("faithfulness"),
        *(each for each in output.files() if each.base_name == FAITHFULNESS.file),
    ):
        output.delete(info.path)
    pairs, _ = measure(study, output, "audit.faithfulness.images.sample=2", *overrides)
    assert len(pairs) == 2
    return open_study(output.uri).faithfulness


@pytest.mark.parametrize("reproducible", ["shard", "image"])
def test_images_measured_together_have_the_numbers_of_each_alone(
    study: Path,
    tmp_path: Path,
    compute_study: Compute,
    monkeypatch: pytest.MonkeyPatch,
    reproducible: str,
) -> None:
    overrides = (f"attribution.reproducible={reproducible}", "variants=[{kind: trained}]")
    output = compute_study(study, tmp_path / "out", *overrides)
    assert group_size(16, rows=3, targets=2) > 2
    together = of_both_images(output, study, *overrides)
    monkeypatch.setattr(part_measurer, "GROUP_IMAGES", 1)
    alone = of_both_images(output, study, *overrides)
    exact = {"check_exact": True} if reproducible == "image" else {"rtol": 1e-4}
    pd.testing.assert_frame_equal(together, alone, **exact)


def test_groups_are_of_as_many_images_as_fill_micro_batches_within_limits() -> None:
    assert group_size(512, rows=11, targets=2) == 46  # 506 rows of 512
    assert group_size(32, rows=11, targets=2) == 2
    assert group_size(32, rows=1001, targets=2) == 1
    assert group_size(16384, rows=2, targets=1) == part_measurer.GROUP_IMAGES
    assert group_size(512, rows=11, targets=10) * 10 <= part_measurer.GROUP_MAPS
    assert group_size(512, rows=11, targets=1000) == 1


@pytest.mark.parametrize("failure", ["raised", "not finite"])
def test_an_image_that_fails_takes_no_other_of_its_group_along(
    study: Path, output: Output, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    whole = measuring.infidelity
    groups: list[list[str]] = []
    held: list[weakref.ref[Any]] = []

    def failing(model: Any, examples: Any, maps: Any, settings: Any, draws: Any, limit: Any) -> Any:
        ids = [each.image_id for each in draws]
        groups.append(ids)
        held.append(weakref.ref(examples[0]))
        assert held[0]() is None or len(held) == 1  # what failed together is gone from the device
        if failure == "raised" and "double-00001" in ids:
            raise AttributionError("logits of another model")
        found = whole(model, examples, maps, settings, draws, limit)
        return [
            (missed * (np.nan if image_id == "double-00001" else 1), change)
            for image_id, (missed, change) in zip(ids, found, strict=True)
        ]

    monkeypatch.setattr(measuring, "infidelity", failing)
    _, lines = measure(study, output, "audit.faithfulness.images.sample=2")
    reason = {"raised": "logits of another model", "not finite": "infidelity or sensitivity is not finite"}
    assert lines[0].startswith(f"faithfulness: trained/double-00001: {reason[failure]}")
    assert lines[1].endswith("of 1 (image, variant) pairs: 1 measured, 0 stood from before")
    assert set(open_study(output.uri).faithfulness["image_id"]) == {"double-00002"}
    both = ["double-00001", "double-00002"]
    assert groups == ([both, *([each] for each in both)] if failure == "raised" else [both])


def test_numbers_are_of_the_studys_own_maps_smoothed_ones_too(
    study: Path, tmp_path: Path, compute_study: Compute
) -> None:
    smoothing = {"samples": 2, "noise": 0.1, "seed": 5}
    overrides = (
        "images.scenes=[{kind: double, seeds: [1]}]",
        "variants=[{kind: trained}]",
        f"attribution.smoothing={smoothing}",
    )
    output = compute_study(study, tmp_path / "out", *overrides)
    measure(study, output, *overrides)
    row = open_study(output.uri).faithfulness.set_index("target").loc["magpie"]
    results, image_id = open_study(output.uri), "double-00001"
    model = load_trained(planned(study, output, *overrides).resolved.models["small"].source, "x")
    pixels = results.pixels(image_id)
    config = results.record["models"]["small"]["data_config"]
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))

    def explained(around: np.ndarray) -> np.ndarray:
        noisy = [around + copy_noise(pixels.shape, 0.1, 5, image_id, copy) for copy in range(2)]
        images = (torch.from_numpy(np.stack(noisy)).permute(0, 3, 1, 2) - mean) / std
        gray = ((torch.full((3, 1, 1), 0.5) - mean) / std).expand(images.shape[1:])
        how = {"rule": "midpoint", "steps": 1, "micro_batch": 4}
        maps = integrated_gradients(model, images, [int(row["target_index"])], gray, **how).attributions
        return maps[:, 0].mean(0).double().numpy()

    stored = explained(pixels)
    assert np.allclose(stored, results.attribution("trained", image_id, "magpie"), atol=1e-6)
    draws = Draws(image_id, 0, 2)
    moved = [explained(pixels + 0.005 * noise.transpose(1, 2, 0)) for noise in draws.noise((3, 56, 56))]
    farthest = max(np.linalg.norm(each - stored) for each in moved) / np.linalg.norm(stored)
    assert np.isclose(row["sensitivity"], farthest, rtol=1e-3)

    normalized = (torch.from_numpy(pixels).permute(2, 0, 1) - mean) / std
    gray = ((torch.full((3, 1, 1), 0.5) - mean) / std).expand(normalized.shape)
    patches = list(draws.patches(56, 56))
    images = torch.stack(
        [normalized, *(torch.where(torch.from_numpy(patch), gray, normalized) for patch in patches)]
    )
    with torch.no_grad():
        scores = model(images).double().softmax(1)[:, int(row["target_index"])].numpy()
    losses, sums = scores[0] - scores[1:], np.array([stored[patch].sum() for patch in patches])
    assert np.isclose(row["squared_change"], np.mean(losses**2), rtol=1e-3)
    assert np.isclose(row["infidelity"], np.mean((sums - losses) ** 2), rtol=1e-3)


def test_lots_hold_one_variant_and_share_its_images_among_workers(study: Path, output: Output) -> None:
    overrides = ("audit.faithfulness.images.sample=2", "audit.faithfulness.variants=all")
    resolved = planned(study, output, *overrides).resolved
    parts = list(find_parts(Reader(output), resolved, FAITHFULNESS))
    for workers, sizes in ((1, [2, 2]), (2, [1, 1, 1, 1]), (8, [1, 1, 1, 1])):
        cut = list(lots(parts, workers))
        assert [len(lot) for lot in cut] == sizes
        assert [part for lot in cut for part in lot] == parts
        assert all(len({part.spec.variant_id for part in lot}) == 1 for lot in cut)
    another = planned(study, output, *overrides, "audit.faithfulness.radius=0.5").resolved
    names = {part.name for part in parts}
    assert len(names) == 4
    assert not names & {part.name for part in find_parts(Reader(output), another, FAITHFULNESS)}


def test_an_unknown_variant_is_refused(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"audit.faithfulness.variants: 'trianed' .* did you mean `trained`"):
        planned(study, Output(str(tmp_path / "new")), "audit.faithfulness.variants=[trianed]")


@pytest.mark.usefixtures("local_ray")
def test_a_finished_study_is_measured_on_the_cluster_and_once(study: Path, output: Output) -> None:
    plan = planned(study, output)
    measure_here(output, plan.resolved, state_of(plan))
    here = open_study(output.uri).faithfulness
    for info in (
        *output.files("faithfulness"),
        *(each for each in output.files() if each.base_name == FAITHFULNESS.file),
    ):
        output.delete(info.path)

    lines: list[str] = []
    outcome = run_stage(load_study(study), output, say=lines.append)
    assert outcome.rows == 0
    assert lines[-1].endswith("1 measured, 0 stood from before")
    there = open_study(output.uri).faithfulness
    pd.testing.assert_frame_equal(here, there, rtol=1e-4)
    lines.clear()
    run_stage(load_study(study), output, say=lines.append)
    assert len(lines) == 1
