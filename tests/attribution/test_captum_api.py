"""The same calls to captum and to ours."""

from typing import Any

import captum.attr
import pytest
import torch
from torch import Tensor, nn

from igbatch.attribution import AttributionError, IntegratedGradients

METHODS = ("gausslegendre", "riemann_middle", "riemann_left", "riemann_right", "riemann_trapezoid")


@pytest.fixture
def inputs(generator: torch.Generator) -> Tensor:
    return torch.randn(2, 3, 56, 56, generator=generator)


def assert_close(found: Tensor | tuple[Tensor, Tensor], expected: Tensor) -> None:
    assert isinstance(found, Tensor)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert (found - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_captums_but_for_the_trapezoids_factor(
    method: str, small_swin: nn.Module, inputs: Tensor
) -> None:
    n = 6
    factor = (n - 1) / n if method == "riemann_trapezoid" else 1
    call: dict[str, Any] = {"target": 3, "n_steps": n, "method": method}
    expected = captum.attr.IntegratedGradients(small_swin).attribute(inputs, **call)
    found = IntegratedGradients(small_swin).attribute(inputs, **call)
    assert isinstance(found, Tensor)
    assert_close(factor * found, expected)


@pytest.mark.parametrize(
    "call",
    [
        {"target": torch.tensor([3, 7])},
        {"target": torch.tensor([3])},
        {"target": 3, "baselines": 0.5},
        {"target": 3, "baselines": 1},
        {"target": 3, "baselines": torch.full((1, 3, 56, 56), 0.5)},
        {"target": 3, "baselines": torch.linspace(0, 1, 2)[:, None, None, None].expand(2, 3, 56, 56)},
        {"target": 3, "internal_batch_size": 4},
    ],
    ids=["targets", "target-tensor", "number", "integer", "one-baseline", "baselines", "internal-batch"],
)
def test_calls_mean_what_captum_means(call: dict[str, Any], small_swin: nn.Module, inputs: Tensor) -> None:
    expected = captum.attr.IntegratedGradients(small_swin).attribute(inputs, n_steps=4, **call)
    assert_close(IntegratedGradients(small_swin).attribute(inputs, n_steps=4, **call), expected)


def test_positions_are_captums_or_refused(small_swin: nn.Module, inputs: Tensor) -> None:
    expected = captum.attr.IntegratedGradients(small_swin).attribute(inputs, 0.5, 3, n_steps=4)
    assert_close(IntegratedGradients(small_swin).attribute(inputs, 0.5, 3, n_steps=4), expected)
    with pytest.raises(TypeError, match="positional"):
        IntegratedGradients(small_swin).attribute(inputs, 0.5, 3, None, 4)  # type: ignore[call-arg, arg-type]


def test_the_convergence_delta_is_captums(inputs: Tensor) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.GELU(), nn.Flatten(), nn.Linear(196, 5)).eval()
    call: dict[str, Any] = {
        "target": 3,
        "n_steps": 3,
        "method": "riemann_left",
        "return_convergence_delta": True,
    }
    attributions, delta = IntegratedGradients(model).attribute(inputs, **call)
    expected_attributions, expected_delta = captum.attr.IntegratedGradients(model).attribute(inputs, **call)
    assert_close(attributions, expected_attributions)
    assert expected_delta.abs().min() > 1e-3
    torch.testing.assert_close(delta, expected_delta, rtol=1e-3, atol=1e-6)


def test_float64_inputs_are_computed_in_float64(inputs: Tensor) -> None:
    model = (
        nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.GELU(), nn.Flatten(), nn.Linear(196, 5))
        .eval()
        .double()
    )
    attributions, delta = IntegratedGradients(model).attribute(
        inputs.double(), target=3, n_steps=30, return_convergence_delta=True
    )
    assert_close(
        attributions, captum.attr.IntegratedGradients(model).attribute(inputs.double(), target=3, n_steps=30)
    )
    assert delta.abs().max() < 1e-12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "simpson"}, "method='simpson' is unknown: choose one of gausslegendre"),
        ({"target": None}, "target is None: give the class to explain"),
        ({"target": torch.tensor([1, 2, 3])}, r"target has shape \[3\] for 2 inputs"),
        ({"inputs": (torch.zeros(1, 3, 56, 56),)}, "inputs are tuple: give one float32 or float64 tensor"),
        ({"inputs": torch.zeros(1, 3, 56, 56).half()}, "inputs are torch.float16"),
        ({"inputs": torch.zeros(5, 7)}, "give a preprocessed floating tensor"),
    ],
    ids=["method", "no-target", "targets", "tuple", "float16", "no-image"],
)
def test_what_is_not_offered_is_refused_with_the_fix(
    change: dict[str, Any], message: str, small_swin: nn.Module
) -> None:
    call: dict[str, Any] = {"inputs": torch.zeros(2, 3, 56, 56), "target": 3} | change
    with pytest.raises(AttributionError, match=message):
        IntegratedGradients(small_swin).attribute(**call)
