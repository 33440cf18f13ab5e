"""Infidelity and sensitivity against what they are for linear models, and by definition for others."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from igbatch.attribution import Example, Settings, attribute
from igbatch.attribution.faithfulness import PATCH, Draws, Explain, ImageStream, infidelity, max_sensitivity
from igbatch.attribution.wave import MicroBatchLimit

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


def explainer(model: nn.Module, examples: Sequence[Example], **changes: Any) -> Explain:
    def explain(images: ImageStream) -> Iterator[tuple[int, Tensor]]:
        moved = (replace(examples[which], image=image) for which, image in images)
        for done in attribute(model, moved, settings(**changes)):
            yield done.index, done.attributions

    return explain


def maps(model: nn.Module, example: Example, **changes: Any) -> Tensor:
    ((_, found),) = explainer(model, [example], **changes)([(0, example.image)])
    return found


def unfaithful(
    model: nn.Module, example: Example, found: Tensor, how: Settings, draws: Draws = DRAWS
) -> tuple[np.ndarray, np.ndarray]:
    (numbers,) = infidelity(model, [example], [found], how, [draws])
    return numbers


def sensitivity(
    model: nn.Module, example: Example, radius: Tensor | float = RADIUS, draws: Draws = DRAWS, **changes: Any
) -> np.ndarray:
    explain = explainer(model, [example], **changes)
    ((own, numbers),) = max_sensitivity(explain, [example.image], radius, [draws])
    assert torch.allclose(own, maps(model, example, **changes), rtol=1e-4)
    return numbers


def test_maps_of_a_linear_model_are_faithful_and_those_of_zeros_miss_the_whole_change(
    linear: nn.Module, example: Example
) -> None:
    exact = maps(linear, example)
    missed, change = unfaithful(linear, example, exact, settings())
    drops = [
        [float(each[torch.from_numpy(patch)].sum()) for each in exact] for patch in DRAWS.patches(SIZE, SIZE)
    ]
    assert np.allclose(change, np.square(drops).mean(axis=0), rtol=1e-4)
    assert (missed < 1e-9 * change).all()


def test_a_map_that_is_off_by_a_factor_is_as_unfaithful_as_that(linear: nn.Module, example: Example) -> None:
    """The number is not normalized: with 3 times the map, twice the change is missed."""
    missed, change = unfaithful(linear, example, 3 * maps(linear, example), settings())
    assert np.allclose(missed, 4 * change, rtol=1e-4)


@pytest.mark.parametrize("output", ["probability", "log-probability"])
def test_the_change_is_that_of_the_output(linear: nn.Module, example: Example, output: str) -> None:
    missed, change = unfaithful(linear, example, torch.zeros(2, SIZE, SIZE), settings(output=output))
    images = [torch.where(torch.from_numpy(patch), example.baseline, example.image)
              for patch in DRAWS.patches(SIZE, SIZE)]  # fmt: skip
    logits = linear(torch.stack([example.image, *images])).detach().double()
    scores = logits.softmax(1) if output == "probability" else logits.log_softmax(1)
    expected = (scores[1:] - scores[:1]).square().mean(0)[example.targets]
    assert np.allclose(change, expected, rtol=1e-3)
    assert np.array_equal(missed, change)


def test_sensitivity_of_a_linear_model_is_the_largest_of_its_perturbations_times_the_weights(
    linear: nn.Module, example: Example
) -> None:
    """A map is w (x - x'), channels summed; noise e moves it by w e."""
    found = sensitivity(linear, example)
    weights = linear[1].weight.detach()[example.targets].reshape(2, 3, SIZE, SIZE)
    at_image = (weights * (example.image - example.baseline)).sum(1).flatten(1).norm(dim=1)
    moved = torch.stack(
        [
            (weights * RADIUS * torch.from_numpy(noise)).sum(1).flatten(1).norm(dim=1)
            for noise in DRAWS.noise((3, SIZE, SIZE))
        ]
    )
    assert np.allclose(found, moved.amax(0) / at_image, rtol=1e-4)
    twice = sensitivity(linear, example, 2 * RADIUS)
    assert np.allclose(twice, 2 * found, rtol=1e-4)


def test_neither_depends_on_the_micro_batch_nor_on_when_it_is_measured(
    linear: nn.Module, example: Example
) -> None:
    model = nn.Sequential(linear, nn.Tanh())
    found = []
    for rows in (1, 3, 4, 64, 64):
        how = {"output": "probability", "micro_batch": rows}
        exact = maps(model, example, output="probability")
        missed, change = unfaithful(model, example, exact, settings(**how))
        found.append(np.stack([missed, change, sensitivity(model, example, **how)]))
    assert np.array_equal(found[-1], found[-2])
    assert np.allclose(found, found[0], rtol=1e-4)
    assert (found[0] > 0).all()


def test_targets_do_not_change_each_others_numbers(linear: nn.Module, example: Example) -> None:
    one = Example(example.image, example.baseline, example.targets[1:])
    both, alone = (
        np.stack(
            [
                *unfaithful(linear, each, 2 * maps(linear, each), settings()),
                sensitivity(linear, each),
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

    def explain(images: ImageStream) -> Iterator[tuple[int, Tensor]]:
        for place, (_, image) in enumerate(images):
            yield place, (image - example.image).sum(0).expand(2, -1, -1)

    ((_, found),) = max_sensitivity(explain, [example.image], RADIUS, [DRAWS])
    moved = [(RADIUS * torch.from_numpy(noise)).sum(0).norm() for noise in DRAWS.noise((3, SIZE, SIZE))]
    assert np.allclose(found, max(moved), rtol=1e-4)


def test_maps_that_overtake_their_images_are_waited_with(example: Example) -> None:
    """Streams give maps in any order."""

    def explain(images: ImageStream) -> Iterator[tuple[int, Tensor]]:
        found = [(place, (which + 1) * image[:2]) for place, (which, image) in enumerate(images)]
        yield from reversed(found)

    images, draws = [example.image, 1 - example.image], [DRAWS, Draws("magpie.jpg", 3, 2)]
    for which, (own, found) in enumerate(max_sensitivity(explain, images, RADIUS, draws)):
        noise = [(RADIUS * torch.from_numpy(each))[:2] for each in draws[which].noise((3, SIZE, SIZE))]
        farthest = torch.stack([each.flatten(1).norm(dim=1) for each in noise]).amax(0)
        assert torch.equal(own, (which + 1) * images[which][:2])
        assert np.allclose(found, farthest / images[which][:2].flatten(1).norm(dim=1), rtol=1e-4)


@pytest.fixture(scope="module")
def group() -> list[Example]:
    """Images with other baselines and other numbers of targets."""
    generator = torch.Generator().manual_seed(2)
    return [
        Example(torch.rand(3, SIZE, SIZE, generator=generator), torch.full((3, SIZE, SIZE), gray), targets)
        for gray, targets in zip((0.5, 0.0, 1.0), map(torch.tensor, ([1, 3], [0], [4, 2, 1])), strict=True)
    ]


GROUP_DRAWS = [Draws(name, seed=3, count=7) for name in ("eagle.jpg", "magpie.jpg", "owl.jpg")]


def measured(model: nn.Module, examples: Sequence[Example], draws: Sequence[Draws], how: Settings) -> Any:
    explained = explainer(model, examples, **vars(how))
    found = max_sensitivity(explained, [each.image for each in examples], RADIUS, draws)
    missed = infidelity(model, examples, [own for own, _ in found], how, draws)
    return [np.stack([*numbers, moved]) for numbers, (_, moved) in zip(missed, found, strict=True)]


@pytest.mark.parametrize("together", [True, False])
def test_images_of_a_group_have_the_numbers_that_each_has_alone(
    linear: nn.Module, group: list[Example], together: bool
) -> None:
    model = nn.Sequential(linear, nn.Tanh())
    how = settings(output="probability", steps="auto", tolerance=1e-4, together=together)
    found = measured(model, group, GROUP_DRAWS, how)
    for k, example in enumerate(group):
        (alone,) = measured(model, [example], GROUP_DRAWS[k : k + 1], how)
        assert found[k].shape == (3, len(example.targets))
        assert np.allclose(found[k], alone, rtol=1e-3)
        assert together or np.array_equal(found[k], alone)


def test_passes_of_a_group_are_full(linear: nn.Module, group: list[Example]) -> None:
    found = [maps(linear, example) for example in group]
    limit = MicroBatchLimit(6)
    infidelity(linear, group, found, settings(), GROUP_DRAWS, limit)
    assert [rows for rows, _ in limit.batches] == [6, 6, 6, 6]
    limit = MicroBatchLimit(6)
    infidelity(linear, group, found, settings(together=False), GROUP_DRAWS, limit)
    assert [rows for rows, _ in limit.batches] == 3 * [6, 2]


def test_where_memory_runs_out_micro_batches_are_halved(linear: nn.Module, group: list[Example]) -> None:
    class Small(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return linear(images)  # type: ignore[no-any-return]

    found = [2 * maps(linear, example) for example in group]
    limit = MicroBatchLimit(8)
    small = infidelity(Small(), group, found, settings(), GROUP_DRAWS, limit)
    assert limit.size == 2
    for one, other in zip(small, infidelity(linear, group, found, settings(), GROUP_DRAWS), strict=True):
        assert np.allclose(one, other, rtol=1e-4)


def captum_numbers(model: nn.Module, example: Example, draws: Draws, how: Settings) -> list[float]:
    """Return captum's infidelity of the example's map and of a map of zeros, and its maximum sensitivity."""
    metrics = pytest.importorskip("captum.metrics")

    def explained(images: Tensor | tuple[Tensor, ...]) -> Any:
        points = images[0] if isinstance(images, tuple) else images
        found = torch.stack([maps(model, replace(example, image=each), **vars(how)) for each in points])
        return (found,) if isinstance(images, tuple) else found

    def removal(images: Tensor) -> tuple[Tensor, Tensor]:
        inside = torch.from_numpy(np.stack(list(draws.patches(SIZE, SIZE))))[:, None].expand(-1, 3, -1, -1)
        return inside.double(), torch.where(inside, example.baseline.double(), images)

    def moved(images: Tensor) -> Tensor:
        return images + torch.from_numpy(np.stack(list(draws.noise((3, SIZE, SIZE))))) * RADIUS

    image, (target,) = example.image.double()[None], example.targets.tolist()
    with_channels = maps(model, example, **{**vars(how), "keep_channels": True})
    found = [
        metrics.infidelity(model, removal, image, each, target=target, n_perturb_samples=draws.count)
        for each in (with_channels, torch.zeros_like(with_channels))
    ]
    found.append(metrics.sensitivity_max(explained, image, moved, n_perturb_samples=draws.count))
    return [float(each) for each in found]


def test_numbers_are_those_of_captum(linear: nn.Module, group: list[Example]) -> None:
    """Captum is given each map alone, from the same squares and noises."""
    model = nn.Sequential(copy.deepcopy(linear), nn.Tanh()).double()
    how = settings(precision="float64")
    found = measured(model, group, GROUP_DRAWS, how)
    for example, draws, numbers in zip(group, GROUP_DRAWS, found, strict=True):
        for k, target in enumerate(example.targets):
            theirs = captum_numbers(model, replace(example, targets=target[None]), draws, how)
            assert np.allclose(numbers[:, k], theirs, rtol=1e-6)
