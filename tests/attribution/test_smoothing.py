"""Means over noisy copies: against means known by hand, and the same bits in whatever order copies come."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from igbatch.attribution import Attributed, Example, Settings, attribute
from igbatch.attribution.rules import Quadrature
from igbatch.attribution.smoothing import _Mean, averaged, copy_noise, settings_of_copies

SHAPE = (3, 8, 8)
TARGETS = torch.tensor([0, 2])


class Linear(nn.Module):
    """Logits linear in the image."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(4, *SHAPE, generator=generator, dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", images, self.weights.to(images))


class Bent(nn.Module):
    """A small smooth network whose logits turn several times between black and an image."""

    def __init__(self, generator: torch.Generator, gain: float) -> None:
        super().__init__()
        self.first = nn.Parameter(gain * torch.randn(12, math.prod(SHAPE), generator=generator) / 14)
        self.second = nn.Parameter(torch.randn(4, 12, generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh(images.flatten(1) @ self.first.T) @ self.second.T


def noisy(image: Tensor, copies: int, deviation: float, name: str = "a") -> list[Example]:
    """Copies of an image that is its own input, with the baseline 0."""
    return [
        Example(image + torch.from_numpy(copy_noise(SHAPE, deviation, 0, name, copy)), 0 * image, TARGETS)
        for copy in range(copies)
    ]


def one_map(
    seed: int, index: int, error: float = 0.01, steps: int = 5, scale: float = 1.0, converged: bool = True
) -> Attributed:
    """A map of random numbers for two targets."""
    rng = np.random.default_rng(seed)
    scores, starts, delta = rng.normal(size=(3, 2))
    return Attributed(
        attributions=torch.from_numpy(scale * rng.normal(size=(2, 3, 4))), scores=scores,
        baseline_scores=starts, convergence_delta=delta, steps=np.full(2, steps), map_error=np.full(2, error),
        converged=np.full(2, converged), quadrature=Quadrature(np.array([0.5]), np.array([1.0])),
        logits=torch.from_numpy(rng.normal(size=5)), index=index, micro_batch=8,
    )  # fmt: skip


# The noise


def test_noise_follows_from_seed_image_and_copy_alone() -> None:
    def noise(*names: object) -> bytes:
        return copy_noise((4, 4, 3), 0.1, *names).tobytes()  # type: ignore[arg-type]

    cases = [*itertools.product((0, 1), ("a", "b", "1:a"), (0, 1, 11)), (11, "a", 0)]
    assert len({noise(*case) for case in cases}) == len(cases)
    assert all(noise(*case) == noise(*case) for case in cases)


def test_noise_is_normal_with_the_stated_deviation() -> None:
    noise = copy_noise((200, 200, 3), 0.25, 0, "a", 0)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 5 * 0.25 / math.sqrt(noise.size)
    assert noise.std() == pytest.approx(0.25, rel=0.02)
    for deviations, share in ((1, 0.6827), (2, 0.9545), (3, 0.9973)):
        assert (np.abs(noise) < 0.25 * deviations).mean() == pytest.approx(share, abs=0.005)
    np.testing.assert_array_equal(
        copy_noise((5, 5, 3), 0.5, 3, "b", 2), 2 * copy_noise((5, 5, 3), 0.25, 3, "b", 2)
    )


# The mean


def test_one_copy_is_its_own_mean() -> None:
    done = [one_map(seed, seed) for seed in range(3)]
    assert list(averaged(iter(done), 1)) == done


@given(st.integers(2, 9), st.randoms(use_true_random=False))
def test_a_mean_is_the_same_bits_in_whatever_order_copies_come(copies: int, random: object) -> None:
    done = [one_map(index, index, steps=index + 1) for index in range(2 * copies)]
    expected = {mean.index: mean for mean in averaged(iter(done), copies)}
    random.shuffle(done)  # type: ignore[attr-defined]
    means = {mean.index: mean for mean in averaged(iter(done), copies)}
    assert set(means) == set(expected) == {0, 1}
    by_index = sorted(done, key=lambda each: each.index)
    for image, mean in means.items():
        own = by_index[image * copies : (image + 1) * copies]
        for name in ("scores", "convergence_delta", "map_error", "steps", "baseline_scores"):
            np.testing.assert_array_equal(getattr(mean, name), getattr(expected[image], name))
        assert torch.equal(mean.attributions, expected[image].attributions)
        exact = torch.stack([each.attributions for each in own]).mean(0)
        torch.testing.assert_close(mean.attributions, exact, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(mean.scores, np.mean([each.scores for each in own], axis=0))
        np.testing.assert_array_equal(mean.baseline_scores, own[0].baseline_scores)
        np.testing.assert_array_equal(mean.steps, sum(each.steps for each in own))


def test_few_maps_are_held_however_late_the_first_copy_comes() -> None:
    for order in (range(64), [*range(1, 64), 0], range(63, -1, -1)):
        mean = _Mean(64)
        held = []
        for copy in order:
            assert mean.total is None
            mean.add(copy, one_map(copy, copy))
            held.append(len(mean._sums))
        assert max(held) <= 2 * 6
        assert mean.total is not None


def test_images_are_yielded_as_soon_as_they_are_done() -> None:
    arrived: list[int] = []

    def stream() -> Iterator[Attributed]:
        for index in (3, 0, 4, 5, 1, 2):
            arrived.append(index)
            yield one_map(index, index)

    assert [(mean.index, len(arrived)) for mean in averaged(stream(), 3)] == [(1, 4), (0, 6)]


def test_a_mean_has_converged_where_every_copy_has() -> None:
    done = [one_map(0, 0), one_map(1, 1, converged=False)]
    (mean,) = averaged(iter(done), 2)
    assert not mean.converged.any()


# The error of the mean


def test_the_error_of_equal_copies_is_their_own() -> None:
    (mean,) = averaged((one_map(0, index, error=0.03) for index in range(5)), 5)
    np.testing.assert_allclose(mean.map_error, 0.03)


@given(st.lists(st.tuples(st.floats(1e-3, 1.0), st.floats(0.1, 10.0)), min_size=2, max_size=6))
def test_no_errors_of_the_stated_sizes_make_a_larger_one(copies: list[tuple[float, float]]) -> None:
    """The largest errors are those that all point in one direction: with them the bound is met."""
    done = [one_map(index, index, error=error, scale=scale) for index, (error, scale) in enumerate(copies)]
    (mean,) = averaged(iter(done), len(done))
    direction = torch.ones(3, 4, dtype=torch.float64) / math.sqrt(12)
    for k in range(2):
        off = sum(
            each.map_error[k] * torch.linalg.vector_norm(each.attributions[k]) * direction for each in done
        )
        largest = torch.linalg.vector_norm(off / len(done)) / torch.linalg.vector_norm(mean.attributions[k])
        assert mean.map_error[k] == pytest.approx(largest.item())


@pytest.mark.parametrize(
    ("errors", "scales", "expected"),
    [
        ((0.01, math.nan), (1.0, 1.0), math.nan),  # not estimated
        ((0.01, math.inf), (1.0, 0.0), math.inf),  # a map of nothing, with an error
        ((0.0, 0.0), (0.0, 0.0), 0.0),  # exactly nothing
    ],
)
def test_errors_that_are_no_ratios(
    errors: tuple[float, float], scales: tuple[float, float], expected: float
) -> None:
    pairs = zip(errors, scales, strict=True)
    done = [one_map(index, index, error=e, scale=s) for index, (e, s) in enumerate(pairs)]
    (mean,) = averaged(iter(done), 2)
    np.testing.assert_array_equal(mean.map_error, [expected] * 2)


def test_copies_that_cancel_have_no_relative_error() -> None:
    plus, minus = one_map(0, 0), one_map(0, 1, scale=-1.0)
    (mean,) = averaged(iter([plus, minus]), 2)
    np.testing.assert_array_equal(mean.map_error, [math.inf] * 2)


# With models


def test_the_mean_of_a_linear_models_maps_is_that_of_the_mean_image(generator: torch.Generator) -> None:
    model, image = Linear(generator), torch.rand(SHAPE, generator=generator, dtype=torch.float64)
    copies = noisy(image, 6, 0.2)
    settings = Settings(steps=2, output="logit", precision="float64", micro_batch=4)
    (mean,) = averaged(attribute(model, copies, settings), 6)
    average = torch.stack([each.image for each in copies]).mean(0)
    expected = (model.weights[TARGETS] * average).sum(1)
    torch.testing.assert_close(mean.attributions, expected.detach(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mean.scores, expected.sum((1, 2)).detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(mean.convergence_delta, 0.0, atol=1e-12)
    assert mean.steps.tolist() == [12, 12]


def test_nearly_no_noise_changes_nearly_nothing(generator: torch.Generator) -> None:
    model, image = Bent(generator, 3.0), torch.rand(SHAPE, generator=generator)
    settings = Settings(steps=20, precision="float64", micro_batch=4)
    (clean,) = attribute(model, [Example(image, 0 * image, TARGETS)], settings)
    (mean,) = averaged(attribute(model, noisy(image, 5, 1e-7), settings), 5)
    torch.testing.assert_close(mean.attributions, clean.attributions, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(mean.scores, clean.scores, rtol=1e-5)
    np.testing.assert_array_equal(mean.baseline_scores, clean.baseline_scores)


@pytest.mark.parametrize(("gain", "deviation"), [(2.0, 0.1), (6.0, 0.3), (12.0, 0.5)])
def test_the_mean_is_within_its_error_and_its_error_within_the_tolerance(
    gain: float, deviation: float, generator: torch.Generator
) -> None:
    """Also where the copies' maps have so little in common that their mean is far smaller than they are."""
    model = Bent(generator, gain)
    image = torch.rand(SHAPE, generator=generator)
    copies = noisy(image, 8, deviation)
    settings = settings_of_copies(Settings(steps="auto", tolerance=0.02, micro_batch=8), 8)
    assert settings.tolerance == pytest.approx(0.02 / math.sqrt(8))
    (mean,) = averaged(attribute(model, copies, settings), 8)
    (exact,) = averaged(attribute(model, copies, Settings(steps=400, precision="float64", micro_batch=40)), 8)
    off = torch.linalg.vector_norm((mean.attributions - exact.attributions).flatten(1), dim=1)
    norm = torch.linalg.vector_norm(mean.attributions.flatten(1), dim=1)
    assert ((off / norm).numpy() <= mean.map_error).all()
    assert (mean.map_error <= 0.02).all()
    assert mean.converged.all()
    gaps = mean.attributions.sum((1, 2)).numpy() - (mean.scores - mean.baseline_scores)
    np.testing.assert_allclose(gaps, mean.convergence_delta, atol=1e-12)
    mass = mean.attributions.abs().sum((1, 2)).numpy()
    assert (np.abs(mean.convergence_delta) <= 0.02 * mass + settings.atol).all()


def test_the_copies_of_others_change_no_bits_of_an_image_that_is_kept_apart_and_little_of_another(
    generator: torch.Generator,
) -> None:
    model = Bent(generator, 4.0)
    images = torch.rand(3, *SHAPE, generator=generator)
    settings = Settings(steps="auto", tolerance=0.01, micro_batch=8)
    examples = [noisy(image, 4, 0.2, name) for image, name in zip(images, "abc", strict=True)]
    apart = replace(settings, together=False)
    alone = [next(averaged(attribute(model, each, apart), 4)) for each in examples]
    for mean in averaged(attribute(model, itertools.chain(*examples), apart), 4):
        assert torch.equal(mean.attributions, alone[mean.index].attributions)
        np.testing.assert_array_equal(mean.map_error, alone[mean.index].map_error)
    for mean in averaged(attribute(model, itertools.chain(*examples), settings), 4):
        expected = alone[mean.index]
        off = torch.linalg.vector_norm((mean.attributions - expected.attributions).flatten(1), dim=1)
        norm = torch.linalg.vector_norm(expected.attributions.flatten(1), dim=1)
        assert ((off / norm).numpy() <= mean.map_error + expected.map_error).all()
