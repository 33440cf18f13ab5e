"""`igbatch plan`: what it prints follows from the plan and the trial, and nothing is written."""

import io
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from igbatch import forecast
from igbatch.errors import InputError
from igbatch.forecast import MAX_NAMES, Preview, Trial, describe_plan, preview
from igbatch.images.box_counts import BoxCounts
from igbatch.images.boxes import BOX_SCHEMA, SIZE_SCHEMA, BoxTable
from igbatch.pipeline.committed import DamagedCommit, PairSet
from igbatch.pipeline.messages import Calibration, Hardware
from igbatch.pipeline.plan import Plan, expected_steps, make_plan
from igbatch.pipeline.removal_passes import removal_passes
from igbatch.pipeline.resolve import ResolvedModel, ResolvedStudy
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.study_images import StudyImages
from igbatch.pipeline.study_output import existing_study, keep_calibration, open_output
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.study_file import LoadedStudy, load_study, parse_study
from igbatch.variants.specs import variant_specs
from igbatch.variants.weights import WeightsSource

pytestmark = pytest.mark.slow

FLOAT_MAP = 224 * 224 * 4
CALIBRATION = Calibration("bfloat16", 0.003, 24, ("precision bfloat16: fast", "micro_batch 24 rows: fast"))
TRAINED = Trial("m", "trained", seconds=2.0, nodes=40.0, map_bytes=3000.0, row_bytes=500.0)
RANDOM = Trial("m", "random", seconds=0.5, nodes=9.5, map_bytes=1000.0, row_bytes=300.0)
MIXED = [{"kind": "trained"}, {"kind": "random", "seeds": [1, 2]}]


def plan_of(images: int = 5, **changes: Any) -> Plan:
    """A plan of three variants and two targets over images, with no model behind it and nothing committed."""
    content = {"name": "s", "images": {"root": "r"}, "models": {"m": {}}, "targets": ["a", "b"]}
    study = parse_study({**content, "variants": MIXED, "run": {"shard_images": 2}, **changes}, "test")
    classes: dict[str, int | None] = {name: index for index, name in enumerate(study.target_names())}
    config = {"input_size": [3, 224, 224]}
    models = {
        name: ResolvedModel(name, WeightsSource("swin", None), "w", 9, {}, {}, config, classes)
        for name in study.models
    }
    resolved = ResolvedStudy(study, "gray", models, variant_specs(study, {}), study.target_names())
    rows = [{"image_id": f"i{n}", "uri": f"/i{n}", "etag": "1"} for n in range(images)]
    listed = StudyImages(pa.Table.from_pylist(rows, schema=schemas.IMAGES), None, [])
    return make_plan(resolved, listed, Output(f"memory://forecast-{time.time_ns()}"))


def found(*trials: Trial, **changes: Any) -> Preview:
    return Preview(
        **(
            {"device": "cpu", "threads": 2, "calibration": CALIBRATION, "known": False, "trials": trials}
            | changes
        )
    )


def say(plan: Plan, trial: Preview | None = None, out: str = "memory://nothing-there") -> str:
    """Return what is printed for a plan, with a trial where one is given."""
    console = Console(record=True, width=200, file=io.StringIO())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast, "plan_study", lambda loaded, output: plan)
        patch.setattr(forecast, "preview", lambda plan, record: trial)
        loaded = cast(LoadedStudy, SimpleNamespace(study=plan.resolved.study))
        describe_plan(loaded, out, console, trial=trial is not None)
    return console.export_text()


def rows(text: str) -> dict[str, str]:
    """Return the rows of a printed table, those of several lines joined; of several reasons the last."""
    table: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("│"):
            first, value = (cell.strip() for cell in line.strip("│").split("│"))
            name, value = (first, value) if first else (name, f"{table[name]} {value}")
            table[name] = value
    return table


def table_of(plan: Plan, trial: Preview | None = None) -> dict[str, str]:
    return rows(say(plan, trial))


# The work


