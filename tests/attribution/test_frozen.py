"""A model inside the context, and after it."""

import pytest
import torch
from torch import Tensor, nn

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.frozen import frozen, gradients_allowed
from igbatch.attribution.precision import PRECISIONS, Precision

CPU = torch.device("cpu")
FLOAT32, FLOAT64, BFLOAT16 = (PRECISIONS[name] for name in ("float32", "float64", "bfloat16"))
ONE = torch.zeros(1, dtype=torch.int64)

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
    model = mixed_model()
    with frozen(model, FLOAT32, CPU):
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_module_is_put_back_exactly(name: str) -> None:
    model = mixed_model()
    before = state(model)
    precision = PRECISIONS[name]
    with frozen(model, precision, CPU) as ready, precision.passes(CPU):
        ready(torch.randn(8, 4, dtype=precision.dtype), ONE.expand(8))
    assert_same(before, state(model))
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("precision", [FLOAT32, BFLOAT16], ids=["float32", "bfloat16"])
def test_a_module_is_put_back_after_an_error(precision: Precision) -> None:
    model = mixed_model()
    before = state(model)
    with pytest.raises(KeyError), frozen(model, precision, CPU):
        raise KeyError
    assert_same(before, state(model))
    assert not any("forward" in vars(module) for module in model.modules())


def test_another_type_is_worked_on_as_a_copy() -> None:
    model = nn.Linear(4, 2)
    with frozen(model, FLOAT64, CPU) as ready:
        assert ready(torch.ones(1, 4, dtype=torch.float64), ONE).dtype == torch.float64
        assert model.weight.dtype == torch.float32
    with frozen(model, FLOAT32, CPU) as ready:
        assert torch.equal(ready(torch.ones(1, 4), ONE), model(torch.ones(1, 4)))


def test_a_copy_made_in_inference_mode_can_be_differentiated() -> None:
    with torch.inference_mode(), frozen(nn.Linear(4, 2), FLOAT64, CPU) as ready:
        with gradients_allowed(CPU):
            point = torch.ones(1, 4, dtype=torch.float64, requires_grad=True)
            (gradient,) = torch.autograd.grad(ready(point, ONE).sum(), point)
        assert gradient.dtype == torch.float64


def test_the_callers_modes_are_the_callers_while_a_model_is_frozen() -> None:
    with torch.no_grad(), frozen(nn.Linear(4, 2), FLOAT32, CPU):
        assert not torch.is_grad_enabled()


def test_gradients_are_allowed_and_in_full_precision_whatever_surrounds_it() -> None:
    image, layer = torch.ones(1, 4), nn.Linear(4, 2)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        with gradients_allowed(CPU):
            point = torch.ones(1, 4, requires_grad=True)
            logits = layer(point)
            assert logits.dtype == torch.float32
            assert logits.requires_grad
        assert torch.nn.functional.linear(image, image).dtype == torch.bfloat16
        assert torch.is_inference_mode_enabled()


class Attention(nn.Module):
    """Three layers, and a product that belongs to none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.middle, self.head = nn.Conv2d(3, 4, 2), nn.Linear(4, 4), nn.Linear(4, 2)
        self.seen: dict[str, torch.dtype] = {}
        for name, layer in self.named_children():
            layer.register_forward_hook(lambda _, __, found, name=name: self._see(name, found))

    def _see(self, name: str, found: Tensor) -> None:
        self.seen[name] = found.dtype

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.stem(images).flatten(2).mT
        self._see("product", tokens @ tokens.mT)
        logits: Tensor = self.head(self.middle(tokens).mean(1))
        return logits


def test_the_first_and_the_last_layer_stay_in_full_where_products_are_rounded() -> None:
    model = Attention()
    with frozen(model, BFLOAT16, CPU) as ready, BFLOAT16.passes(CPU):
        ready(torch.ones(1, 3, 4, 4), ONE)
    assert model.seen == {
        "stem": torch.float32,
        "product": torch.bfloat16,
        "middle": torch.bfloat16,
        "head": torch.float32,
    }
    with frozen(model, FLOAT32, CPU) as ready, FLOAT32.passes(CPU):
        ready(torch.ones(1, 3, 4, 4), ONE)
    assert set(model.seen.values()) == {torch.float32}


def test_a_model_of_one_layer_has_a_first_layer_that_is_its_last() -> None:
    model = nn.Linear(4, 2)
    with frozen(model, BFLOAT16, CPU) as ready, BFLOAT16.passes(CPU):
        found = ready(torch.ones(1, 4), ONE)
    assert torch.equal(found, model(torch.ones(1, 4)))


def test_a_callable_that_is_no_module_is_taken_as_it_is() -> None:
    inner = mixed_model().eval()
    before = state(inner)
    with frozen(inner.forward, BFLOAT16, CPU) as ready:
        assert torch.equal(ready(torch.ones(1, 4), ONE), inner(torch.ones(1, 4)))
        assert_same(before, state(inner))


def test_a_module_on_another_device_is_refused_with_the_fix() -> None:
    model = nn.Linear(4, 2, device="meta")
    with (
        pytest.raises(AttributionError, match="the model is on meta and the images on cpu: move one"),
        frozen(model, FLOAT32, CPU),
    ):
        pass
