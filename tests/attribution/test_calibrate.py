"""What `auto` comes to, on models made to be fast, slow, wrong or large."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from igbatch.attribution import AttributionError, Example, Settings, calibrate, integrated_gradients
from igbatch.attribution.calibrate import (
    CANDIDATES,
    MARGIN,
    MAX_BATCH_ROWS,
    MEMORY_SHARE,
    arithmetic_error,
    bytes_kept,
    choose_micro_batch,
    choose_precision,
)

SETTINGS = Settings(steps="auto", tolerance=0.05)


def rounds() -> bool:
    """Whether products are rounded just now."""
    return torch.is_autocast_enabled("cpu")


class Clock:
    """A clock that stands still but for what is added to it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Timed:
    """Two logits, linear in the image, that take so long and are so much off in low precision."""

    def __init__(
        self, clock: Clock, cost: Callable[[int], float], low_cost: float = 1.0, off: float = 0.0
    ) -> None:
        self.clock, self.cost, self.low_cost, self.off = clock, cost, low_cost, off
        self.types: set[torch.dtype | None] = set()

    def __call__(self, points: Tensor) -> Tensor:
        self.types.add(torch.get_autocast_dtype("cpu") if rounds() else None)
        self.clock.now += self.cost(len(points)) * (self.low_cost if rounds() else 1.0)
        sums = points.flatten(1).sum(1, keepdim=True) * (1 + (self.off if rounds() else 0.0))
        return torch.cat([sums, -sums], 1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that arithmetics are timed by."""
    clock = Clock()
    monkeypatch.setattr(calibrate, "time", SimpleNamespace(perf_counter=clock))
    return clock


@pytest.fixture
def bfloat16_is_promising(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose bfloat16 products are fast, and no others."""
    monkeypatch.setattr(calibrate, "_is_promising", lambda name, device: name == "bfloat16")


@pytest.fixture
def examples(generator: torch.Generator) -> list[Example]:
    images = torch.rand(5, 1, 4, 4, generator=generator)
    return [Example(image, torch.zeros(1, 4, 4), torch.tensor([0, 1])) for image in images]


def swin_examples(generator: torch.Generator, number: int = 1) -> list[Example]:
    images = torch.randn(number, 3, 56, 56, generator=generator)
    return [Example(image, torch.zeros(3, 56, 56), torch.tensor([3, 7])) for image in images]


LOGITS = replace(SETTINGS, output="logit")


# --- the arithmetic


@pytest.mark.usefixtures("bfloat16_is_promising")
def test_an_arithmetic_that_is_faster_and_near_enough_is_taken(clock: Clock, examples: list[Example]) -> None:
    model = Timed(clock, lambda rows: rows, low_cost=0.25, off=0.01)
    choice = choose_precision(model, examples, LOGITS)
    assert choice.precision == "bfloat16"
    assert choice.error == pytest.approx(MARGIN * 0.01, rel=1e-4)
    assert "bfloat16 1.5% in 0.25 of the time" in choice.reason
    assert "2.5% allowed" in choice.reason


@pytest.mark.usefixtures("bfloat16_is_promising")
@pytest.mark.parametrize(
    ("low_cost", "off", "tolerance"),
    [(0.25, 0.02, 0.05), (0.25, math.nan, 0.05), (0.25, 0.01, 1e-4), (0.97, 0.0, 0.05), (3.0, 0.0, 0.05)],
    ids=["inaccurate", "nan", "tolerance-is-tiny", "hardly-faster", "slower"],
)
def test_an_arithmetic_that_is_not_worth_it_is_refused(
    low_cost: float, off: float, tolerance: float, clock: Clock, examples: list[Example]
) -> None:
    model = Timed(clock, lambda rows: rows, low_cost, off)
    choice = choose_precision(model, examples, replace(LOGITS, tolerance=tolerance))
    assert (choice.precision, choice.error) == ("float32", 0.0)


@pytest.mark.usefixtures("bfloat16_is_promising")
def test_the_reason_names_all_candidates_and_what_was_allowed(clock: Clock, examples: list[Example]) -> None:
    reason = choose_precision(Timed(clock, lambda rows: rows), examples, LOGITS).reason
    assert all(name in reason for name in CANDIDATES)
    assert reason.count("is slow here") == 2
    assert "from 2 image(s)" in reason
    assert "from 1 image(s)" in choose_precision(Timed(clock, lambda rows: rows), examples[:1], LOGITS).reason


def test_an_arithmetic_that_is_hopeless_on_this_machine_is_not_tried_on_the_model(
    clock: Clock, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A product's time by the type of its factors, as on a processor with AMX and no float16.
    times = {torch.float32: 1.0, torch.bfloat16: 0.2, torch.float16: 300.0}
    monkeypatch.setattr(calibrate, "PRODUCT_SIZE", 4)
    monkeypatch.setattr(calibrate, "_seconds", lambda work, device: times[work().dtype])
    model = Timed(clock, lambda rows: rows, low_cost=0.5)
    choice = choose_precision(model, examples, LOGITS)
    assert choice.precision == "bfloat16"
    assert model.types == {None, torch.bfloat16}
    assert "float16 is slow here" in choice.reason


def test_the_cheapest_of_several_is_taken(
    clock: Clock, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faster(Timed):
        def __call__(self, points: Tensor) -> Tensor:
            self.low_cost = 0.2 if torch.get_autocast_dtype("cpu") == torch.float16 else 0.5
            return super().__call__(points)

    monkeypatch.setattr(calibrate, "_is_promising", lambda name, device: name != "tensorfloat32")
    assert choose_precision(Faster(clock, lambda rows: rows), examples, LOGITS).precision == "float16"


@pytest.mark.usefixtures("bfloat16_is_promising")
def test_a_trial_that_takes_more_than_a_fifth_of_the_images_ahead_is_left_out(
    clock: Clock, examples: list[Example]
) -> None:
    # Two images twice in float32, a warm-up and two images in bfloat16: as much as seven images.
    for ahead, tried in ((5, False), (34, False), (35, True), (10_000, True), (None, True)):
        model = Timed(clock, lambda rows: rows, low_cost=0.25, off=0.01)
        choice = choose_precision(model, examples, LOGITS, ahead)
        assert choice.precision == ("bfloat16" if tried else "float32")
        assert bool(model.types) == tried
        if not tried:
            assert f"7 of the {ahead} image(s)" in choice.reason


def test_a_tiny_tolerance_leaves_float32(small_swin: nn.Module, generator: torch.Generator) -> None:
    choice = choose_precision(small_swin, swin_examples(generator), replace(SETTINGS, tolerance=1e-5))
    assert (choice.precision, choice.error) == ("float32", 0.0)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_exact_precision_brings_no_error_and_is_not_measured(
    precision: str, examples: list[Example]
) -> None:
    def untouched(points: Tensor) -> Tensor:
        raise AssertionError

    assert arithmetic_error(untouched, examples, Settings(precision=precision)) == 0.0


def test_the_error_of_an_arithmetic_is_half_as_much_again_as_the_largest_that_was_found(
    clock: Clock, examples: list[Example]
) -> None:
    for off in (0.0, 0.01, 0.3):
        model = Timed(clock, lambda rows: rows, off=off)
        found = arithmetic_error(model, examples, replace(LOGITS, precision="bfloat16"))
        assert found == pytest.approx(1.5 * off, rel=1e-4, abs=1e-6)


def test_bfloat16_on_a_swin_is_off_by_a_little(small_swin: nn.Module, generator: torch.Generator) -> None:
    found = arithmetic_error(small_swin, swin_examples(generator), replace(SETTINGS, precision="bfloat16"))
    assert 1e-4 < found < 0.1


def test_a_precision_in_which_maps_are_no_numbers_is_refused_by_the_call(
    clock: Clock, examples: list[Example]
) -> None:
    images = torch.stack([example.image for example in examples])
    model = Timed(clock, lambda rows: rows, off=math.inf)
    with pytest.raises(AttributionError, match="precision='bfloat16': maps of the first images are not"):
        integrated_gradients(model, images, [0], 0.0, output="logit", precision="bfloat16")


def test_an_arithmetic_that_gives_no_numbers_is_infinitely_off(clock: Clock, examples: list[Example]) -> None:
    model = Timed(clock, lambda rows: rows, off=math.inf)
    assert arithmetic_error(model, examples, replace(LOGITS, precision="bfloat16")) == math.inf


# --- the micro-batch


@pytest.mark.parametrize(("fitting", "rows"), [(0.5, 1), (1, 1), (3.9, 2), (5, 4), (8, 8), (1e9, 8)])
def test_the_micro_batch_is_the_largest_power_of_two_that_fits_up_to_what_helps(
    fitting: float, rows: int, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    row_bytes = choose_micro_batch(bent, examples[0], SETTINGS).row_bytes
    monkeypatch.setattr(calibrate, "_memory", lambda device: fitting * row_bytes / MEMORY_SHARE)
    choice = choose_micro_batch(bent, examples[0], SETTINGS)
    assert (choice.size, choice.row_bytes) == (rows, row_bytes)
    assert choice.reason.startswith(f"{rows} batch rows: ")
    assert ("more rows take no less time" in choice.reason) == (rows == MAX_BATCH_ROWS["cpu"])


def bent(points: Tensor) -> Tensor:
    """Two logits that keep four numbers a pixel for their backward pass."""
    sums = points.exp().square().flatten(1).sum(1, keepdim=True)
    return torch.cat([sums, -sums], 1).tanh()


def test_the_micro_batch_is_no_matter_of_time(clock: Clock, examples: list[Example]) -> None:
    choices = [
        choose_micro_batch(Timed(clock, cost), examples[0], SETTINGS)
        for cost in (lambda rows: rows, lambda rows: 1.0, lambda rows: rows**2, lambda rows: 1 / rows)
    ]
    assert len({(choice.size, choice.row_bytes, choice.reason) for choice in choices}) == 1


def test_the_largest_micro_batch_is_that_of_the_kind_of_device(
    examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MAX_BATCH_ROWS, "cpu", 64)
    assert choose_micro_batch(bent, examples[0], SETTINGS).size == 64


def test_what_a_row_keeps_is_what_its_backward_pass_needs() -> None:
    first, second = torch.ones(10, 100, requires_grad=True), torch.ones(10, 100)
    assert bytes_kept(lambda: first * second) == 4000  # the other factor alone
    assert bytes_kept(lambda: (first * second) + second) == 4000
    assert bytes_kept(lambda: (first * second).exp()) == 8000
    assert bytes_kept(lambda: first + second) == 0


def test_a_rows_memory_does_not_depend_on_how_many_are_looked_at(
    examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = choose_micro_batch(bent, examples[0], SETTINGS).row_bytes
    monkeypatch.setattr(calibrate, "PROBED_ROWS", 4)
    assert choose_micro_batch(bent, examples[0], SETTINGS).row_bytes == pytest.approx(few, rel=0.2)


def test_errors_other_than_of_memory_pass_through(examples: list[Example]) -> None:
    def broken(points: Tensor) -> Tensor:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        choose_micro_batch(broken, examples[0], SETTINGS)


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_a_swins_micro_batch_is_the_same_every_time(
    precision: str, small_swin: nn.Module, generator: torch.Generator
) -> None:
    settings = replace(SETTINGS, precision=precision)
    example = swin_examples(generator)[0]
    first, second = (choose_micro_batch(small_swin, example, settings) for _ in range(2))
    assert first == second
    assert first.size in (1, 2, 4, 8)
    assert first.row_bytes > 3 * 56 * 56 * 4  # the image alone
    assert not small_swin.training


@pytest.mark.parametrize(("ahead", "tried"), [(None, True), (1000, True), (12, False), (2, False)])
def test_a_trial_takes_no_more_than_its_share_of_what_is_ahead(
    ahead: int | None, tried: bool, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "_is_promising", lambda name, device: name == "bfloat16")
    clock = Clock()
    model = Timed(clock, lambda rows: rows)
    choice = choose_precision(model, examples, LOGITS, ahead=ahead)
    assert ("from 2 image(s)" in choice.reason) is tried
    if not tried:
        assert choice.precision == "float32"
        assert choice.reason == f"a trial takes as long as 7 of the {ahead} image(s)"
        assert clock.now == 0  # the model was not called at all
