"""The same calls to captum and to ours, and captum's own tools on ours."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import captum.attr
import captum.metrics
import numpy as np
import pytest
import torch
from captum.testing.attr.helpers.test_config import config as captums_table
from numpy.typing import NDArray
from torch import Tensor, nn

from igbatch.attribution import AttributionError, IntegratedGradients

METHODS = ("gausslegendre", "riemann_middle", "riemann_left", "riemann_right", "riemann_trapezoid")
PAGE = Path(__file__).parents[2] / "docs" / "from-captum.md"
Result = Tensor | tuple[Tensor, ...]


class TwoInputs(nn.Module):
    """From a vector [N, 5] and a picture [N, 2, 3, 4] to [N, 4], or [N, 4, 3] on request."""

    def __init__(self) -> None:
        super().__init__()
        self.vector = nn.Linear(5, 12)
        self.picture = nn.Linear(24, 12)
        self.last = nn.Linear(12, 12)

    def forward(
        self,
        vector: Tensor,
        picture: Tensor,
        shift: Tensor | float = 0.0,
        scale: float = 1.0,
        deep: bool = False,
    ) -> Tensor:
        hidden = self.vector(vector) * torch.tanh(self.picture(picture.flatten(1))) * scale
        moved = torch.tanh(hidden + shift)
        out: Tensor = self.last(moved).reshape(-1, 4, 3)
        return out if deep else out.sum(2)


@pytest.fixture
def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return TwoInputs()


@pytest.fixture
def pair(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Three examples with two inputs each."""
    return torch.randn(3, 5, generator=generator), torch.randn(3, 2, 3, 4, generator=generator)


@pytest.fixture
def net() -> nn.Sequential:
    """A network for pictures [N, 2, 8, 8] with seven classes."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return nn.Sequential(nn.Conv2d(2, 6, 3), nn.GELU(), nn.Flatten(), nn.Linear(216, 7))


@pytest.fixture
def pictures(generator: torch.Generator) -> Tensor:
    return torch.randn(3, 2, 8, 8, generator=generator)


def both(forward: Any, *args: Any, multiply: bool = True, **kwargs: Any) -> tuple[Any, Any]:
    """Return what ours and what captum's returns."""
    return (
        IntegratedGradients(forward, multiply).attribute(*args, **kwargs),
        captum.attr.IntegratedGradients(forward, multiply).attribute(*args, **kwargs),
    )