def test_the_work_is_counted() -> None:
    table = table_of(plan_of())
    assert table["images"] == "5"
    assert table["variants"] == "3: trained, random-1, random-2"
    assert table["targets"] == "a, b"
    assert table["rows expected"] == table["rows to compute"] == "30"
    assert table["shards"] == "9 of at most 2 images"


def test_boxes_are_counted_and_what_is_odd_about_them_is_a_warning() -> None:
    plan = plan_of()
    assert "boxes" not in table_of(plan)
    counts = BoxCounts(812, 4, 5, unknown_images=117_000)
    images = replace(plan.images, box_counts=counts, warnings=["skipped: line 3: \x1b[2J"])
    text = say(replace(plan, images=images))
    assert rows(text)["boxes"] == counts.words()
    assert text.startswith(r"warning: skipped: line 3: \x1b[2J")


def test_large_numbers_are_set_in_groups() -> None:
    table = table_of(plan_of(1500, run={"shard_images": 1}))
    assert table["images"] == "1,500"
    assert table["rows expected"] == "9,000"
    assert table["shards"] == "4,500 of at most 1 images"


@pytest.mark.parametrize("count", [1, MAX_NAMES, MAX_NAMES + 1, 300])
def test_many_variants_are_abbreviated(count: int) -> None:
    table = table_of(plan_of(1, variants=[{"kind": "random", "seeds": list(range(count))}]))
    number, names = table["variants"].split(": ")
    assert number == str(count)
    shown = [f"random-{seed}" for seed in range(min(count, MAX_NAMES))]
    more = f" and {count - MAX_NAMES} more" if count > MAX_NAMES else ""
    assert names == ", ".join(shown) + more


def test_variants_of_some_images_are_reported_and_counted() -> None:
    few = {"kind": "random", "seeds": [1, 2], "images": {"sample": 2}}
    table = table_of(plan_of(variants=[{"kind": "trained"}, few]))
    assert table["images"] == "5 (2 of them for 2 of the variants)"
    assert table["rows expected"] == table["rows to compute"] == "18"
    other = {"kind": "random", "seeds": [3], "images": ["i0"]}
    table = table_of(plan_of(variants=[{"kind": "trained"}, few, other]))
    assert table["images"] == "5 (1 to 2 of them for 3 of the variants)"


def test_what_is_done_is_not_computed_again() -> None:
    plan = plan_of()
    left = np.zeros((5, 2), dtype=bool)
    left[:2, 1] = True
    none = PairSet.of(np.zeros((5, 2), dtype=bool))
    part = replace(plan, missing={"trained": PairSet.of(left), "random-1": none, "random-2": none})
    table = table_of(part, found(TRAINED))
    assert (table["rows expected"], table["rows to compute"]) == ("30", "2")
    assert table["shards"].startswith("1 of")
    assert table["passes of the models"].startswith("about 80 forward")
    assert table["maps to be written"].startswith("6.0 kB for 2 maps")
    assert table["device time"].startswith("about 0.1 minutes")


def test_a_finished_study_is_not_tried() -> None:
    plan = plan_of()
    none = PairSet.of(np.zeros((5, 2), dtype=bool))
    table = table_of(replace(plan, missing=dict.fromkeys(plan.missing, none)), found(TRAINED, RANDOM))
    assert (table["rows to compute"], table["shards"]) == ("0", "0 of at most 2 images")
    assert not {"arithmetic", "micro-batch", "device time", "statistics to be written"} & set(table)


# Passes


def passes(forward: float, backward: float, about: str = "") -> str:
    return f"{about}{forward:,.0f} forward (one a node), {about}{backward:,.0f} backward (one a target)"


def test_passes_at_fixed_steps_are_exact_whatever_the_trial_says() -> None:
    plan = plan_of(attribution={"steps": 50})
    for trial in (None, found(TRAINED, RANDOM)):
        assert table_of(plan, trial)["passes of the models"] == passes(3 * 5 * 50, 3 * 5 * 50 * 2)


