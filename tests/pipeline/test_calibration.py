"""Calibration of `auto`: measured where the study leaves it open, for all variants, kept as it was."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from igbatch.attribution import PRECISIONS, Example, Settings, calibrate, graphs
from igbatch.attribution.calibrate import MicroBatchChoice, PrecisionChoice
from igbatch.errors import InputError
from igbatch.pipeline import calibration as module
from igbatch.pipeline.calibration import Sample, calibrate_device, settings_of, uncalibrated
from igbatch.pipeline.messages import CALIBRATION_IMAGES, Calibration, calibrate_plan
from igbatch.pipeline.plan import Plan, Shard
from igbatch.study import AttributionSection

MEASURED = Calibration("bfloat16", 0.003, 8, ("precision bfloat16: fast", "micro_batch 8 rows"))
FIXED = AttributionSection(micro_batch=8)


pytestmark = pytest.mark.usefixtures("one_thread")


def sample(seed: int = 0, images: int = 2, steps: Any = "auto") -> Sample:
    """A small smooth model, with examples of [3, 8, 8] and two targets."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Linear(16, 5)
    )
    starts = torch.zeros(3, 8, 8)
    return Sample(
        model, steps, [Example(torch.rand(3, 8, 8), starts, torch.tensor([0, 3])) for _ in range(images)]
    )


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> dict[nn.Module, float]:
    """The errors that arithmetic brings, by model."""
    table: dict[nn.Module, float] = {}
    monkeypatch.setattr(module, "arithmetic_error", lambda model, examples, settings: table[model])
    return table


def choose(monkeypatch: pytest.MonkeyPatch, precision: str, error: float) -> None:
    choice = PrecisionChoice(precision, error, "measured")
    monkeypatch.setattr(module, "choose_precision", lambda model, examples, settings, ahead, others: choice)


# The record


def test_what_is_kept_is_what_comes_back() -> None:
    record = {"threads": 3, **json.loads(json.dumps(asdict(MEASURED)))}
    assert Calibration.from_record(record) == MEASURED


@pytest.mark.parametrize("record", [{}, {"threads": 2, "micro_batch": 8}])
def test_a_record_without_a_calibration_gives_none(record: dict[str, Any]) -> None:
    assert Calibration.from_record(record) is None


def test_a_record_may_say_less_than_there_is_to_say() -> None:
    record = {"precision": "float32", "arithmetic_error": 0.0, "micro_batch": 4, "mixed": False}
    assert Calibration.from_record(record) == Calibration("float32", 0.0, 4)


# What is measured


def test_what_the_study_says_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("choose_precision", "choose_micro_batch"):
        monkeypatch.delattr(module, name)
    calibration = calibrate_device(FIXED, [sample()])
    assert (calibration.precision, calibration.arithmetic_error) == ("float32", 0.0)
    assert (calibration.micro_batch, calibration.reasons) == (8, ())


@pytest.mark.parametrize("rows", [1, 3, 30])
def test_a_micro_batch_that_the_study_says_is_taken(rows: int) -> None:
    assert calibrate_device(AttributionSection(micro_batch=rows), [sample()]).micro_batch == rows


def test_an_automatic_micro_batch_is_measured_and_explained() -> None:
    calibration = calibrate_device(AttributionSection(), [sample()])
    assert calibration.micro_batch == 8  # a small model's rows fit into any memory
    assert calibrate_device(AttributionSection(), [sample()]) == calibration
    (reason,) = calibration.reasons
    assert reason.startswith(f"micro_batch {calibration.micro_batch} batch rows:")


def test_the_micro_batch_is_measured_in_the_precision_that_was_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Settings] = []

    def spy(model: nn.Module, example: Example, settings: Settings, sharing: int) -> MicroBatchChoice:
        seen.append(settings)
        return MicroBatchChoice(16, 1e6, "16 rows: measured")

    monkeypatch.setattr(module, "choose_micro_batch", spy)
    choose(monkeypatch, "bfloat16", 0.001)
    calibration = calibrate_device(AttributionSection(precision="auto"), [sample()])
    assert [settings.precision for settings in seen] == ["bfloat16"]
    assert calibration.micro_batch == 16
    assert calibration.reasons == ("precision bfloat16: measured", "micro_batch 16 rows: measured")


@pytest.mark.parametrize(("reproducible", "together"), [("shard", True), ("image", False)])
def test_images_share_micro_batches_unless_their_bits_must_not_depend_on_others(
    reproducible: Any, together: bool
) -> None:
    assert settings_of(AttributionSection(reproducible=reproducible), "auto").together is together


def test_an_automatic_precision_leaves_room_within_the_tolerance() -> None:
    for tolerance in (0.5, 0.01, 1e-9):
        study = AttributionSection(precision="auto", tolerance=tolerance, micro_batch=4, steps=4)
        calibration = calibrate_device(study, [sample(0, steps=4), sample(1, steps=4)])
        assert calibration.precision in PRECISIONS
        assert calibration.arithmetic_error <= tolerance / 2
        assert calibration.reasons[0].startswith(f"precision {calibration.precision}: ")
    assert (calibration.precision, calibration.arithmetic_error) == ("float32", 0.0)


