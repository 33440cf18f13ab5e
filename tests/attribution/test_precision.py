"""The table of precisions, and what each does to products, switches and tiny gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.precision import PRECISIONS
from igbatch.attribution.settings import Settings

CPU = torch.device("cpu")


def switches() -> list[str]:
    """Where torch keeps whether float32 products may be rounded to TF32."""
    backends: Any = torch.backends
    return [
        switch.fp32_precision
        for switch in (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul)
    ]


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_an_exact_precision_is_named_after_its_type(name: str) -> None:
    assert PRECISIONS[name].dtype == getattr(torch, name)
    assert PRECISIONS[name].exact


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_a_low_precision_is_named_after_its_products_and_leaves_the_rest_in_float32(name: str) -> None:
    precision = PRECISIONS[name]
    assert precision.dtype == torch.float32
    assert precision.products == getattr(torch, name)
    assert not precision.exact


def test_tensorfloat32_rounds_too() -> None:
    assert not PRECISIONS["tensorfloat32"].exact


def test_an_unknown_precision_is_refused_with_the_fix() -> None:
    with pytest.raises(
        AttributionError, match="precision='float8' is unknown: choose one of float32, float64"
    ):
        Settings(precision="float8")


@pytest.mark.parametrize("name", PRECISIONS)
def test_products_are_in_the_type_that_is_stated_whatever_surrounds_them(name: str) -> None:
    precision = PRECISIONS[name]
    square = torch.eye(16, dtype=precision.dtype)
    for outer in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype=outer):
            with precision.passes(CPU):
                assert (square @ square).dtype == (precision.products or precision.dtype)
                assert square.softmax(1).dtype == precision.dtype
            assert torch.get_autocast_dtype("cpu") == outer


@pytest.mark.parametrize("name", PRECISIONS)
@pytest.mark.parametrize("callers", ["ieee", "tf32"])
def test_the_callers_choice_of_tf32_is_set_aside_and_put_back(name: str, callers: str) -> None:
    backends: Any = torch.backends
    before = backends.cuda.matmul.fp32_precision
    backends.cuda.matmul.fp32_precision = callers
    try:
        surroundings = switches()
        with PRECISIONS[name].passes(CPU):
            assert set(switches()) == {"tf32" if name == "tensorfloat32" else "ieee"}
        assert switches() == surroundings
        with pytest.raises(KeyError), PRECISIONS[name].passes(CPU):
            raise KeyError
        assert switches() == surroundings
    finally:
        backends.cuda.matmul.fp32_precision = before


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_gradient_is_the_vector_jacobian_product(name: str) -> None:
    precision = PRECISIONS[name]
    points = torch.arange(8.0, dtype=precision.dtype).reshape(2, 4).requires_grad_()
    logits = points.square()
    cotangent = torch.tensor([[1.0, 0.0, -0.5, 2.0], [0.0, 0.25, 0.0, 1.0]], dtype=torch.float64)
    first = precision.gradient(logits, points, cotangent, retain_graph=True)
    again = precision.gradient(logits, points, cotangent, retain_graph=False)
    assert torch.equal(first, again)
    assert torch.equal(first, (2 * points.detach() * cotangent).to(precision.dtype))


def test_float16_gradients_of_a_few_billionths_do_not_underflow() -> None:
    def faint(points: Tensor) -> Tensor:
        return (points.half() * 2.0**-14 * 2.0**-14).float()

    def gradient(name: str) -> Tensor:
        points = torch.ones(1, 4, requires_grad=True)
        cotangent = torch.ones(1, 4, dtype=torch.float64)
        return PRECISIONS[name].gradient(faint(points), points, cotangent, retain_graph=False)

    assert torch.equal(gradient("float16"), torch.full((1, 4), 2.0**-28))
    assert torch.equal(gradient("bfloat16"), torch.zeros(1, 4))  # what a float16 has without the scale