def test_passes_at_adaptive_steps_are_reckoned_or_tried() -> None:
    plan = plan_of(300)
    reckoned = sum(expected_steps(spec) for spec in plan.resolved.variants) * 300
    assert table_of(plan)["passes of the models"] == passes(reckoned, 2 * reckoned, "about ")
    tried = (40 + 2 * 9.5) * 300
    table = table_of(plan, found(TRAINED, RANDOM))
    assert table["passes of the models"] == passes(tried, 2 * tried, "about ")


def test_what_faithfulness_takes_is_reported_where_it_is_requested() -> None:
    settings = {"faithfulness": {"images": {"sample": 3}, "perturbations": 8}}
    assert "faithfulness" not in table_of(plan_of())
    line = "{} (image, variant) pairs, about {} forward passes more, fewer where an earlier run measured them"
    fixed = plan_of(attribution={"steps": 50}, audit=settings)
    assert table_of(fixed)["faithfulness"] == line.format(3, f"{3 * (8 + 1) * 50:,}")
    assert table_of(plan_of(audit=settings), found(TRAINED))["faithfulness"] == line.format(3, "1,080")
    every = {"faithfulness": {**settings["faithfulness"], "images": {"sample": 99}, "variants": "all"}}
    assert table_of(plan_of(attribution={"steps": 2}, audit=every))["faithfulness"] == line.format(15, "270")


def test_passes_without_boxes_are_those_of_variants_whose_boxes_are_removed() -> None:
    assert "boxes removed" not in table_of(plan_of())
    boxes = [{"image": image, "box_id": image} for image in ("i0", "i0", "i3")]
    table = BoxTable(pa.Table.from_pylist(boxes, schema=BOX_SCHEMA), SIZE_SCHEMA.empty_table(), "b.csv")

    def passes(trial: Preview | None = None, **changes: Any) -> int:
        plan = plan_of(attribution=changes)
        row = table_of(replace(plan, images=replace(plan.images, boxes=table)), trial).get(
            "boxes removed", ""
        )
        return int(row.split()[1]) if row else 0

    assert passes() == 3 * 2  # the baseline and a blur, of the trained variant
    assert passes(deletion="all") == 3 * 3 * 2
    assert passes(deletion="none") == 0
    assert passes(baseline=["gray", "black", "white"]) == 3 * 4
    assert passes(found(TRAINED)) == 3 * 2 + 2  # in bfloat16 each image with boxes goes along
    drawn = plan_of(images=3)
    uris = pa.array(["scene:1?kind=double", "scene:2?kind=single", "scene:3?kind=empty"])
    scenes = {"scenes": [{"kind": "double", "seeds": [1]}]}
    content = {**drawn.resolved.study.model_dump(mode="json"), "images": scenes}
    plan = replace(
        drawn,
        resolved=replace(drawn.resolved, study=parse_study(content, "test")),
        images=replace(drawn.images, table=drawn.images.table.set_column(1, "uri", uris)),
    )
    assert removal_passes(plan, "float32") == pytest.approx((2.1 + 1.2) * 3)


def test_what_curves_take_is_reported_where_they_are_requested() -> None:
    assert "curves" not in table_of(plan_of())
    settings = {
        "images": {"sample": 3},
        "regions": ["patch 16", "patch 32"],
        "steps": 10,
        "fills": ["blurred"],
    }
    found = table_of(plan_of(audit={"curves": {**settings, "variants": "all", "random_orders": 3}}))["curves"]
    passes = 3 * 3 * (1 + 1 + 2 * 9 * (2 * 2 + 3))  # variants, images; ends, and between for every order
    assert found.startswith(f"9 (image, variant) pairs, {passes:,} forward passes more and no backward ones")


# Bytes


def maps(store: dict[str, Any], trial: Preview | None = None) -> str:
    return table_of(plan_of(store=store), trial)["maps to be written"]


