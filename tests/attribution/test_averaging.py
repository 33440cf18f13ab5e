"""Means over copies and baselines: against means known by hand, and the same bits in whatever order."""

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
from igbatch.attribution.averaging import _Mean, averaged, settings_of_copies
from igbatch.attribution.rules import Quadrature
from igbatch.attribution.smoothing import copy_noise

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
            held.append(len(mean._parts))
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


# Baselines


AREAS = ((slice(0, 2), slice(0, 3)), (slice(0, 3), slice(0, 4)), (slice(1, 1), slice(0, 4)))


@given(st.integers(2, 9), st.randoms(use_true_random=False))
def test_the_spread_is_the_deviation_of_the_maps_and_the_same_bits_in_any_order(
    copies: int, random: object
) -> None:
    done = [one_map(index, index) for index in range(copies)]
    (expected,) = averaged(iter(done), copies, lambda image: AREAS)
    by_index = list(done)
    random.shuffle(done)  # type: ignore[attr-defined]
    (mean,) = averaged(iter(done), copies, lambda image: AREAS)
    assert mean.spread is not None
    assert expected.spread is not None
    for own, other in zip(mean.spread, expected.spread, strict=True):
        np.testing.assert_array_equal(np.asarray(own), np.asarray(other))
    maps = torch.stack([each.attributions for each in by_index])
    deviation = maps.std(0, correction=0)
    torch.testing.assert_close(mean.spread.deviation, deviation, rtol=1e-12, atol=1e-14)
    norms = [each.flatten(1).norm(dim=1) for each in (deviation, maps.mean(0))]
    np.testing.assert_allclose(mean.spread.ratio, norms[0] / norms[1])
    sums = torch.stack([maps[:, :, :2, :3].sum((2, 3)), maps.sum((2, 3)), maps[:, :, 0, 0] * 0], 2)
    np.testing.assert_allclose(mean.spread.sums, sums, atol=1e-14)
    np.testing.assert_allclose(mean.baseline_scores, np.mean([each.baseline_scores for each in done], axis=0))
    (smoothed,) = averaged(iter(done), copies)
    assert smoothed.spread is None
    assert torch.equal(smoothed.attributions, mean.attributions)


def test_equal_maps_have_no_spread_and_a_map_of_zeros_no_ratio() -> None:
    same = [replace(one_map(0, 0), index=index) for index in range(5)]
    (mean,) = averaged(iter(same), 5, lambda image: ())
    assert mean.spread is not None
    assert not mean.spread.deviation.any()
    assert mean.spread.ratio.tolist() == [0.0, 0.0]
    assert mean.spread.sums.shape == (5, 2, 0)
    (nothing,) = averaged((one_map(0, index, scale=0.0) for index in range(2)), 2, lambda image: ())
    assert nothing.spread is not None
    assert np.isnan(nothing.spread.ratio).all()


def test_a_linear_models_mean_map_is_that_of_the_mean_baseline_and_its_spread_that_of_the_baselines(
    generator: torch.Generator,
) -> None:
    """Of w * (image - baseline) the mean is w * (image - mean baseline), the deviation |w| * the baselines'.

    One of the baselines is the image itself, whose map is 0.
    """
    model, image = Linear(generator), torch.rand(SHAPE, generator=generator, dtype=torch.float64)
    baselines = [torch.full_like(image, level) for level in (0.0, 0.5, 1.0)]
    for start, flat in ((baselines, True), ([*baselines, image], False)):
        examples = [Example(image, each, TARGETS) for each in start]
        settings = Settings(steps="auto", output="logit", precision="float64", micro_batch=4)
        (mean,) = averaged(attribute(model, examples, settings), len(start), lambda image: AREAS)
        weights = model.weights[TARGETS].detach()
        expected = (weights * (image - torch.stack(start).mean(0))).sum(1)
        torch.testing.assert_close(mean.attributions, expected, rtol=1e-10, atol=1e-12)
        gap = expected.sum((1, 2)).numpy() - (mean.scores - mean.baseline_scores)
        np.testing.assert_allclose(gap, 0, atol=1e-12)
        assert mean.spread is not None
        if flat:
            deviation = weights.sum(1).abs() * np.std([0.0, 0.5, 1.0])
            torch.testing.assert_close(mean.spread.deviation, deviation, rtol=1e-8, atol=1e-12)
        assert np.isfinite(mean.map_error).all()
        assert mean.converged.all()
