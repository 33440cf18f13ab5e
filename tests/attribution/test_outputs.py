"""Outputs and their derivatives against the formulas of softmax."""

import math

import pytest
import torch

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.outputs import OUTPUTS
from igbatch.attribution.settings import Settings

TARGETS = torch.tensor([[0, 2], [1, 1], [3, 0]])


@pytest.fixture
def logits(generator: torch.Generator) -> torch.Tensor:
    return torch.randn(3, 4, generator=generator, dtype=torch.float64)


def test_probabilities_of_all_classes_sum_to_one(logits: torch.Tensor) -> None:
    every = torch.arange(4).expand(3, -1)
    values, _ = OUTPUTS["probability"].value_and_cotangents(logits, every)
    assert values.sum(1).tolist() == pytest.approx([1] * 3, rel=1e-15)


def test_outputs_are_functions_of_each_other(logits: torch.Tensor) -> None:
    probability, logit, log_probability = (
        OUTPUTS[name].value_and_cotangents(logits, TARGETS)[0]
        for name in ("probability", "logit", "log-probability")
    )
    torch.testing.assert_close(log_probability.exp(), probability)
    torch.testing.assert_close(logit - logits.logsumexp(1, keepdim=True), log_probability)
    assert torch.equal(logit, torch.stack([logits[row, TARGETS[row]] for row in range(3)]))


@pytest.mark.parametrize("name", OUTPUTS)
def test_cotangents_are_the_derivatives(name: str, logits: torch.Tensor) -> None:
    one_hot = torch.nn.functional.one_hot(TARGETS, 4).double()  # [rows, K, classes]
    p = logits.softmax(1)
    p_target = p.gather(1, TARGETS)[..., None]
    expected = {
        "probability": p_target * (one_hot - p[:, None]),
        "logit": one_hot,
        "log-probability": one_hot - p[:, None],
    }[name]
    values, cotangents = OUTPUTS[name].value_and_cotangents(logits, TARGETS)
    torch.testing.assert_close(cotangents, expected)
    assert torch.equal(values, OUTPUTS[name].value(logits).gather(1, TARGETS))


def test_the_derivative_of_a_near_certain_probability_keeps_its_digits() -> None:
    logits = torch.tensor([[18.0, 0.0]], dtype=torch.float64)
    _, cotangents = OUTPUTS["probability"].value_and_cotangents(logits, torch.tensor([[0]]))
    p_other = 1 / (1 + math.exp(18))
    assert cotangents[0, 0, 0].item() == pytest.approx(p_other * (1 - p_other), rel=1e-6)
    assert 1 - logits.float().softmax(1)[0, 0].item() == 0  # in float32 nothing would be left


def test_an_unknown_output_is_refused_with_the_fix() -> None:
    with pytest.raises(AttributionError, match="output='odds' is unknown: choose one of probability, logit"):
        Settings(output="odds")