def test_maps_take_what_their_numbers_take_where_nothing_was_tried() -> None:
    whole, some = f"{30 * FLOAT_MAP / 1e6:.1f} MB", f"{12 * FLOAT_MAP / 1e6:.1f} MB"
    rest = f"all would be {whole}, none 0 B"
    assert maps({}) == f"{whole} for 30 maps (all, float32, before compression); {rest}"
    assert maps({"maps": "none"}) == f"0 B for 0 maps (none, float32, before compression); {rest}"
    assert (
        maps({"maps": {"sample": 2}})
        == f"{some} for 12 maps (a sample of 2 images, float32, before compression); {rest}"
    )


def test_maps_as_int16_take_half_before_compression() -> None:
    half = f"{30 * FLOAT_MAP / 2 / 1e6:.1f} MB"
    kept = maps({"encoding": "int16"})
    assert kept == f"{half} for 30 maps (all, int16, before compression); all would be {half}, none 0 B"


def test_bytes_are_those_of_the_trial_where_there_was_one() -> None:
    assert maps({}, found(TRAINED, replace(RANDOM, map_bytes=3000.0))) == (
        "90.0 kB for 30 maps (all, float32, by the trial); all would be 90.0 kB, none 0 B"
    )


def test_a_trial_that_kept_no_map_says_nothing_of_their_size() -> None:
    assert "before compression" in maps({"maps": "none"}, found(replace(TRAINED, map_bytes=0.0)))
    both = found(TRAINED, replace(RANDOM, map_bytes=0.0))
    assert maps({}, both).startswith("90.0 kB for 30 maps (all, float32, by the trial)")


def test_statistics_are_reported_with_a_trial_only() -> None:
    name = "statistics to be written"
    assert table_of(plan_of(), found(TRAINED, replace(RANDOM, row_bytes=500.0)))[name].startswith(
        "15.0 kB (by the"
    )
    assert name not in table_of(plan_of())
    assert name not in table_of(plan_of(), found())


UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (1, "1 B"), (999, "999 B"), (999.4, "999 B"), (999.6, "1.0 kB"), (1000, "1.0 kB"),
        (1049, "1.0 kB"), (1051, "1.1 kB"), (999_940, "999.9 kB"), (999_960, "1.0 MB"), (1e6, "1.0 MB"),
        (999.94e6, "999.9 MB"), (1e9 - 1, "1.0 GB"), (1e9, "1.0 GB"), (999.96e9, "1.0 TB"), (1e12, "1.0 TB"),
        (12_345e12, "12345.0 TB"),
    ],
)  # fmt: skip
def test_sizes_at_the_borders_of_units(count: float, text: str) -> None:
    assert forecast._size(count) == text


@given(
    st.floats(0, 1e16)
    | st.builds(lambda power, near: 10**power * near, st.integers(0, 15), st.floats(0.99, 1.01))
)
def test_a_size_is_the_number_to_its_last_digit_in_the_unit_that_fits(count: float) -> None:
    number, unit = forecast._size(count).split(" ")
    last_digit = UNITS[unit] * (1 if unit == "B" else 0.1)
    assert abs(float(number) * UNITS[unit] - count) <= last_digit / 2 * (1 + 1e-9)
    assert float(number) < 1000 or unit == "TB"
    assert float(number) >= 1 or unit == "B"


# Arithmetic and time


def test_device_time_is_that_of_the_trials_for_all_variants_of_their_kind() -> None:
    table = table_of(plan_of(60), found(TRAINED, RANDOM))
    seconds = 60 * 2.0 + 2 * 60 * 0.5
    assert table["device time"] == (
        f"about {seconds / 60:.1f} minutes on one such worker (trained 2.00 s and 40 nodes an image, "
        "random 0.50 s and 10 nodes an image)"
    )
    assert "device time" not in table_of(plan_of(60))
    assert "device time" not in table_of(plan_of(60), found())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 minutes"),
        (60, "1.0 minutes"),
        (7199, "120.0 minutes"),
        (7200, "2.0 hours"),
        (36e5, "1,000.0 hours"),
    ],
)
def test_times_are_in_minutes_up_to_two_hours(seconds: float, text: str) -> None:
    assert forecast._hours(seconds) == text