def assert_close(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Compare tensors, or tuples of them, in form, type, and by their relative L2 distance."""
    assert isinstance(found, tuple) == isinstance(expected, tuple)
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, tolerance)
        return
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert not found.requires_grad
    distance = (found.double() - expected.detach().double()).norm()
    assert distance <= tolerance * expected.detach().double().norm()


@pytest.mark.parametrize("multiply", [True, False], ids=["multiplied", "local"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_captums_but_for_the_trapezoids_factor(
    method: str, multiply: bool, model: nn.Module, pair: tuple[Tensor, Tensor]
) -> None:
    n = 6
    found, expected = both(model, pair, (0.25, -0.5), 1, n_steps=n, method=method, multiply=multiply)
    factor = (n - 1) / n if method == "riemann_trapezoid" else 1
    assert_close(tuple(factor * each for each in found), expected)


def test_a_swins_maps_are_captums(small_swin: nn.Module, generator: torch.Generator) -> None:
    images = torch.randn(2, 3, 56, 56, generator=generator)
    assert_close(*both(small_swin, images, target=torch.tensor([3, 7]), n_steps=5))


@pytest.mark.parametrize(
    "target",
    [2, torch.tensor(2), torch.tensor([2]), torch.tensor([2, 0, 1]), [2, 0, 1], (2,), [(2,), (0,), (1,)], -1],
    ids=["int", "0-d", "one-element", "tensor", "list", "tuple", "tuples", "from-the-end"],
)
def test_every_form_of_target_means_what_captum_means(target: Any, net: nn.Module, pictures: Tensor) -> None:
    assert_close(*both(net, pictures, target=target, n_steps=4))


@pytest.mark.parametrize(
    "target",
    [(3, 1), (3, -1), [(3, 1), (0, 0), (2, 2)]],
    ids=["tuple", "from-the-end", "tuples"],
)
def test_targets_of_deeper_outputs(target: Any, model: nn.Module, pair: tuple[Tensor, Tensor]) -> None:
    found, expected = both(model, pair, target=target, additional_forward_args=(0.0, 1.0, True), n_steps=4)
    assert_close(found, expected)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (-1, 1, 1)], ids=["N", "N1", "N11"])
def test_no_target_where_an_example_has_one_number(
    shape: tuple[int, ...], net: nn.Module, pictures: Tensor
) -> None:
    assert_close(*both(lambda x: net(x)[:, 2].reshape(shape), pictures, n_steps=4))


@pytest.mark.parametrize(
    "baselines",
    [
        None,
        0.5,
        1,
        torch.full((1, 2, 8, 8), 0.5),
        torch.linspace(0, 1, 3 * 128).reshape(3, 2, 8, 8),
        (0.5,),
    ],
    ids=["absent", "number", "integer", "one", "each", "tuple"],
)
def test_every_form_of_baseline_means_what_captum_means(
    baselines: Any, net: nn.Module, pictures: Tensor
) -> None:
    call: dict[str, Any] = {"baselines": baselines, "target": 3, "n_steps": 4}
    assert_close(*both(net, pictures, **call))
    call["return_convergence_delta"] = True
    (_, delta), (_, expected) = both(net, pictures, **call)
    torch.testing.assert_close(delta, expected.detach(), rtol=1e-3, atol=1e-6)


def test_a_baseline_may_have_dimensions_of_1(net: nn.Module, pictures: Tensor) -> None:
    baseline = torch.tensor([0.5, -0.5])[None, :, None, None]
    assert_close(*both(net, pictures, baselines=baseline, target=3, n_steps=4))


def test_a_tuple_may_hold_a_number_and_a_tensor(model: nn.Module, pair: tuple[Tensor, Tensor]) -> None:
    baselines = (0.5, torch.full((1, 2, 3, 4), -0.5))
    assert_close(*both(model, pair, baselines=baselines, target=1, n_steps=4))


def test_a_tuple_of_one_gives_a_tuple_of_one(net: nn.Module, pictures: Tensor) -> None:
    assert_close(*both(net, (pictures,), target=3, n_steps=4))


@pytest.mark.parametrize("rows", [None, 1, 3, 4, 7, 64])
def test_the_micro_batch_changes_rounding_alone(
    rows: int | None, model: nn.Module, pair: tuple[Tensor, Tensor]
) -> None:
    seen: list[int] = []

    def forward(*inputs: Tensor) -> Tensor:
        seen.append(len(inputs[0]))
        out: Tensor = model(*inputs)
        return out

    found = IntegratedGradients(forward).attribute(pair, target=1, n_steps=9, internal_batch_size=rows)
    assert max(seen) <= (rows or 512)
    assert_close(found, captum.attr.IntegratedGradients(model).attribute(pair, target=1, n_steps=9))


@pytest.mark.parametrize(
    "arguments",
    [
        torch.linspace(-1, 1, 3)[:, None],
        0.5,
        torch.tensor(0.5),
        (torch.linspace(-1, 1, 3)[:, None], 2.0),
        (torch.linspace(-1, 1, 3)[:, None], torch.tensor(2.0), False),
    ],
    ids=["tensor", "number", "0-d", "tuple", "mixed"],
)
def test_additional_arguments_go_with_their_examples(
    arguments: Any, model: nn.Module, pair: tuple[Tensor, Tensor]
) -> None:
    call: dict[str, Any] = {"target": [1, 2, 3], "additional_forward_args": arguments, "n_steps": 5}
    assert_close(*both(model, pair, **call))
    (_, delta), (_, expected) = both(model, pair, **call, return_convergence_delta=True)
    torch.testing.assert_close(delta, expected.detach(), rtol=1e-3, atol=1e-6)


def test_positions_are_captums(model: nn.Module, pair: tuple[Tensor, Tensor]) -> None:
    shift = torch.linspace(-1, 1, 3)[:, None]
    found, expected = both(model, pair, (0.5, 0.25), 1, (shift, 2.0), 5, "riemann_left", 6, True)
    assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1].detach(), rtol=1e-3, atol=1e-6)


CAPTUMS_CASES = [
    case
    for case in captums_table
    if captum.attr.IntegratedGradients in case["algorithms"] and not case.get("noise_tunnel")
]


@pytest.mark.parametrize("case", CAPTUMS_CASES, ids=[case["name"] for case in CAPTUMS_CASES])
def test_captums_own_cases_and_their_identity(case: dict[str, Any]) -> None:
    """The delta that `attribute` returns is that of the attributions it returns, to the last bit."""
    arguments = dict(case["attribute_args"])
    inputs = arguments.pop("inputs")
    (found, delta), (expected, captums_delta) = both(
        case["model"], inputs, **arguments, return_convergence_delta=True
    )
    assert_close(found, expected)
    assert delta.dtype == captums_delta.dtype
    torch.testing.assert_close(delta, captums_delta, rtol=1e-3, atol=2e-4)
    named = {key: arguments[key] for key in ("target", "additional_forward_args") if key in arguments}
    ours = IntegratedGradients(case["model"])
    again = ours.compute_convergence_delta(found, arguments.get("baselines"), inputs, **named)
    assert torch.equal(delta, again)


def test_the_delta_of_many_examples_goes_through_the_function_in_blocks(
    net: nn.Module, pictures: Tensor
) -> None:
    many = pictures.repeat(200, 1, 1, 1)
    seen: list[int] = []
    net.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    _, delta = IntegratedGradients(net).attribute(
        many, target=[1, 2, 3] * 200, n_steps=2, return_convergence_delta=True
    )
    assert max(seen) <= 512 < len(many)
    torch.testing.assert_close(delta.reshape(200, 3), delta[:3].expand(200, 3), rtol=1e-3, atol=1e-6)


def test_there_is_no_attribution_in_the_future(net: nn.Module) -> None:
    for ours in (IntegratedGradients(net), captum.attr.IntegratedGradients(net)):
        with pytest.raises(NotImplementedError, match="attribute_future is not implemented"):
            ours.attribute_future()


@pytest.mark.parametrize("multiply", [True, False], ids=["multiplied", "local"])
def test_the_convergence_delta_is_captums(
    multiply: bool, model: nn.Module, pair: tuple[Tensor, Tensor]
) -> None:
    call: dict[str, Any] = {"target": [1, 2, 3], "additional_forward_args": torch.ones(3, 1)}
    how: dict[str, Any] = {"n_steps": 3, "method": "riemann_left", "return_convergence_delta": True}
    (maps, delta), (_, expected) = both(model, pair, (0.5, 0.25), **call, **how, multiply=multiply)
    assert expected.abs().min() > 1e-3
    torch.testing.assert_close(delta, expected.detach(), rtol=1e-4, atol=1e-6)
    for ours in (IntegratedGradients(model, multiply), captum.attr.IntegratedGradients(model, multiply)):
        again = ours.compute_convergence_delta(maps, (0.5, 0.25), pair, **call)
        torch.testing.assert_close(again, delta, rtol=1e-4, atol=1e-6)


def test_a_delta_of_an_output_without_target_sums_over_it(net: nn.Module, pictures: Tensor) -> None:
    maps = torch.zeros_like(pictures)
    deltas = [
        ours.compute_convergence_delta(maps, None, pictures)
        for ours in (IntegratedGradients(net), captum.attr.IntegratedGradients(net))
    ]
    torch.testing.assert_close(*deltas, rtol=1e-4, atol=1e-5)


def test_what_captum_asks_a_method_is_answered(net: nn.Module) -> None:
    for multiply in (True, False):
        ours, theirs = IntegratedGradients(net, multiply), captum.attr.IntegratedGradients(net, multiply)
        assert ours.multiplies_by_inputs is theirs.multiplies_by_inputs is multiply
        assert ours.has_convergence_delta() is theirs.has_convergence_delta() is True
        assert ours.forward_func is theirs.forward_func is net


@pytest.mark.parametrize(
    ("dtypes", "tolerance"),
    [
        ((torch.float64, torch.float64), 2e-7),
        ((torch.float32, torch.float64), 1e-6),
        ((torch.int64, torch.float32), 1e-5),
        ((torch.uint8, torch.float64), 1e-6),
        ((torch.float16, torch.float32), 2e-3),
        ((torch.bfloat16, torch.float32), 2e-2),
    ],
    ids=lambda value: "-".join(str(each)[6:] for each in value) if isinstance(value, tuple) else "",
)
def test_inputs_keep_their_types(
    dtypes: tuple[torch.dtype, torch.dtype], tolerance: float, model: nn.Module, pair: tuple[Tensor, Tensor]
) -> None:
    inputs = tuple((1 + 3 * each.abs()).to(dtype) for each, dtype in zip(pair, dtypes, strict=True))
    expected_types = [dtype if dtype.is_floating_point else torch.float32 for dtype in dtypes]
    seen: list[list[torch.dtype]] = []

    def forward(*parts: Tensor) -> Tensor:
        seen.append([part.dtype for part in parts])
        out: Tensor = model.double()(*(part.double() for part in parts))
        return out

    found, expected = both(forward, inputs, (1, 1), target=1, n_steps=20)
    assert all(types == expected_types for types in seen)
    assert_close(found, expected, tolerance)


def test_a_vector_of_numbers_is_an_input_too() -> None:
    found, expected = both(lambda x: x**3, torch.tensor([1.0, 2.0, -1.0]), n_steps=3)
    assert_close(found, expected)
    torch.testing.assert_close(found, torch.tensor([1.0, 8.0, -1.0]))


def test_no_examples_give_no_attributions(net: nn.Module) -> None:
    maps, delta = IntegratedGradients(net).attribute(
        torch.zeros(0, 2, 8, 8), target=3, return_convergence_delta=True
    )
    assert (maps.shape, delta.shape) == ((0, 2, 8, 8), (0,))


def test_float64_inputs_are_integrated_in_float64(net: nn.Module, pictures: Tensor) -> None:
    _, delta = IntegratedGradients(net.double()).attribute(
        pictures.double(), target=3, n_steps=60, return_convergence_delta=True
    )
    assert delta.dtype == torch.float64
    assert delta.abs().max() < 1e-12


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_the_function_runs_and_is_left_as_the_caller_left_it(
    training: bool, net: nn.Sequential, pictures: Tensor
) -> None:
    net.train(training)
    net[0].weight.requires_grad_(False)
    seen: list[tuple[bool, bool]] = []
    net.register_forward_pre_hook(
        lambda module, _: seen.append((module.training, any(p.requires_grad for p in module.parameters())))
    )
    inputs = pictures.clone().requires_grad_()
    for forward in (net, net.forward):
        IntegratedGradients(forward).attribute(inputs, target=3, n_steps=4)
    assert set(seen) == {(training, False)}
    with pytest.raises(AttributionError, match="outside the output"):
        IntegratedGradients(net).attribute(inputs, target=7)
    assert net.training is training
    assert [p.requires_grad for p in net.parameters()] == [False, True, True, True]
    assert inputs.grad is None
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("surrounding", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_grad_mode_around_the_call_does_not_matter(
    surrounding: Callable[[], Any], net: nn.Module, pictures: Tensor
) -> None:
    expected = IntegratedGradients(net).attribute(pictures, target=[1, 2, 3], n_steps=4)
    with surrounding():
        found = IntegratedGradients(net).attribute(pictures.clone(), target=[1, 2, 3], n_steps=4)
        assert torch.is_grad_enabled() == (surrounding is torch.enable_grad)
    assert torch.equal(found, expected)
    assert all(p.requires_grad for p in net.parameters())


def test_the_callers_autocast_is_used(net: nn.Module, pictures: Tensor) -> None:
    seen: set[torch.dtype] = set()
    net.register_forward_hook(lambda module, _, output: seen.add(output.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = both(net, pictures, target=3, n_steps=4)
    assert seen == {torch.bfloat16}
    assert_close(found, expected, 2e-2)


def noisy(method: Any, *args: Any, **kwargs: Any) -> Any:
    torch.manual_seed(7)
    return captum.attr.NoiseTunnel(method).attribute(*args, **kwargs)


@pytest.mark.parametrize("kind", ["smoothgrad", "smoothgrad_sq", "vargrad"])
def test_captums_noise_tunnel_takes_it(kind: str, model: nn.Module, pair: tuple[Tensor, Tensor]) -> None:
    call: dict[str, Any] = {
        "nt_type": kind, "nt_samples": 3, "nt_samples_batch_size": 2, "stdevs": (0.1, 0.2),
        "baselines": (0.5, torch.full((1, 2, 3, 4), -0.5)), "target": [1, 2, 3],
        "additional_forward_args": (torch.linspace(-1, 1, 3)[:, None], 2.0), "n_steps": 5,
        "return_convergence_delta": True,
    }  # fmt: skip
    found, delta = noisy(IntegratedGradients(model), pair, **call)
    expected, expected_delta = noisy(captum.attr.IntegratedGradients(model), pair, **call)
    assert_close(found, expected, 1e-4)  # a variance is a difference
    torch.testing.assert_close(delta, expected_delta, rtol=1e-2, atol=1e-5)


def test_the_noise_tunnel_takes_a_single_tensor(net: nn.Module, pictures: Tensor) -> None:
    call: dict[str, Any] = {"nt_samples": 2, "target": 3, "n_steps": 4, "baselines": pictures / 2}
    found, expected = (
        noisy(method(net), pictures, **call)
        for method in (IntegratedGradients, captum.attr.IntegratedGradients)
    )
    assert_close(found, expected)


def shaken(inputs: Tensor) -> tuple[Tensor, Tensor]:
    noise = 0.1 * torch.randn_like(inputs)
    return noise, inputs - noise


def test_captums_metrics_take_it(net: nn.Module, pictures: Tensor) -> None:
    results = []
    for method in (IntegratedGradients(net), captum.attr.IntegratedGradients(net)):
        torch.manual_seed(3)
        maps = method.attribute(pictures, target=[1, 2, 3], n_steps=8).detach()
        infidelity = captum.metrics.infidelity(
            net, shaken, pictures, maps, target=torch.tensor([1, 2, 3]), n_perturb_samples=4
        )
        sensitivity = captum.metrics.sensitivity_max(
            method.attribute,
            pictures,
            n_perturb_samples=3,
            target=[1, 2, 3],
            n_steps=8,
            baselines=pictures / 2,
        )
        results.append((infidelity.detach(), sensitivity.detach()))
    (infidelity, sensitivity), (expected_infidelity, expected_sensitivity) = results
    torch.testing.assert_close(infidelity, expected_infidelity, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(sensitivity, expected_sensitivity, rtol=1e-3, atol=1e-6)


def explain(model: nn.Module, inputs: Any, targets: Any, **kwargs: Any) -> NDArray[np.float32]:
    """What Quantus calls: arrays or tensors in, an array out."""
    images, classes = torch.as_tensor(inputs), torch.as_tensor(targets)
    maps: NDArray[np.float32] = IntegratedGradients(model).attribute(images, target=classes, **kwargs).numpy()
    return maps


def test_it_explains_for_quantus(net: nn.Module, pictures: Tensor) -> None:
    maps = explain(net, pictures.numpy(), np.array([1, 2, 3]), n_steps=4)
    assert maps.shape == pictures.shape
    assert maps.dtype == np.float32
    assert_close(
        torch.from_numpy(maps),
        captum.attr.IntegratedGradients(net).attribute(pictures, target=[1, 2, 3], n_steps=4),
    )


class Cliff(nn.Module):
    """A steep step on the way from 0 to the inputs: hard for a fixed number of steps."""

    def forward(self, vector: Tensor, picture: Tensor) -> Tensor:
        place = vector.sum(1) + 0.3 * picture.flatten(1).pow(2).sum(1)
        out = torch.stack([torch.sigmoid(4 * (place - 4)), place.sin()], 1)
        return out * (1 + vector[:, :1])


@pytest.mark.parametrize("tolerance", [0.05, 0.001])
@pytest.mark.parametrize("multiply", [True, False], ids=["multiplied", "local"])
def test_auto_reaches_its_tolerance(tolerance: float, multiply: bool, pair: tuple[Tensor, Tensor]) -> None:
    calls: dict[str, Any] = {"target": [0, 1, 0]}
    inputs = tuple(each.abs() for each in pair)
    rows = []

    def forward(*parts: Tensor) -> Tensor:
        rows.append(len(parts[0]))
        out: Tensor = Cliff()(*parts)
        return out

    reference = captum.attr.IntegratedGradients(Cliff(), multiply).attribute(inputs, n_steps=1000, **calls)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = IntegratedGradients(forward, multiply).attribute(
            inputs, n_steps="auto", tolerance=tolerance, **calls
        )
    ours, expected = (torch.cat([part.flatten(1) for part in parts], 1) for parts in (found, reference))
    assert ((ours - expected).norm(dim=1) <= tolerance * expected.norm(dim=1)).all()
    assert sum(rows) < 1500  # of captum's 3,000


def test_auto_says_what_it_did_not_reach(pair: tuple[Tensor, Tensor]) -> None:
    call: dict[str, Any] = {"target": 0, "n_steps": "auto", "tolerance": 1e-6, "max_steps": 9}
    inputs = tuple(each.abs() for each in pair)
    with pytest.warns(
        UserWarning, match=r"3 of 3 examples did not reach tolerance=1e-06 within max_steps=9"
    ) as caught:
        IntegratedGradients(Cliff()).attribute(inputs, **call)
    assert caught[0].filename == __file__


def test_auto_stops_where_nothing_is_to_be_explained(net: nn.Module, pictures: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = IntegratedGradients(net).attribute(pictures, baselines=pictures, target=3, n_steps="auto")
    assert not maps.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "simpson"}, "method='simpson' is unknown: choose one of gausslegendre"),
        (
            {"n_steps": 0},
            'n_steps=0 with method=.gausslegendre.: give a whole number of 1 or more, or "auto"',
        ),
        ({"n_steps": 1, "method": "riemann_trapezoid"}, "n_steps=1 .*: give a whole number of 2 or more"),
        ({"n_steps": 2.5}, "n_steps=2.5"),
        ({"n_steps": "many"}, "n_steps='many'"),
        ({"internal_batch_size": 0}, "internal_batch_size=0: give a whole number of 1 or more, or None"),
        ({"tolerance": -1.0}, "tolerance=-1.0: give a finite number of 0 or more"),
        ({"max_steps": 2}, "max_steps=2: give a whole number of 5 or more"),
        ({"target": None}, r"target=None leaves \[\d+, 7\] of an output \[\d+, 7\]: give an index"),
        ({"target": 7}, r"target=7 is outside the output \[\d+, 7\]"),
        ({"target": (1, 2)}, r"target=\(1, 2\) is outside the output"),
        (
            {"target": torch.tensor([1, 2])},
            r"target is Tensor torch.int64 \[2\] for 3 examples: give an index",
        ),
        ({"target": torch.tensor([1.0, 2.0, 3.0])}, r"target is Tensor torch.float32 \[3\]"),
        ({"target": np.array([1, 2, 3])}, r"target is ndarray int64 \[3\]"),
        ({"target": [1, 2]}, r"target is \[1, 2\] for 3 examples"),
        ({"target": [1, 2, -1]}, r"target is \[1, 2, -1\] for 3 examples: .* list of indices from 0 on"),
        ({"target": [1] * 9}, "target is a list of 9 for 3 examples"),
        ({"target": "magpie"}, "target is 'magpie'"),
        ({"target": True}, "target is True"),
        ({"inputs": [torch.zeros(3, 2, 8, 8)]}, r"inputs hold list: give a tensor \[N, ...\] of numbers"),
        ({"inputs": torch.zeros(())}, r"inputs hold Tensor torch.float32 \[\]"),
        ({"inputs": torch.zeros(3, 2).bool()}, r"inputs hold Tensor torch.bool \[3, 2\]"),
        ({"inputs": ()}, "inputs are an empty tuple: give one or more tensors"),
        (
            {"inputs": (torch.zeros(3, 2), torch.zeros(2, 2))},
            "inputs are .* with the same number of examples",
        ),
        ({"baselines": torch.zeros(2, 2, 8, 8)}, r"a baseline has shape \[2, 2, 8, 8\] for an input"),
        ({"baselines": torch.zeros(2, 8, 8)}, r"a baseline has shape \[2, 8, 8\] for an input"),
        ({"baselines": torch.zeros(1, 2, 8, 9)}, r"a baseline has shape \[1, 2, 8, 9\] for an input"),
        ({"baselines": (0, 0)}, "2 baselines for 1 inputs: give a tuple with one for each, or None"),
        ({"baselines": "gray"}, "a baseline is str: give a number, or an array or a tensor of numbers"),
        (
            {"additional_forward_args": torch.zeros(2, 1)},
            r"additional_forward_args\[0\] has shape \[2, 1\] for 3 examples: give it a row for each",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_what_is_wrong_is_refused_with_the_fix(
    change: dict[str, Any], message: str, net: nn.Module, pictures: Tensor
) -> None:
    call: dict[str, Any] = {"inputs": pictures, "target": 3} | change
    with pytest.raises(AttributionError, match=message) as raised:
        IntegratedGradients(net).attribute(**call)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda x: x.sum(), r"forward_func returned Tensor torch.float32 \[\] for \d+ rows: it must return"),
        (lambda x: [x], r"forward_func returned list for \d+ rows"),
        (lambda x: x.detach().flatten(1)[:, 0], "take no_grad and detach out of the model"),
    ],
    ids=["sum", "list", "detached"],
)
def test_outputs_that_cannot_be_explained_are_refused(
    forward: Callable[[Tensor], Any], message: str, pictures: Tensor
) -> None:
    with pytest.raises(AttributionError, match=message):
        IntegratedGradients(forward).attribute(pictures)


def test_attributions_of_other_examples_are_refused(net: nn.Module, pictures: Tensor) -> None:
    with pytest.raises(
        AttributionError, match=r"attributions are Tensor .* for 3 examples: give what attribute"
    ):
        IntegratedGradients(net).compute_convergence_delta(pictures[:2], None, pictures, target=3)


def test_the_blocks_of_the_page_run() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    names: dict[str, Any] = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for number, block in enumerate(blocks, 1):
            exec(compile(block, f"docs/from-captum.md, block {number}", "exec"), names)