def test_a_small_study_tries_no_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "_is_promising", lambda name, device: name == "bfloat16")
    study = AttributionSection(precision="auto", tolerance=0.5, micro_batch=4, steps=4)
    samples = [sample(0, steps=4), sample(1, steps=4)]
    calibration = calibrate_device(study, samples, ahead=20)
    assert (calibration.precision, calibration.arithmetic_error) == ("float32", 0.0)
    assert re.match(
        r"precision float32: a trial takes as long as \d+ of the 20 image", calibration.reasons[0]
    )
    assert " of the time" in calibrate_device(study, samples, ahead=10_000).reasons[0]


def test_where_no_arithmetic_is_faster_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "_is_promising", lambda name, device: False)
    monkeypatch.delattr(calibrate, "_Probe")
    calibration = calibrate_device(
        AttributionSection(precision="auto", micro_batch=4), [sample()], ahead=10_000
    )
    assert calibration.precision == "float32"
    assert calibration.reasons[0].endswith(
        ": tensorfloat32 is slow here; bfloat16 is slow here; float16 is slow here"
    )


def test_passes_that_the_study_says_are_tried_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    study = AttributionSection(passes="captured", micro_batch=4)
    calibration = calibrate_device(study, [sample()])
    if not torch.cuda.is_available():
        assert calibration.passes == "eager"
        assert calibration.reasons[0].startswith("passes run eager: they could not be captured (")
    monkeypatch.setattr(graphs, "_captured", lambda work, inputs, device: work)
    calibration = calibrate_device(study, [sample()])
    assert (calibration.passes, calibration.reasons) == ("captured", ("passes captured: as requested",))


def test_an_arithmetic_has_to_do_for_every_variant(
    errors: dict[nn.Module, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, random = sample(0), sample(1)
    choose(monkeypatch, "bfloat16", 0.003)
    study = AttributionSection(precision="auto", tolerance=0.02, micro_batch=4)
    for error, expected in (
        (0.001, ("bfloat16", 0.003)),
        (0.009, ("bfloat16", 0.009)),
        (0.011, ("float32", 0.0)),
    ):
        errors[random.model] = error
        calibration = calibrate_device(study, [trained, random])
        assert (calibration.precision, calibration.arithmetic_error) == expected
        assert calibration.reasons[0].startswith(f"precision {calibration.precision}: ")
    assert "bfloat16 is 1.1% off for a randomized variant" in calibration.reasons[0]


def test_the_error_of_a_precision_that_the_study_says_is_the_largest_of_its_variants(
    errors: dict[nn.Module, float],
) -> None:
    samples = [sample(0), sample(1), sample(2)]
    errors.update(zip((each.model for each in samples), (0.02, 0.3, 0.1), strict=True))
    calibration = calibrate_device(AttributionSection(precision="bfloat16", micro_batch=4), samples)
    assert (calibration.precision, calibration.arithmetic_error) == ("bfloat16", 0.3)


def test_a_precision_in_which_maps_are_no_numbers_is_refused(errors: dict[nn.Module, float]) -> None:
    only = sample()
    errors[only.model] = math.inf
    with pytest.raises(InputError, match=r"attribution\.precision: float16: .* not finite"):
        calibrate_device(AttributionSection(precision="float16", micro_batch=4), [only])


def test_each_variant_is_measured_at_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def spy(model: nn.Module, examples: Sequence[Example], settings: Settings) -> float:
        seen.append(settings.steps)
        return 0.0

    monkeypatch.setattr(module, "arithmetic_error", spy)
    study = AttributionSection(precision="bfloat16", micro_batch=4, rule="trapezoid", steps=1)
    calibrate_device(study, [sample(0, steps="auto"), sample(1, steps=7)])
    assert seen == ["auto", 7]


# Which images it is measured on


class Samples:
    """A plan of twenty images whose samples are counts of images."""

    def __init__(self) -> None:
        self.images = SimpleNamespace(table=range(20))
        self.missing_images = 60

    def samples(self, images: int) -> list[Shard]:
        return [cast(Shard, images)]


@pytest.mark.parametrize(("usable_from", "sizes"), [(1, [CALIBRATION_IMAGES]), (9, [CALIBRATION_IMAGES, 20])])
def test_more_images_are_looked_at_where_the_first_cannot_be_used(usable_from: int, sizes: list[int]) -> None:
    seen: list[int] = []

    def measure(shards: Sequence[Shard], ahead: int) -> Calibration | None:
        assert ahead == 60
        seen.extend(cast(Sequence[int], shards))
        return MEASURED if seen[-1] >= usable_from else None

    assert calibrate_plan(cast(Plan, Samples()), measure) == MEASURED
    assert seen == sizes


def test_where_no_image_can_be_used_there_is_no_calibration() -> None:
    assert calibrate_plan(cast(Plan, Samples()), lambda shards, ahead: None) is None


def test_what_was_not_measured_is_trusted_with_nothing() -> None:
    for precision in ("float32", "float64"):
        assert uncalibrated(AttributionSection(precision=precision)) == Calibration(precision, 0.0, 4)
    assert uncalibrated(AttributionSection(precision="auto")).precision == "float32"
    low = uncalibrated(AttributionSection(precision="bfloat16"))
    assert low == replace(low, precision="bfloat16", arithmetic_error=1.0)
