"""The Ray stage on real actors and real files: whole, resumed, grown, and with workers killed."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from igbatch import open_study
from igbatch.attribution import PRECISIONS
from igbatch.birds.scenes import write_scenes
from igbatch.errors import InputError, UnfinishedError, WorkerError
from igbatch.pipeline.cluster import Workers
from igbatch.pipeline.driver import AttributionDriver
from igbatch.pipeline.messages import CALIBRATION_IMAGES, Calibration, RunSummary
from igbatch.pipeline.run import plan_study, run_stage
from igbatch.pipeline.study_output import open_output
from igbatch.results import StudyResults
from igbatch.store.output import Output
from igbatch.study_file import load_study

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_workers")]
KEY = ["variant_id", "image_id", "target"]
OWN = ["histogram", "attempt", "attributions_bytes", "box_stats_bytes", "quarantine_bytes"]
CALIBRATION = Calibration("float32", 0.0, micro_batch=4)
TRAINED = "variants=[{kind: trained}]"
ADAPTIVE = [TRAINED, "attribution.steps=auto", "attribution.tolerance=0.3", "run.threads=1"]


class Recorder:
    """A listener that keeps the last summary, and the lines of the run."""

    def __init__(self, interrupts: bool = False) -> None:
        self.run, self.lines, self.interrupts = RunSummary(), list[str](), interrupts

    def __call__(self, run: RunSummary) -> None:
        self.run = run
        if self.interrupts and run.shards:  # somebody presses Ctrl-C
            raise KeyboardInterrupt


def interrupt(study: Path, out: Path, *overrides: str) -> list[str]:
    """Run a study until its first shard is committed; return its lines."""
    listener = Recorder(interrupts=True)
    with pytest.raises(UnfinishedError, match="interrupted; what is committed is kept"):
        run_stage(load_study(study, overrides), Output(str(out)), listener, say=listener.lines.append)
    assert len(open_study(str(out)).image_stats) > 0
    assert not open_study(str(out)).complete
    return listener.lines


def calibration_on(out: Path) -> dict[str, Any]:
    """What `auto` came to on CPUs, as `study.json` has it."""
    found: dict[str, Any] = json.loads((out / "study.json").read_text())["calibrations"].get("cpu", {})
    return found


def run(study: Path, out: Path, *overrides: str, **how: Any) -> tuple[RunSummary, Recorder]:
    recorder = Recorder()
    outcome = run_stage(
        load_study(study, overrides), Output(str(out)), recorder, say=recorder.lines.append, **how
    )
    return outcome, recorder


def numbers(results: StudyResults) -> pd.DataFrame:
    return results.image_stats.sort_values(KEY).reset_index(drop=True).drop(columns=OWN)


def assert_same_bits(ours: StudyResults, theirs: StudyResults) -> None:
    pd.testing.assert_frame_equal(numbers(ours), numbers(theirs), check_exact=True)
    for key in ours.image_stats[KEY].itertuples(index=False):
        assert ours.attribution(*key).tobytes() == theirs.attribution(*key).tobytes()


@pytest.fixture(scope="module")
def finished(
    warm_workers: None, tmp_path_factory: pytest.TempPathFactory, small_content: dict[str, Any]
) -> tuple[Path, Path, Recorder]:
    """The small study, run once without disturbance: study file, output, and its listener."""
    folder = tmp_path_factory.mktemp("finished")
    study = folder / "tiny.yaml"
    study.write_text(yaml.safe_dump(small_content))
    _, recorder = run(study, folder / "out")
    return study, folder / "out", recorder


def test_every_row_is_there_once(finished: tuple[Path, Path, Recorder]) -> None:
    _, out, recorder = finished
    results = open_study(str(out))
    assert results.complete
    assert len(results.image_stats) == 2 * 3 * 2 == len(results.image_stats.drop_duplicates(KEY))
    assert recorder.run.images == recorder.run.total == 6
    assert len(results.quarantine) == 0


def test_statistics_are_those_of_the_stored_maps(finished: tuple[Path, Path, Recorder]) -> None:
    results = open_study(str(finished[1]))
    for row in results.image_stats.itertuples():
        stored = results.attribution(row.variant_id, row.image_id, row.target)
        assert stored.dtype == np.float32
        assert row.minimum == stored.min()
        assert row.maximum == stored.max()
        assert row.sum == pytest.approx(stored.sum(dtype=np.float64), abs=1e-12)
        delta = row.sum - (row.score - row.score_baseline)
        assert row.convergence_delta == pytest.approx(delta, abs=1e-15)


def test_joint_ranges_hold_every_map(finished: tuple[Path, Path, Recorder]) -> None:
    results = open_study(str(finished[1]))
    whole = results.ranges[results.ranges["scope"] == "dataset"].iloc[0]
    assert whole["minimum"] == results.image_stats["minimum"].min()
    assert whole["maximum"] == results.image_stats["maximum"].max()
    assert whole["complete"]
    assert whole["n_maps"] == len(results.image_stats)


def test_a_finished_study_computes_nothing(finished: tuple[Path, Path, Recorder]) -> None:
    study, out, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("image_stats/**/*.parquet")}
    outcome, recorder = run(study, out)
    assert outcome.rows == 0
    assert recorder.run.images == 0
    assert any("nothing to compute" in line for line in recorder.lines)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("image_stats/**/*.parquet")} == before


def test_what_the_report_shows_is_noted_and_nothing_is_reduced_again(
    finished: tuple[Path, Path, Recorder],
) -> None:
    study, out, _ = finished
    first, _ = run(study, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    other, recorder = run(study, out, "report.others=random")
    assert other.state != first.state
    assert recorder.run.images == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == before
    assert open_study(str(out)).study.report.others == "random"
    again, _ = run(study, out)
    assert again.state == first.state


def test_shards_of_another_size_give_the_same_bits(
    finished: tuple[Path, Path, Recorder], tmp_path: Path
) -> None:
    study, out, _ = finished
    run(study, tmp_path / "out", "run.shard_images=3", "run.workers=1", "run.threads=1")
    ours, theirs = open_study(str(out)), open_study(str(tmp_path / "out"))
    assert calibration_on(out) == calibration_on(tmp_path / "out")
    assert_same_bits(ours, theirs)


def test_growing_computes_only_what_is_new(small_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(small_study, out, "targets=[magpie]", "variants=[{kind: trained}]")
    first = numbers(open_study(str(out)))
    files = sorted(path for path in out.rglob("attributions/**/*.parquet"))
    more = "images.scenes=[{kind: double, seeds: [9, 1, 2]}, {kind: single, label: magpie, seeds: [5]}]"
    outcome, _ = run(small_study, out, more)
    results = open_study(str(out))
    assert results.complete
    assert outcome.rows == len(results.image_stats) - len(first)
    assert set(files) <= set(out.rglob("attributions/**/*.parquet"))
    same = first.merge(numbers(results), on=KEY, suffixes=("", "_now"))
    assert len(same) == len(first)
    assert (same["sum"] == same["sum_now"]).all()


def test_removed_images_vanish_from_every_table(small_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(small_study, out, "variants=[{kind: trained}]")
    outcome, _ = run(
        small_study, out, "variants=[{kind: trained}]", "images.scenes=[{kind: double, seeds: [2]}]"
    )
    results = open_study(str(out))
    assert outcome.rows == 0
    for table in (results.image_stats, results.box_stats, results.images):
        assert set(table["image_id"]) == {"double-00002"}
    assert results.ranges["n_maps"].tolist() == [2, 2]


def test_another_rule_is_refused_with_the_difference(finished: tuple[Path, Path, Recorder]) -> None:
    study, out, _ = finished
    with pytest.raises(InputError, match=r"computed with rule gauss-legendre, the study now says midpoint"):
        run(study, out, "attribution.rule=midpoint")
    assert open_study(str(out)).complete


def test_a_fault_of_the_program_stops_the_run_and_leaves_its_traceback(
    small_study: Path, tmp_path: Path
) -> None:
    output = Output(str(tmp_path / "out"))
    plan = plan_study(load_study(small_study), output)
    open_output(output, plan.resolved, plan.images)
    with pytest.raises(WorkerError, match=r"a worker failed: .*error\.txt"):
        AttributionDriver(
            plan, output, Workers(1, 1, "cpu"), replace(CALIBRATION, arithmetic_error=-1.0), Recorder()
        ).run()
    assert "Traceback" in (tmp_path / "out" / "error.txt").read_text()


def test_what_a_worker_finds_wrong_with_the_study_ends_as_that(small_study: Path, tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    plan = plan_study(load_study(small_study), output)
    open_output(output, plan.resolved, plan.images)
    object.__setattr__(plan.resolved, "baseline", "mauve")
    with pytest.raises(InputError, match="mauve"):
        AttributionDriver(plan, output, Workers(1, 1, "cpu"), CALIBRATION, Recorder()).run()


def test_broken_images_are_quarantined_and_retried_on_request(
    scene_folder: Path, tmp_path: Path, small_model: str
) -> None:
    study = tmp_path / "folder.yaml"
    content = {
        "name": "folder", "images": {"root": str(scene_folder), "boxes": str(scene_folder / "boxes.csv")},
        "models": {"small": {"weights": small_model}}, "targets": ["eagle", "label"],
        "attribution": {"steps": 2, "micro_batch": 2}, "run": {"workers": 1},
    }  # fmt: skip
    study.write_text(yaml.safe_dump(content))
    victim = scene_folder / "scene-41.png"
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    _, recorder = run(study, tmp_path / "out")
    results = open_study(str(tmp_path / "out"))
    assert recorder.run.quarantined == 2
    assert results.quarantine["image_id"].tolist() == ["scene-41.png"]
    assert not results.complete
    assert not results.ranges["complete"].any()
    stamp = victim.stat().st_mtime_ns
    assert run(study, tmp_path / "out")[0].rows == 0
    victim.write_bytes(whole[: len(whole) // 2])
    os.utime(victim, ns=(stamp, stamp))
    assert run(study, tmp_path / "out", retry_quarantined=True)[1].run.quarantined == 2
    victim.write_bytes(whole)
    outcome, recorder = run(study, tmp_path / "out")
    assert (outcome.rows, recorder.run.quarantined) == (2, 0)
    assert open_study(str(tmp_path / "out")).complete
    assert len(open_study(str(tmp_path / "out")).quarantine) == 0


# What `auto` comes to


@pytest.fixture(scope="module")
def adaptive(finished: tuple[Path, Path, Recorder], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the small study's trained variant at adaptive steps: two workers, a shard an image."""
    out = tmp_path_factory.mktemp("adaptive") / "out"
    run(finished[0], out, *ADAPTIVE, "run.workers=2")
    return out