def test_each_model_is_reckoned_by_its_own_trials() -> None:
    plan = plan_of(60, models={"m": {}, "n": {}}, variants=[{"kind": "trained"}])
    table = table_of(plan, found(TRAINED, replace(TRAINED, model="n", seconds=1.0, nodes=20.0)))
    assert table["variants"] == "2: m.trained, n.trained"
    assert table["passes of the models"] == passes(60 * 60, 2 * 60 * 60, "about ")
    assert table["device time"] == (
        "about 3.0 minutes on one such worker (trained m 2.00 s and 40 nodes an image, trained n 1.00 s and "
        "20 nodes an image)"
    )


@pytest.mark.parametrize(
    ("known", "how"), [(True, "calibrated by an earlier run"), (False, "measured now on the first images")]
)
def test_a_calibration_is_shown_with_its_reasons(known: bool, how: str) -> None:
    text = say(plan_of(), found(TRAINED, known=known))
    table = rows(text)
    assert table["arithmetic"] == "bfloat16"
    assert table["micro-batch"] == f"24 batch rows on cpu, 2 thread(s) a worker; {how}"
    assert re.findall(r"because +│ (.*?) +│", text) == list(CALIBRATION.reasons)


def test_images_that_cannot_be_used_give_no_calibration() -> None:
    table = table_of(plan_of(), found(calibration=None))
    assert table["micro-batch"] == (
        "not measured: none of the first images can be used (cpu, 2 thread(s) a worker)"
    )
    assert not {"arithmetic", "because", "device time"} & set(table)


def test_without_a_trial_nothing_is_reported_of_this_machine() -> None:
    assert list(table_of(plan_of())) == [
        "images", "variants", "targets", "rows expected", "rows to compute", "shards", "passes of the models",
        "maps to be written",
    ]  # fmt: skip


# What else is printed


def test_warnings_and_damaged_commits_are_reported() -> None:
    plan = plan_of()
    plan = replace(plan, images=replace(plan.images, warnings=["2 boxes name no image"]))
    text = say(replace(plan, damaged=(DamagedCommit("/out/image_stats/v/s.parquet", "it is cut short"),)))
    assert "warning: 2 boxes name no image\n" in text
    assert "/out/image_stats/v/s.parquet: it is cut short; a run computes its shard again\n" in text


def test_names_with_brackets_are_printed_as_they_are() -> None:
    plan = plan_of(targets={"[red]kite": 0, "b": 1})
    plan = replace(plan, images=replace(plan.images, warnings=["[bold]: a warning"]))
    plan = replace(plan, damaged=(DamagedCommit("/out[final]/s.parquet", "it is cut short"),))
    text = say(plan, out="memory://out[final]")
    assert "plan of s -> memory://out[final]" in text
    assert rows(text)["targets"] == "[red]kite, b"
    assert "warning: [bold]: a warning" in text
    assert "/out[final]/s.parquet: it is cut short" in text


