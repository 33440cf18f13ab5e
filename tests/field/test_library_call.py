"""What people give to the library's two calls: it works, or `AttributionError` says what to give instead."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from igbatch.attribution import AttributionError, IntegratedGradients, integrated_gradients

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def network() -> nn.Sequential:
    """Return a small smooth network for images [N, 3, 8, 8] with five classes."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Tanh(), nn.Linear(16, 5)).eval()


IMAGES = torch.linspace(-1, 1, 2 * 192).reshape(2, 3, 8, 8)
Explain = Callable[..., Tensor]


def by_images(model: Any, baseline: Any = 0.0, **how: Any) -> Tensor:
    """Explain logits by `integrated_gradients`."""
    call = {"output": "logit", "keep_channels": True, "steps": 4, **how}
    return integrated_gradients(model, IMAGES, [1], baseline, **call).attributions[:, 0]


def by_captums_call(model: Any, baseline: Any = 0.0, **how: Any) -> Tensor:
    """Explain logits by captum's call."""
    found: Tensor = IntegratedGradients(model).attribute(IMAGES, baseline, target=1, n_steps=4, **how)
    return found


both_calls = pytest.mark.parametrize("explain", [by_images, by_captums_call])


class Constant(nn.Module):
    """Logits that are parameters: whatever the image, they are the same."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.arange(5.0))

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), 5)


@both_calls
@pytest.mark.parametrize(
    "model",
    [Constant(), lambda images: Constant()(images), lambda images: network()(images) * torch.tensor(0.0)],
    ids=["parameters", "unfrozen-parameters", "times-zero"],
)
def test_an_output_that_does_not_depend_on_the_image(explain: Explain, model: Any) -> None:
    with pytest.warns(
        UserWarning, match=r"does not change from the baseline to the image in 2 of 2 maps"
    ) as caught:
        maps = explain(model)
    assert not maps.any()
    assert [each.filename for each in caught] == [__file__]


def test_one_target_that_cannot_change_among_others_that_do() -> None:
    with pytest.warns(UserWarning, match=r"in 2 of 4 maps \(first: image 0, target 1 of the call\)"):
        result = integrated_gradients(
            lambda images: torch.stack([images.flatten(1).sum(1), torch.zeros(len(images))], 1),
            IMAGES, [0, 1], 0.0, steps=2, output="logit",
        )  # fmt: skip
    assert result.attributions[:, 0].any()
    assert not result.attributions[:, 1].any()


@both_calls
def test_an_image_that_is_its_own_baseline_is_no_reason_to_warn(explain: Explain) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not explain(network(), IMAGES).any()


@pytest.mark.parametrize("steps", [4, "auto"])
def test_a_model_with_a_detach_in_it(steps: Any) -> None:
    refusal = r"change with the images and carry no gradient .* take no_grad and detach out of the model"

    def model(images: Tensor) -> Tensor:
        found: Tensor = network()(images).detach()
        return found

    with pytest.raises(AttributionError, match=refusal):
        integrated_gradients(model, IMAGES, [1], 0.0, steps=steps)
    with pytest.raises(AttributionError, match=refusal):
        IntegratedGradients(model).attribute(IMAGES, target=1, n_steps=steps)


def test_a_model_made_under_inference_mode_is_explained_as_a_copy() -> None:
    expected = by_images(network())
    with torch.inference_mode():
        model = network()
    assert all(parameter.is_inference() for parameter in model.parameters())
    assert torch.equal(by_images(model), expected)


def test_captums_call_says_where_a_model_made_under_inference_mode_must_be_made() -> None:
    with torch.inference_mode():
        model = network()
    with pytest.raises(
        AttributionError, match=r"made under inference_mode.*: make or load the model outside"
    ):
        by_captums_call(model)


@both_calls
@pytest.mark.parametrize("compile_", [torch.jit.script, lambda model: torch.jit.trace(model, IMAGES)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_torchscript_module(explain: Explain, compile_: Callable[[nn.Module], Any]) -> None:
    model = compile_(network())
    torch.testing.assert_close(explain(model), explain(network()))
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_torchscript_module_in_another_precision(precision: str) -> None:
    found = by_images(torch.jit.script(network()), precision=precision, arithmetic_error=0.02)
    torch.testing.assert_close(found, by_images(network()), rtol=0.05, atol=1e-3)


@both_calls
def test_a_model_whose_first_operation_changes_its_input_in_place(explain: Explain) -> None:
    images = IMAGES.clone()
    found = explain(lambda points: network()(points.sub_(0.5)))
    torch.testing.assert_close(found, explain(lambda points: network()(points - 0.5)))
    assert torch.equal(images, IMAGES)


@both_calls
@pytest.mark.parametrize(
    "baseline",
    [
        torch.full((1, 3, 8, 8), 0.5, dtype=torch.float64),
        np.full((1, 3, 8, 8), 0.5),
        np.full((1, 3, 8, 8), 0.5, np.float32),
        np.float32(0.5),
        np.float64(0.5),
    ],
    ids=["float64", "numpy-float64", "numpy-float32", "numpy-number", "numpy-number64"],
)
def test_a_baseline_of_another_type_than_the_images(explain: Explain, baseline: Any) -> None:
    found = explain(network(), baseline)
    assert found.dtype == torch.float32
    assert torch.equal(found, explain(network(), 0.5))


@both_calls
@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("gray", "a baseline is str: give a number, or an array or a tensor of numbers"),
        (True, "a baseline is bool"),
        (1j, "a baseline is complex"),
        ([0.0, 0.0, 0.0], "a baseline is list"),
        (float("nan"), "a baseline holds NaN or infinity: give finite numbers"),
        (torch.full((1, 3, 8, 8), torch.inf), "a baseline holds NaN or infinity"),
        (np.array([["gray"]]), "a baseline is no array of numbers"),
        (torch.zeros(1, 3, 8, 8).bool(), "a baseline holds torch.bool: give real numbers"),
    ],
    ids=["text", "bool", "complex", "list", "nan", "infinite", "array-of-text", "mask"],
)
def test_a_baseline_that_is_none(explain: Explain, baseline: Any, message: str) -> None:
    with pytest.raises(AttributionError, match=message) as raised:
        explain(network(), baseline)
    assert "\n" not in str(raised.value)


def test_no_baseline_at_all() -> None:
    with pytest.raises(AttributionError, match="a baseline is NoneType: give a number"):
        integrated_gradients(network(), IMAGES, [1], None)  # type: ignore[arg-type]
    assert by_captums_call(network(), None).any()  # captum's default, 0


def test_whole_numbers_for_an_embedding() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 3))
    with pytest.raises(AttributionError, match=r"embedding, .* no path: give the embedded vectors as inputs"):
        IntegratedGradients(model).attribute(torch.tensor([[1, 2, 3]]), target=1)


def test_a_model_of_another_floating_type() -> None:
    with pytest.raises(AttributionError, match="another floating type than its inputs: convert one"):
        by_captums_call(copy.deepcopy(network()).double())


@pytest.mark.parametrize("output", ["probability", "log-probability"])
def test_a_model_of_one_logit(output: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
    with pytest.raises(AttributionError, match=r'one logit, whose softmax is 1 .*: explain output="logit"'):
        integrated_gradients(model, IMAGES, [0], 0.0, steps=4, output=output)
    assert integrated_gradients(model, IMAGES, [0], 0.0, steps=4, output="logit").attributions.any()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"tolerance": 0.0, "steps": "auto"},
            r"is reached by no number of nodes: .* give one between 0 and 1",
        ),
        ({"tolerance": "loose"}, r"tolerance='loose': give a finite number of 0 or more"),
        ({"atol": None}, r"atol=None: give a finite number of 0 or more"),
    ],
    ids=["zero", "text", "none"],
)
def test_a_tolerance_that_is_none(how: dict[str, Any], message: str) -> None:
    with pytest.raises(AttributionError, match=message):
        by_images(network(), **how)


def test_no_target_at_all() -> None:
    with pytest.raises(AttributionError, match=r"targets are empty: give class indices"):
        integrated_gradients(network(), IMAGES, [], 0.0)
