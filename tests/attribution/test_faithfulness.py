"""Infidelity and sensitivity against what they are for linear models, and by definition for others."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from igbatch.attribution import Example, Settings, attribute
from igbatch.attribution.faithfulness import PATCH, Draws, Explain, infidelity, max_sensitivity

SIZE = 8
DRAWS = Draws("eagle.jpg", seed=3, count=7)
RADIUS = torch.tensor([0.02, 0.04, 0.08])[:, None, None]


@pytest.fixture(scope="module")
def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 5))


@pytest.fixture(scope="module")
def example() -> Example:
    generator = torch.Generator().manual_seed(1)
    return Example(
        torch.rand(3, SIZE, SIZE, generator=generator),
        torch.full((3, SIZE, SIZE), 0.5),
        torch.tensor([1, 3]),
    )


def settings(**changes: Any) -> Settings:
    return Settings(**{"steps": 2, "output": "logit", "micro_batch": 4, **changes})


def explainer(model: nn.Module, example: Example, **changes: Any) -> Explain:
    def explain(images: Tensor) -> Tensor:
        examples = (Example(image, example.baseline, example.targets) for image in images)
        done = {each.index: each.attributions for each in attribute(model, examples, settings(**changes))}
        return torch.stack([done[index] for index in range(len(images))])

    return explain


def maps(model: nn.Module, example: Example, **changes: Any) -> Tensor:
    return explainer(model, example, keep_channels=True, **changes)(example.image[None])[0]


def test_maps_of_a_linear_model_are_faithful_and_those_of_zeros_miss_the_whole_change(
    linear: nn.Module, example: Example
) -> None:
    exact = maps(linear, example)
    unfaithful, change = infidelity(linear, example, exact, settings(), DRAWS)
    losses = [
        [float(each[:, torch.from_numpy(patch)].sum()) for each in exact]
        for patch in DRAWS.patches(SIZE, SIZE)
    ]
    assert np.allclose(change, np.square(losses).mean(axis=0), rtol=1e-4)
    assert (unfaithful < 1e-9 * change).all()


def test_a_map_that_is_off_by_a_factor_is_as_unfaithful_as_that(linear: nn.Module, example: Example) -> None:
    """The number is not normalized: with 3 times the map, twice the change is missed."""
    unfaithful, change = infidelity(linear, example, 3 * maps(linear, example), settings(), DRAWS)
    assert np.allclose(unfaithful, 4 * change, rtol=1e-4)


@pytest.mark.parametrize("output", ["probability", "log-probability"])
def test_the_change_is_that_of_the_output(linear: nn.Module, example: Example, output: str) -> None:
    zeros = torch.zeros(2, 3, SIZE, SIZE)
    unfaithful, change = infidelity(linear, example, zeros, settings(output=output), DRAWS)
    images = [torch.where(torch.from_numpy(patch), example.baseline, example.image)
              for patch in DRAWS.patches(SIZE, SIZE)]  # fmt: skip
    logits = linear(torch.stack([example.image, *images])).detach().double()
    scores = logits.softmax(1) if output == "probability" else logits.log_softmax(1)
    expected = (scores[1:] - scores[:1]).square().mean(0)[example.targets]
    assert np.allclose(change, expected, rtol=1e-3)
    assert np.array_equal(unfaithful, change)


def test_sensitivity_of_a_linear_model_is_the_largest_of_its_perturbations_times_the_weights(
    linear: nn.Module, example: Example
) -> None:
    """A map is w (x - x'), channels summed; noise e moves it by w e."""
    found = max_sensitivity(explainer(linear, example), example, RADIUS, DRAWS)
    weights = linear[1].weight.detach()[example.targets].reshape(2, 3, SIZE, SIZE)
    at_image = (weights * (example.image - example.baseline)).sum(1).flatten(1).norm(dim=1)
    moved = torch.stack(
        [
            (weights * RADIUS * torch.from_numpy(noise)).sum(1).flatten(1).norm(dim=1)
            for noise in DRAWS.noise((3, SIZE, SIZE))
        ]
    )
    assert np.allclose(found, moved.amax(0) / at_image, rtol=1e-4)
    twice = max_sensitivity(explainer(linear, example), example, 2 * RADIUS, DRAWS)
    assert np.allclose(twice, 2 * found, rtol=1e-4)


def test_neither_depends_on_the_micro_batch_nor_on_when_it_is_measured(
    linear: nn.Module, example: Example
) -> None:
    model = nn.Sequential(linear, nn.Tanh())
    found = []
    for rows in (1, 3, 4, 64, 64):
        how = settings(output="probability", micro_batch=rows)
        explain = explainer(model, example, output="probability", micro_batch=rows)
        exact = maps(model, example, output="probability")
        numbers = (
            *infidelity(model, example, exact, how, DRAWS),
            max_sensitivity(explain, example, RADIUS, DRAWS),
        )
        found.append(np.stack(numbers))
    assert np.array_equal(found[-1], found[-2])
    assert np.allclose(found, found[0], rtol=1e-4)
    assert (found[0] > 0).all()


def test_targets_do_not_change_each_others_numbers(linear: nn.Module, example: Example) -> None:
    one = Example(example.image, example.baseline, example.targets[1:])
    both, alone = (
        np.stack(
            [
                *infidelity(linear, each, 2 * maps(linear, each), settings(), DRAWS),
                max_sensitivity(explainer(linear, each), each, RADIUS, DRAWS),
            ]
        )
        for each in (example, one)
    )
    assert np.allclose(both[:, 1:], alone, rtol=1e-5)


def test_perturbations_follow_from_seed_image_and_number() -> None:
    def drawn(draws: Draws) -> list[np.ndarray]:
        return [*draws.patches(30, 20), *draws.noise((3, 30, 20))]

    first, again = drawn(DRAWS), drawn(DRAWS)
    assert all(map(np.array_equal, first, again))
    longer = drawn(Draws("eagle.jpg", 3, 9))
    assert all(map(np.array_equal, first[:7] + first[7:], longer[:7] + longer[9:16]))
    for other in (Draws("eagle.jpg", 4, 7), Draws("magpie.jpg", 3, 7)):
        assert not any(map(np.array_equal, first[7:], drawn(other)[7:]))
    assert {int(patch.sum()) for patch in first[:7]} == {round(PATCH * 20) ** 2}
    noise = np.stack(first[7:])
    assert -1 <= noise.min() < -0.99
    assert 0.99 < noise.max() <= 1
    assert abs(noise.mean()) < 4 * np.sqrt(1 / 3 / noise.size)


def test_maps_of_zeros_keep_an_absolute_sensitivity(example: Example) -> None:
    """Captum divides by 1 where the norm is 0."""

    def explain(images: Tensor) -> Tensor:
        moved = (images - example.image).sum(1)[:, None]
        return moved.expand(-1, 2, -1, -1)

    found = max_sensitivity(explain, example, RADIUS, DRAWS)
    moved = [(RADIUS * torch.from_numpy(noise)).sum(0).norm() for noise in DRAWS.noise((3, SIZE, SIZE))]
    assert np.allclose(found, max(moved), rtol=1e-4)
