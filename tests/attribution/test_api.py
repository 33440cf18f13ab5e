"""The call against maps known by hand, against captum, and against its own promises."""

import copy
import math
from dataclasses import fields
from typing import Any

import pytest
import timm
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn

from igbatch.attribution import (
    RULES,
    AttributionError,
    AttributionResult,
    Settings,
    api,
    attribute,
    integrated_gradients,
)
from igbatch.attribution.calibrate import PrecisionChoice

pytestmark = pytest.mark.slow


class Linear(nn.Module):
    """Logits linear in the image: weights [classes, C, H, W]."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, images: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", images, self.weights)


class Quadratic(nn.Module):
    """Logits x' A x, one symmetric form A [pixels, pixels] a class."""

    def __init__(self, forms: Tensor) -> None:
        super().__init__()
        self.forms = nn.Parameter(forms)

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return torch.einsum("ni,kij,nj->nk", flat, self.forms, flat)


class Probabilities(nn.Module):
    """What captum must be given to explain a probability."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        probabilities: Tensor = self.model(images).softmax(1)
        return probabilities


def relative_error(found: Tensor, reference: Tensor) -> float:
    reference = reference.double()
    return float((found.double() - reference).norm() / reference.norm())


def assert_bitwise(found: AttributionResult, expected: AttributionResult) -> None:
    for field in fields(AttributionResult):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def rows(
    result: AttributionResult, images: slice | list[int], targets: slice = slice(None)
) -> AttributionResult:
    names = [field.name for field in fields(AttributionResult) if field.name != "micro_batch"]
    chosen = {name: getattr(result, name)[images, targets] for name in names}
    return AttributionResult(**chosen, micro_batch=result.micro_batch)


# --- against maps known by hand


@pytest.mark.parametrize("rule", RULES)
def test_a_linear_logits_map_is_weight_times_difference(rule: str, generator: torch.Generator) -> None:
    weights = torch.randn(4, 3, 5, 6, generator=generator)
    images, baseline = torch.rand(2, 3, 5, 6, generator=generator), torch.rand(3, 1, 1, generator=generator)
    result = integrated_gradients(
        Linear(weights), images, [2, 0], baseline, rule=rule, steps=3, output="logit", keep_channels=True
    )
    expected = weights[[2, 0]] * (images - baseline)[:, None]
    assert result.attributions.dtype == torch.float32
    torch.testing.assert_close(result.attributions, expected, rtol=1e-5, atol=1e-6)
    assert result.convergence_delta.abs().max() < 1e-5
    assert result.converged.all()


@pytest.mark.parametrize("rule", ["midpoint", "trapezoid", "gauss-legendre"])
def test_a_quadratic_forms_map_is_exact(rule: str, generator: torch.Generator) -> None:
    forms = torch.randn(2, 24, 24, generator=generator, dtype=torch.float64)
    forms = forms + forms.mT
    images, baseline = torch.rand(2, 2, 2, 3, 4, generator=generator, dtype=torch.float64)
    result = integrated_gradients(
        Quadratic(forms), images, [1, 0], baseline, rule=rule, steps=2, output="logit", precision="float64"
    )
    middle, difference = (images + baseline).flatten(1) / 2, (images - baseline).flatten(1)
    # The gradient 2 A x is linear along the path, so its mean is its value in the middle.
    expected = 2 * torch.einsum("kij,nj->nki", forms[[1, 0]], middle) * difference[:, None]
    expected = expected.unflatten(2, (2, 3, 4)).sum(2)
    torch.testing.assert_close(result.attributions, expected.float())
    assert result.convergence_delta.abs().max() < 1e-12 * result.scores.abs().max()


def test_a_two_class_probabilitys_map_is_its_rise_shared_by_the_logits_slopes(
    generator: torch.Generator,
) -> None:
    weights = torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64)
    images = torch.rand(1, 1, 4, 4, generator=generator, dtype=torch.float64)
    result = integrated_gradients(Linear(weights), images, [0, 1], 0.0, steps=30, precision="float64")
    slope = (weights[0] - weights[1]) * images[0]
    rise = 1 / (1 + math.exp(-slope.sum().item())) - 0.5
    expected = (rise * slope / slope.sum()).float()
    torch.testing.assert_close(result.attributions[0], torch.cat([expected, -expected]))
    torch.testing.assert_close(result.baseline_scores, torch.full((1, 2), 0.5, dtype=torch.float64))
    torch.testing.assert_close(result.scores[0, 0].item(), 0.5 + rise)


def test_log_probabilities_and_probabilities_agree_to_first_order(
    small_swin: nn.Module, images: Tensor
) -> None:
    # Along a path on which p hardly changes, d p = p d(log p).
    near = images[:1] * 1e-2
    log = integrated_gradients(small_swin, near, [3], 0.0, steps=4, output="log-probability")
    probability = integrated_gradients(small_swin, near, [3], 0.0, steps=4)
    change = abs(float(log.scores - log.baseline_scores))
    assert (
        relative_error(log.attributions * float(probability.scores), probability.attributions)
        < 2 * change + 1e-4
    )


# --- what the result says


def test_shapes_types_and_columns(small_swin: nn.Module, images: Tensor) -> None:
    result = integrated_gradients(small_swin, images, [3, 7], 0.0, steps=2)
    assert result.attributions.shape == (3, 2, 56, 56)
    assert result.attributions.dtype == torch.float32
    assert result.steps.tolist() == [[2, 2]] * 3
    assert result.map_error.isnan().all()
    assert result.converged.dtype == torch.bool
    p = small_swin(images).double().softmax(1)[:, [3, 7]].detach()
    torch.testing.assert_close(result.scores, p, rtol=1e-5, atol=0)
    delta = result.attributions.double().sum((2, 3)) - (result.scores - result.baseline_scores)
    torch.testing.assert_close(result.convergence_delta, delta, rtol=0, atol=1e-9)


def test_channels_kept_are_those_summed(small_swin: nn.Module, images: Tensor) -> None:
    summed = integrated_gradients(small_swin, images, [3], 0.0, steps=3)
    kept = integrated_gradients(small_swin, images, [3], 0.0, steps=3, keep_channels=True)
    assert kept.attributions.shape == (3, 1, 3, 56, 56)
    torch.testing.assert_close(kept.attributions.sum(2), summed.attributions, rtol=1e-5, atol=1e-12)
    size = 1e-6 * float(kept.attributions.abs().sum((2, 3, 4)).max())  # channels are added up in float32
    torch.testing.assert_close(kept.convergence_delta, summed.convergence_delta, rtol=0, atol=size)


def test_a_cliff_converges_with_enough_steps_only() -> None:
    cliff = Linear(torch.stack([torch.full((1, 2, 2), 25.0), torch.full((1, 2, 2), -25.0)]))
    image = torch.ones(1, 1, 2, 2)
    few, many = (integrated_gradients(cliff, image, [0], -0.31, steps=steps) for steps in (4, 400))
    assert not few.converged.item()
    assert few.convergence_delta.abs().item() > 0.1
    assert many.converged.item()


@pytest.mark.parametrize("tolerance", [0.05, 0.001])
def test_auto_takes_the_steps_that_a_cliff_needs(tolerance: float, generator: torch.Generator) -> None:
    weights = torch.randn(2, 1, 4, 4, generator=generator)
    images = torch.rand(3, 1, 4, 4, generator=generator) * torch.tensor([1.0, 30.0, 900.0]).reshape(
        3, 1, 1, 1
    )
    # The path crosses the place where both classes are as likely at a third of its length.
    baseline = -images / 2
    result = integrated_gradients(
        Linear(weights), images, [0, 1], baseline, steps="auto", tolerance=tolerance
    )
    slope = (weights[0] - weights[1]) * (images - baseline)
    rise = (result.scores - result.baseline_scores)[:, 0, None, None]
    expected = rise * slope[:, 0].double() / slope.double().sum((1, 2, 3))[:, None, None]
    assert result.converged.all()
    for image in range(3):
        for target, sign in enumerate((1, -1)):
            true = relative_error(result.attributions[image, target], sign * expected[image])
            assert true <= float(result.map_error[image, target]) + 1e-6 <= tolerance + 1e-6
    steps = result.steps[:, 0].tolist()
    assert steps == sorted(set(steps))
    assert result.steps[:, 0].equal(result.steps[:, 1])


def test_auto_gives_up_at_the_most_steps_and_says_so(
    sharpened: Any, small_swin: nn.Module, images: Tensor
) -> None:
    model = sharpened(small_swin, 300.0).eval()
    result = integrated_gradients(
        model, images, [3], 0.0, steps="auto", tolerance=1e-6, atol=0.0, max_steps=11
    )
    assert result.steps.tolist() == [[11]] * 3
    assert not result.converged.any()
    assert (result.map_error > 1e-6).all()


def test_the_stated_error_of_a_sharp_swin_holds(
    sharpened: Any, shallow_swin: nn.Module, images: Tensor
) -> None:
    model = sharpened(shallow_swin, 100.0).eval()
    found = integrated_gradients(model, images[:2], [3, 7], 0.0, steps="auto", tolerance=0.02, atol=0.0)
    exact = integrated_gradients(model, images[:2], [3, 7], 0.0, steps=300)
    assert found.converged.all()
    for image in range(2):
        for target in range(2):
            true = relative_error(found.attributions[image, target], exact.attributions[image, target])
            assert true <= float(found.map_error[image, target]) <= 0.02


def test_what_is_negligible_has_converged() -> None:
    bent = Quadratic(torch.diag_embed(torch.tensor([[1e-8, -1e-8], [0.0, 0.0]])))
    image = torch.tensor([[[[1.0, 1.1]]]])
    options: dict[str, Any] = {"rule": "left", "steps": 2, "output": "logit"}
    assert integrated_gradients(bent, image, [0], 0.0, **options).converged.item()
    assert not integrated_gradients(bent, image, [0], 0.0, **options, atol=0.0).converged.item()


# --- targets, baselines, slices


def test_targets_for_all_images_are_targets_for_each(small_swin: nn.Module, images: Tensor) -> None:
    shared = integrated_gradients(small_swin, images, [3, 7], 0.0, steps=3)
    for targets in (
        torch.tensor([3, 7]),
        torch.tensor([[3, 7]] * 3),
        torch.tensor([[3, 7]] * 3, dtype=torch.int32),
    ):
        assert_bitwise(integrated_gradients(small_swin, images, targets, 0.0, steps=3), shared)


def test_several_targets_equal_separate_calls(small_swin: nn.Module, images: Tensor) -> None:
    targets = torch.tensor([[3, 7, 999], [5, 5, 0], [1, 2, 3]])
    together = integrated_gradients(small_swin, images, targets, 0.0, steps=3)
    for k in range(3):
        alone = integrated_gradients(small_swin, images, targets[:, k : k + 1], 0.0, steps=3)
        column = rows(together, slice(None), slice(k, k + 1))
        assert relative_error(alone.attributions, column.attributions) < 1e-6
        assert alone.scores.equal(column.scores)
        assert alone.steps.equal(column.steps)


def test_targets_of_one_group_share_their_steps(small_swin: nn.Module, images: Tensor) -> None:
    result = integrated_gradients(small_swin, images, list(range(8)), 0.0, steps="auto", tolerance=1e-4)
    assert (result.steps == result.steps[:, :1]).all()


def test_baselines_broadcast(small_swin: nn.Module, images: Tensor) -> None:
    number = integrated_gradients(small_swin, images, [3], 0.25, steps=2)
    for shape in [(), (3, 1, 1), (3, 56, 56), (1, 1, 56, 56), (3, 3, 56, 56)]:
        assert_bitwise(
            integrated_gradients(small_swin, images, [3], torch.full(shape, 0.25), steps=2), number
        )


def test_each_image_may_have_its_own_baseline(small_swin: nn.Module, images: Tensor) -> None:
    together = integrated_gradients(small_swin, images, [3], images.flip(0), steps=2)
    alone = integrated_gradients(small_swin, images[:1], [3], images[2:], steps=2)
    assert relative_error(alone.attributions, together.attributions[:1]) < 1e-5
    torch.testing.assert_close(alone.baseline_scores, together.baseline_scores[:1], rtol=1e-5, atol=0)


def test_an_image_explained_from_itself_has_an_empty_map(small_swin: nn.Module, images: Tensor) -> None:
    for steps in (2, "auto"):
        result = integrated_gradients(small_swin, images[:1], [3], images[:1], steps=steps)
        assert torch.equal(result.attributions, torch.zeros(1, 1, 56, 56))
        assert result.converged.item()


def test_no_images_give_empty_maps(small_swin: nn.Module, images: Tensor) -> None:
    for how in ({}, {"steps": "auto"}, {"precision": "auto"}):
        result = integrated_gradients(small_swin, images[:0], [3, 7], 0.0, **how)  # type: ignore[arg-type]
        assert result.attributions.shape == (0, 2, 56, 56)
        assert result.converged.shape == (0, 2)
    assert list(attribute(small_swin, [], Settings())) == []


@pytest.mark.parametrize("steps", [3, "auto"])
def test_an_image_of_nan_spoils_no_other(steps: Any, row_by_row: nn.Module, images: Tensor) -> None:
    spoiled = images.clone()
    spoiled[1] = math.nan
    result = integrated_gradients(row_by_row, spoiled, [3], 0.0, steps=steps)
    expected = integrated_gradients(row_by_row, images, [3], 0.0, steps=steps)
    for image in (slice(0, 1), slice(2, 3)):
        assert_bitwise(rows(result, image), rows(expected, image))
    assert result.attributions[1].isnan().all()
    assert result.map_error[1].isnan().all()
    assert not result.converged[1].any()


# --- determinism, memory, what surrounds the call


def test_the_micro_batch_changes_rounding_only(small_swin: nn.Module, images: Tensor) -> None:
    expected = integrated_gradients(small_swin, images, [3, 7], 0.0, steps=10, micro_batch=1)
    for micro_batch in (3, 9, 64):
        found = integrated_gradients(small_swin, images, [3, 7], 0.0, steps=10, micro_batch=micro_batch)
        assert found.micro_batch == micro_batch
        assert relative_error(found.attributions, expected.attributions) < 1e-5
        torch.testing.assert_close(found.convergence_delta, expected.convergence_delta, rtol=0, atol=1e-8)


@pytest.mark.parametrize("steps", [10, "auto"])
def test_where_memory_runs_out_the_micro_batch_is_halved_and_the_maps_are_the_same(
    steps: Any, small_swin: nn.Module, images: Tensor
) -> None:
    def model(points: Tensor) -> Tensor:
        if len(points) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        logits: Tensor = small_swin(points)
        return logits

    found = integrated_gradients(model, images, [3, 7], 0.0, steps=steps, micro_batch=16)
    expected = integrated_gradients(small_swin, images, [3, 7], 0.0, steps=steps, micro_batch=16)
    assert (found.micro_batch, expected.micro_batch) == (4, 16)
    assert found.steps.equal(expected.steps)
    assert relative_error(found.attributions, expected.attributions) < 1e-5


def test_a_model_in_training_is_explained_in_evaluation_and_put_back(images: Tensor) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 8, stride=8), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(196, 5)
    )
    model.eval()
    expected = integrated_gradients(model, images, [3], 0.0, steps=2)
    statistics = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    assert_bitwise(integrated_gradients(model, images, [3], 0.0, steps=2), expected)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(tensor, statistics[name]) for name, tensor in model.state_dict().items())


def test_a_model_is_put_back_when_the_call_fails(images: Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(7, 5)).train()  # takes images of another size
    with pytest.raises(RuntimeError):
        integrated_gradients(model, images, [3], 0.0)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_callers_modes_do_not_matter(small_swin: nn.Module, images: Tensor) -> None:
    expected = integrated_gradients(small_swin, images[:1], [3], 0.0, steps=2)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = integrated_gradients(small_swin, images[:1].clone(), [3], 0.0, steps=2)
    assert_bitwise(found, expected)
    with torch.no_grad():
        assert_bitwise(integrated_gradients(small_swin, images[:1], [3], 0.0, steps=2), expected)
    watched = images[:1].clone().requires_grad_()
    assert_bitwise(integrated_gradients(small_swin, watched, [3], 0.0, steps=2), expected)
    assert watched.grad is None


# --- arithmetic


def test_the_error_of_low_precision_is_part_of_what_is_stated(small_swin: nn.Module, images: Tensor) -> None:
    how: dict[str, Any] = {"steps": "auto", "tolerance": 0.05}
    exact = integrated_gradients(small_swin, images, [3], 0.0, steps=60, precision="float64")
    found = integrated_gradients(small_swin, images, [3], 0.0, precision="bfloat16", **how)
    assert found.converged.all()
    for image in range(3):
        true = relative_error(found.attributions[image], exact.attributions[image])
        assert 1e-4 < true <= how["tolerance"]  # a gap that rounding hides is not in the stated error
        assert 1e-4 < float(found.map_error[image]) <= how["tolerance"]
    stated = integrated_gradients(
        small_swin, images, [3], 0.0, precision="bfloat16", arithmetic_error=0.06, **how
    )
    assert (stated.map_error >= 0.06).all()


def test_an_arithmetic_whose_error_exceeds_the_tolerance_converges_nowhere(
    small_swin: nn.Module, images: Tensor
) -> None:
    result = integrated_gradients(
        small_swin,
        images,
        [3],
        0.0,
        steps="auto",
        precision="bfloat16",
        arithmetic_error=0.02,
        tolerance=0.01,
    )
    assert not result.converged.any()
    assert (result.map_error >= 0.02).all()


def test_auto_precision_is_the_one_that_is_chosen(
    small_swin: nn.Module, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = PrecisionChoice("bfloat16", 0.004, "")
    monkeypatch.setattr(api, "choose_precision", lambda model, examples, settings, ahead: choice)
    found = integrated_gradients(small_swin, images, [3], 0.0, steps="auto", precision="auto")
    expected = integrated_gradients(
        small_swin, images, [3], 0.0, steps="auto", precision="bfloat16", arithmetic_error=0.004
    )
    assert_bitwise(found, expected)


def test_auto_precision_is_float32_where_nothing_else_is_near_enough(
    small_swin: nn.Module, images: Tensor
) -> None:
    how: dict[str, Any] = {"steps": "auto", "tolerance": 1e-4}
    found = integrated_gradients(small_swin, images[:2], [3], 0.0, precision="auto", **how)
    assert_bitwise(found, integrated_gradients(small_swin, images[:2], [3], 0.0, **how))


# --- against captum


def captum_map(model: nn.Module, images: Tensor, target: int, steps: int) -> Tensor:
    attributions: Tensor = IntegratedGradients(model).attribute(images, target=target, n_steps=steps)
    return attributions.detach().sum(1)


@pytest.fixture
def swin_tiny() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: nn.Module = timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, img_size=56)
    return model.eval().requires_grad_(False)


def test_swin_tiny_agrees_with_captum_and_with_itself(
    swin_tiny: nn.Module, generator: torch.Generator
) -> None:
    images = torch.randn(2, 3, 56, 56, generator=generator)
    result = integrated_gradients(swin_tiny, images, [22, 18], 0.0, steps=2)
    for k, target in enumerate((22, 18)):
        expected = captum_map(Probabilities(swin_tiny), images, target, 2)
        for image in range(2):
            assert relative_error(result.attributions[image, k], expected[image]) < 1e-5
    alone = integrated_gradients(swin_tiny, images[1:], [22, 18], 0.0, steps=2)
    assert relative_error(alone.attributions, result.attributions[1:]) < 1e-5


@pytest.mark.parametrize(
    ("scale", "raised", "bound"),
    [
        (1.0, 14.0, 0.1),
        (100.0, 0.0, 1.5),
    ],  # both are left with the logits' rounding on a sharp path: hence 1.5
    ids=["nearly-certain", "sharp"],
)
def test_in_float32_we_are_no_further_off_than_captum(
    sharpened: Any, small_swin: nn.Module, images: Tensor, scale: float, raised: float, bound: float
) -> None:
    target = int((small_swin(images[:1]) - small_swin(torch.zeros_like(images[:1]))).argmax())
    model = sharpened(small_swin, scale, target, raised).eval()
    in_float64 = sharpened(copy.deepcopy(small_swin).double(), scale, target, raised)
    exact = captum_map(Probabilities(in_float64), images.double(), target, 12)
    ours = integrated_gradients(model, images, [target], 0.0, steps=12).attributions[:, 0]
    captums = captum_map(Probabilities(model), images, target, 12)
    assert relative_error(ours, exact) < 1e-5
    assert relative_error(ours, exact) <= bound * relative_error(captums, exact)


def test_float64_is_captums_float64(small_swin: nn.Module, images: Tensor) -> None:
    exact = captum_map(Probabilities(copy.deepcopy(small_swin).double()), images.double(), 3, 6)
    ours = integrated_gradients(small_swin, images, [3], 0.0, steps=6, precision="float64")
    assert relative_error(ours.attributions[:, 0], exact) < 6e-8  # half a unit of float32
    assert next(small_swin.parameters()).dtype == torch.float32


# --- calls that are wrong


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_steps": 4}, "max_steps=4: give a whole number of 5 or more"),
        ({"max_steps": 100.0}, "max_steps=100.0: give a whole number of 5 or more"),
        ({"arithmetic_error": -0.1, "precision": "bfloat16"}, "arithmetic_error=-0.1: give a finite number"),
        ({"tolerance": math.inf}, "tolerance=inf: give a finite number"),
        ({"steps": 0}, "steps=0 with rule='gauss-legendre': give a whole number"),
        ({"steps": "many"}, "steps='many'"),
        ({"rule": "simpson"}, "rule='simpson' is unknown"),
        ({"output": "odds"}, "output='odds' is unknown"),
        ({"precision": "int8"}, "precision='int8' is unknown"),
        ({"micro_batch": 0}, "micro_batch=0: give a whole number"),
        ({"tolerance": -1.0}, "tolerance=-1.0: give a finite number"),
        ({"atol": math.nan}, "atol=nan: give a finite number"),
        ({"images": torch.zeros(3, 56, 56)}, r"images are .*float32, \[3, 56, 56\].*: give a preprocessed"),
        ({"images": torch.zeros(1, 3, 56, 56, dtype=torch.uint8)}, r"images are .*uint8"),
        ({"images": [[1.0]]}, "images are list"),
        (
            {"baseline": torch.zeros(4, 1, 1)},
            r"the baseline \[4, 1, 1\] does not broadcast to the images \[2, 3,",
        ),
        ({"targets": 22}, r"targets have shape \[\]: give K class indices"),
        ({"targets": []}, "targets"),
        ({"targets": ["eagle"]}, r"targets=\['eagle'\]: give class indices, such as \[22, 18\]"),
        ({"targets": [1.5]}, "targets are torch.float32: give class indices as integers"),
        ({"targets": [3, -1]}, "targets hold -1: class indices count from 0"),
        (
            {"targets": torch.zeros(3, 2, dtype=torch.int64)},
            r"\[N, K\] have 3 rows for 2 images: give a row an image",
        ),
        (
            {"targets": [3, 1000]},
            r"target 1 of image 0 is class 1000, but the model has 1000 classes: .* 0 to 999",
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
def test_a_wrong_call_is_refused_with_the_fix(
    change: dict[str, Any], message: str, small_swin: nn.Module
) -> None:
    call: dict[str, Any] = {
        "images": torch.zeros(2, 3, 56, 56),
        "targets": [3],
        "baseline": 0.0,
        "steps": 2,
    } | change
    with pytest.raises(AttributionError, match=message):
        integrated_gradients(small_swin, **call)


def test_errors_are_value_errors() -> None:
    assert issubclass(AttributionError, ValueError)