def test_adaptive_steps_end_within_the_tolerance(adaptive: Path) -> None:
    results = open_study(str(adaptive))
    assert results.complete
    stats = results.image_stats
    assert stats["converged"].all()
    assert (stats["map_error"] <= 0.3 + 1e-6 / stats["abs_sum"]).all()
    assert stats["steps"].nunique() > 1
    assert results.record["fingerprint"]["trained"]["steps"] == "auto"


def test_adaptive_maps_are_the_same_bits_from_one_worker_and_one_shard(
    finished: tuple[Path, Path, Recorder], adaptive: Path, tmp_path: Path
) -> None:
    run(finished[0], tmp_path / "out", *ADAPTIVE, "run.workers=1", "run.shard_images=3")
    assert len(list((tmp_path / "out").glob("image_stats/*/*.parquet"))) == 1
    assert_same_bits(open_study(str(adaptive)), open_study(str(tmp_path / "out")))


def test_adaptive_maps_are_the_same_bits_after_an_interruption(
    finished: tuple[Path, Path, Recorder], adaptive: Path, tmp_path: Path
) -> None:
    interrupt(finished[0], tmp_path / "out", *ADAPTIVE, "run.workers=1")
    calibration = calibration_on(tmp_path / "out")
    outcome, _ = run(finished[0], tmp_path / "out", *ADAPTIVE, "run.workers=1", "run.shard_images=2")
    assert 0 < outcome.rows < open_study(str(tmp_path / "out")).expected_rows
    assert calibration_on(tmp_path / "out") == calibration
    assert_same_bits(open_study(str(adaptive)), open_study(str(tmp_path / "out")))


