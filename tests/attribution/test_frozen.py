"""A model inside the context, and after it."""

import pytest
import torch
from torch import nn

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.frozen import frozen

CPU = torch.device("cpu")

State = tuple[list[bool], list[bool], list[int], list[torch.Tensor]]


def mixed_model() -> nn.Sequential:
    """A model whose modes and flags differ from submodule to submodule."""
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    model.train()
    model[1].eval()
    model[3].weight.requires_grad_(False)
    return model


def state(model: nn.Module) -> State:
    return (
        [module.training for module in model.modules()],
        [parameter.requires_grad for parameter in model.parameters()],
        [id(parameter) for parameter in model.parameters()],
        [tensor.clone() for tensor in model.state_dict().values()],
    )


def assert_same(before: State, after: State) -> None:
    assert before[:3] == after[:3]
    assert all(torch.equal(a, b) for a, b in zip(before[3], after[3], strict=True))


def test_inside_a_module_is_evaluated_and_frozen() -> None:
    with frozen(mixed_model(), torch.float32, CPU) as model:
        assert isinstance(model, nn.Module)
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_module_is_put_back_exactly(dtype: torch.dtype) -> None:
    model = mixed_model()
    before = state(model)
    with frozen(model, dtype, CPU) as ready:
        ready(torch.randn(8, 4, dtype=dtype))
    assert_same(before, state(model))


def test_a_module_is_put_back_after_an_error() -> None:
    model = mixed_model()
    before = state(model)
    with pytest.raises(KeyError), frozen(model, torch.float32, CPU):
        raise KeyError
    assert_same(before, state(model))


def test_another_type_is_worked_on_as_a_copy() -> None:
    model = nn.Linear(4, 2)
    with frozen(model, torch.float64, CPU) as ready:
        assert ready(torch.ones(1, 4, dtype=torch.float64)).dtype == torch.float64
        assert model.weight.dtype == torch.float32
    with frozen(model, torch.float32, CPU) as ready:
        assert ready is model


def test_gradients_are_recorded_in_full_precision_whatever_surrounds_the_call() -> None:
    image, layer = torch.ones(1, 4), nn.Linear(4, 2)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        with frozen(layer, torch.float32, CPU) as model:
            point = torch.ones(1, 4, requires_grad=True)
            logits = model(point)
            assert logits.dtype == torch.float32
            assert logits.requires_grad
        assert torch.nn.functional.linear(image, image).dtype == torch.bfloat16
        assert torch.is_inference_mode_enabled()


def test_a_callable_that_is_no_module_is_taken_as_it_is() -> None:
    inner = mixed_model()
    before = state(inner)
    with frozen(inner.forward, torch.float32, CPU) as ready:
        assert ready == inner.forward
        assert_same(before, state(inner))


def test_a_module_on_another_device_is_refused_with_the_fix() -> None:
    model = nn.Linear(4, 2, device="meta")
    with (
        pytest.raises(AttributionError, match="the model is on meta and the images on cpu: move one"),
        frozen(model, torch.float32, CPU),
    ):
        pass
