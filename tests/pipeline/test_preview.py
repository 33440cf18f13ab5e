"""What `igbatch plan` says that a run would settle: known or measured, and nothing written."""

from pathlib import Path

import pytest
import torch

from igbatch.errors import InputError
from igbatch.pipeline.opening import existing_study, keep_settled, open_output
from igbatch.pipeline.preview import Preview, preview
from igbatch.pipeline.reports import Hardware, Settled
from igbatch.pipeline.run import plan_study
from igbatch.store.output import Output
from igbatch.study_file import load_study

SETTLED = Settled("bfloat16", 0.003, 24, ("precision bfloat16: fast",))
CPU = ["variants=[{kind: trained}]", "run.device=cpu", "attribution.steps=2"]


def look(study: Path, out: Path, *overrides: str) -> Preview:
    output = Output(str(out))
    plan = plan_study(load_study(study, [*CPU, *overrides]), output)
    return preview(plan, existing_study(output))


def test_what_no_run_has_settled_is_measured_and_not_written(tiny_study: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    found = look(tiny_study, tmp_path / "out", "attribution.micro_batch=auto", "run.threads=1")
    assert not found.known
    assert (found.device, found.threads) == ("cpu", 1)
    assert found.settled is not None
    assert found.settled.precision == "float32"
    assert found.settled.micro_batch >= 4
    assert torch.get_num_threads() == threads
    assert not (tmp_path / "out").exists()


def test_what_an_earlier_run_settled_is_told_and_not_measured(tiny_study: Path, tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    plan = plan_study(load_study(tiny_study, CPU), output)
    record = open_output(output, plan.resolved, plan.images)
    keep_settled(output, record, "cpu", Hardware("n", "cpu", "p", 3), SETTLED)
    before = {info.path: output.read(info.path) for info in output.files()}
    found = look(tiny_study, tmp_path / "out")
    assert (found.device, found.threads, found.settled, found.known) == ("cpu", 3, SETTLED, True)
    assert {info.path: output.read(info.path) for info in output.files()} == before


def test_a_trial_tells_nodes_bytes_and_time_of_each_kind(tiny_study: Path, tmp_path: Path) -> None:
    kinds = "variants=[{kind: trained}, {kind: random, seeds: [1, 2]}]"
    found = look(tiny_study, tmp_path / "out", "run.threads=1", kinds, "store.maps={sample: 1}")
    assert [(trial.model, trial.kind) for trial in found.trials] == [
        ("small", "trained"),
        ("small", "random"),
    ]
    for trial in found.trials:
        assert trial.images == 3
        assert trial.nodes == 2
        assert trial.seconds > 0
        assert 50_000 < trial.map_bytes < 4 * 224**2 + 20_000
        assert trial.row_bytes > 0
    none = look(tiny_study, tmp_path / "out", "run.threads=1", "store.maps=none")
    assert [trial.map_bytes for trial in none.trials] == [0.0]
    assert not (tmp_path / "out").exists()


def test_another_kind_of_device_settles_for_itself(tiny_study: Path, tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    plan = plan_study(load_study(tiny_study, CPU), output)
    record = open_output(output, plan.resolved, plan.images)
    keep_settled(output, record, "cuda", Hardware("n", "cuda", "p", 3), SETTLED)
    found = look(tiny_study, tmp_path / "out", "run.threads=1")
    assert not found.known
    assert found.settled is not None
    assert found.settled.precision == "float32"


def test_images_that_cannot_be_used_leave_it_open(
    tiny_study: Path, scene_folder: Path, tmp_path: Path
) -> None:
    for path in scene_folder.glob("*.png"):
        path.write_bytes(b"no picture")
    found = look(tiny_study, tmp_path / "out", f"images={{root: {scene_folder}}}")
    assert found.settled is None
    assert not found.known
    assert found.trials == ()


def test_a_gpu_that_this_machine_does_not_have_is_refused(
    tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("igbatch.pipeline.devices.why_no_gpu", lambda: "there is none")
    with pytest.raises(
        InputError, match=r"^run\.device: cuda: no GPU on .* \(there is none\): plan .* --no-trial"
    ):
        look(tiny_study, tmp_path / "out", "run.device=cuda")