def test_what_auto_came_to_is_kept_and_used_again_whatever_would_be_measured_now(
    small_study: Path, tmp_path: Path
) -> None:
    """Float64 is no candidate: no measurement would choose it."""
    out = tmp_path / "out"
    choice = [TRAINED, "attribution.precision=auto", "attribution.micro_batch=auto", "run.threads=1"]
    limits = ["attribution.steps=2", "attribution.tolerance=0.2", "run.workers=1"]
    lines = interrupt(small_study, out, *choice, *limits)
    calibration = calibration_on(out)
    assert calibration["precision"] in PRECISIONS
    assert calibration["arithmetic_error"] <= 0.2 / 2
    assert calibration["micro_batch"] % 4 == 0
    assert [reason.split()[0] for reason in calibration["reasons"]][:2] == ["precision", "micro_batch"]
    assert set(calibration["reasons"]) <= set(lines)
    before = open_study(str(out)).image_stats
    assert set(before["precision"]) == {calibration["precision"]}
    record = json.loads((out / "study.json").read_text())
    record["calibrations"]["cpu"]["precision"] = "float64"
    (out / "study.json").write_text(json.dumps(record))
    _, recorder = run(small_study, out, *choice, *limits)
    results = open_study(str(out))
    assert results.complete
    old = results.image_stats["image_id"].isin(set(before["image_id"]))
    assert set(results.image_stats.loc[old, "precision"]) == {calibration["precision"]}
    assert set(results.image_stats.loc[~old, "precision"]) == {"float64"}
    assert calibration_on(out) == {**calibration, "precision": "float64"}
    assert not set(calibration["reasons"]) & set(recorder.lines)