def test_a_plan_without_a_trial_loads_neither_torch_nor_ray(tiny_study: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from rich.console import Console; from igbatch.forecast import describe_plan; "
        "from igbatch.study_file import load_study; "
        "describe_plan(load_study(sys.argv[1]), sys.argv[2], Console(quiet=True), trial=False); "
        "print(sorted({'torch', 'timm', 'ray'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tiny_study), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


QUICK = ["variants=[{kind: trained}]", "run.device=cpu", "run.threads=1", "attribution.steps=2"]


def test_nothing_is_written(small_study: Path, tmp_path: Path, compute_study: Callable[..., Output]) -> None:
    """Neither for a new study nor for one that is half done; with a real model, with a trial and without."""

    def plan_of_study(trial: bool) -> dict[str, str]:
        console = Console(record=True, width=200, file=io.StringIO())
        describe_plan(load_study(small_study, QUICK), str(out), console, trial=trial)
        return rows(console.export_text())

    def everything() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    out = tmp_path / "out"
    before = everything()
    for trial in (False, True):
        table = plan_of_study(trial)
        assert everything() == before
        assert not out.exists()
        assert table["rows to compute"] == "6"
        assert ("by the trial" in table["maps to be written"]) == trial
        assert ("device time" in table) == ("statistics to be written" in table) == trial
    compute_study(small_study, out, *QUICK, "targets=[eagle]", reduce=False)
    before = everything()
    for trial in (False, True):
        assert plan_of_study(trial)["rows to compute"] == "3"
        assert everything() == before


# What is tried

EARLIER = Calibration("bfloat16", 0.003, 24, ("precision bfloat16: fast",))
CPU = ["variants=[{kind: trained}]", "run.device=cpu", "attribution.steps=2"]


def tried(study: Path, out: Path, *overrides: str) -> Preview:
    output = Output(str(out))
    plan = plan_study(load_study(study, [*CPU, *overrides]), output)
    return preview(plan, existing_study(output))


def test_what_no_run_has_calibrated_is_measured_and_not_written(small_study: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    found = tried(small_study, tmp_path / "out", "attribution.micro_batch=auto", "run.threads=1")
    assert not found.known
    assert (found.device, found.threads) == ("cpu", 1)
    assert found.calibration is not None
    assert found.calibration.precision == "float32"
    assert found.calibration.micro_batch >= 4
    assert torch.get_num_threads() == threads
    assert not (tmp_path / "out").exists()


def test_the_calibration_of_an_earlier_run_is_shown_not_measured(small_study: Path, tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    plan = plan_study(load_study(small_study, CPU), output)
    record = open_output(output, plan.resolved, plan.images)
    keep_calibration(output, record, "cpu", Hardware("n", "cpu", "p", 3), EARLIER)
    before = {info.path: output.read(info.path) for info in output.files()}
    found = tried(small_study, tmp_path / "out")
    assert (found.device, found.threads, found.calibration, found.known) == ("cpu", 3, EARLIER, True)
    assert {info.path: output.read(info.path) for info in output.files()} == before


def test_a_trial_tells_nodes_bytes_and_time_of_each_kind(small_study: Path, tmp_path: Path) -> None:
    kinds = "variants=[{kind: trained}, {kind: random, seeds: [1, 2]}]"
    found = tried(small_study, tmp_path / "out", "run.threads=1", kinds, "store.maps={sample: 1}")
    assert [(trial.model, trial.kind) for trial in found.trials] == [
        ("small", "trained"),
        ("small", "random"),
    ]
    for trial in found.trials:
        assert trial.nodes == 2
        assert trial.seconds > 0
        assert 56**2 < trial.map_bytes < 4 * 56**2 + 20_000
        assert trial.row_bytes > 0
    none = tried(small_study, tmp_path / "out", "run.threads=1", "store.maps=none")
    assert [trial.map_bytes for trial in none.trials] == [0.0]
    assert not (tmp_path / "out").exists()


def test_another_kind_of_device_is_calibrated_for_itself(small_study: Path, tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    plan = plan_study(load_study(small_study, CPU), output)
    record = open_output(output, plan.resolved, plan.images)
    keep_calibration(output, record, "cuda", Hardware("n", "cuda", "p", 3), EARLIER)
    found = tried(small_study, tmp_path / "out", "run.threads=1")
    assert not found.known
    assert found.calibration is not None
    assert found.calibration.precision == "float32"


def test_images_that_cannot_be_used_leave_it_open(
    small_study: Path, scene_folder: Path, tmp_path: Path
) -> None:
    for path in scene_folder.glob("*.png"):
        path.write_bytes(b"no picture")
    found = tried(small_study, tmp_path / "out", f"images={{root: {scene_folder}}}")
    assert found.calibration is None
    assert not found.known
    assert found.trials == ()


def test_a_gpu_that_this_machine_does_not_have_is_refused(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("igbatch.pipeline.devices.why_no_gpu", lambda: "there is none")
    with pytest.raises(
        InputError, match=r"^run\.device: cuda: no GPU on .* \(there is none\): plan .* --no-trial"
    ):
        tried(small_study, tmp_path / "out", "run.device=cuda")