def test_unusable_first_images_do_not_stop_calibration(tmp_path: Path, small_model: str) -> None:
    folder = tmp_path / "pictures"
    write_scenes(folder, 1, first_seed=40, kind="single")
    (folder / "scene-40.png").rename(folder / "z.png")
    for number in range(CALIBRATION_IMAGES + 1):
        (folder / f"broken-{number}.png").write_bytes(b"no picture")
    study, out = folder_study(tmp_path, small_model), tmp_path / "out"
    run(study, out, "attribution.precision=auto", "attribution.tolerance=0.2", "run.shard_images=1")
    results = open_study(str(out))
    calibration = calibration_on(out)
    assert calibration["reasons"][0].startswith(f"precision {calibration['precision']}: ")
    assert set(results.image_stats["precision"]) == {calibration["precision"]}
    assert set(results.image_stats["image_id"]) == {"z.png"}
    assert len(results.quarantine) == CALIBRATION_IMAGES + 1


def test_a_study_without_a_usable_image_ends_in_quarantine_and_is_calibrated_later(
    scene_folder: Path, tmp_path: Path, small_model: str
) -> None:
    whole = {path: path.read_bytes() for path in scene_folder.glob("*.png")}
    for path in whole:
        path.write_bytes(b"no picture")
    study, out = folder_study(scene_folder.parent, small_model, scene_folder.name), tmp_path / "out"
    outcome, recorder = run(study, out, "attribution.precision=bfloat16")
    assert (outcome.rows, recorder.run.quarantined) == (0, open_study(str(out)).expected_rows)
    assert set(open_study(str(out)).quarantine["image_id"]) == {path.name for path in whole}
    assert calibration_on(out) == {}
    for path, content in whole.items():
        path.write_bytes(content)
    run(study, out, "attribution.precision=bfloat16")
    results = open_study(str(out))
    assert results.complete
    assert set(results.image_stats["precision"]) == {"bfloat16"} == {calibration_on(out)["precision"]}
    assert calibration_on(out)["arithmetic_error"] > 0


def folder_study(folder: Path, model: str, root: str = "pictures") -> Path:
    """A study of the trained model and one step, of the images of a folder."""
    content = {
        "name": "folder", "images": {"root": root}, "models": {"small": {"weights": model}},
        "targets": ["eagle"], "attribution": {"steps": 1, "micro_batch": 4}, "run": {"workers": 1},
    }  # fmt: skip
    path = folder / "folder.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
