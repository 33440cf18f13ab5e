"""What is kept of a path: inner products, sums and folding against the maps themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from igbatch.attribution import path_state
from igbatch.attribution.path_state import SLOTS, SLOTS_AT_A_TIME, PathState

FloatArray = NDArray[np.float64]
TARGETS, PIXELS = 2, 5
UNITS = np.array([2.0, 1e-200])  # that maps of the two targets are in


def filled(
    places: list[float], generator: torch.Generator, dtype: torch.dtype = torch.float64
) -> tuple[PathState, Tensor]:
    """A path with random maps at places, requested three at a time; and these, [nodes, K, pixels]."""
    path = PathState(TARGETS, exact=True)
    maps = torch.randn(len(places), TARGETS, PIXELS, generator=generator, dtype=torch.float64)
    for start in range(0, len(places), 3):
        extend(path, places[start : start + 3], maps[start : start + 3].to(dtype))
    return path, maps


def extend(path: PathState, places: list[float], maps: Tensor) -> None:
    """Ask for places, and put maps there."""
    nodes = path.request(places)
    slots = slice(nodes[0].slot, nodes[-1].slot + 1)
    path.put(slots, maps)
    path.scales[slots] = UNITS
    path.slopes[slots] = maps.double().sum(2).numpy() * UNITS
    path.take(path.products().double().numpy())


def test_places_have_slots_in_the_order_in_which_they_are_asked_for() -> None:
    path = PathState(1)
    assert [tuple(node) for node in path.request((0.5, 0.0))] == [(1, 0.5), (2, 0.0)]
    assert [tuple(node) for node in path.request(np.array([0.25]))] == [(3, 0.25)]
    assert (path.known, path.used, path.steps) == (1, 3, 3)
    assert path.nodes[:5].tolist() == [np.inf, 0.5, 0.0, 0.25, np.inf]


@pytest.mark.parametrize("exact", [True, False])
def test_the_gram_matrix_holds_the_inner_products_of_maps(exact: bool, generator: torch.Generator) -> None:
    path = PathState(TARGETS, exact)
    maps = torch.randn(7, TARGETS, PIXELS, generator=generator)
    for start, stop in ((0, 5), (5, 6), (6, 7)):
        extend(path, np.linspace(0, 1, 7)[start:stop].tolist(), maps[start:stop])
    flat = maps.double().transpose(0, 1).numpy()
    units = np.array([4.0, 0.0])  # 1e-400 is nothing
    expected = flat @ flat.transpose(0, 2, 1) * units[:, None, None]
    np.testing.assert_allclose(path.gram[:, 1:8, 1:8], expected, rtol=1e-5, atol=1e-6)
    assert not path.gram[:, 0].any()
    assert not path.gram[:, 8:].any()


def test_inner_products_in_float64_are_exact(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(path_state, "COLUMNS", 2)  # in pieces
    path, maps = PathState(TARGETS, exact=True), torch.randn(3, TARGETS, PIXELS, generator=generator)
    nodes = path.request([0.0, 0.5, 1.0])
    path.put(slice(nodes[0].slot, nodes[-1].slot + 1), maps)
    flat = maps.double().transpose(0, 1)
    torch.testing.assert_close(path.products(), flat @ flat.mT, rtol=1e-15, atol=1e-15)


def test_a_path_that_becomes_exact_has_the_inner_products_of_one_that_was_all_along(
    generator: torch.Generator,
) -> None:
    maps = torch.randn(9, TARGETS, PIXELS, generator=generator)
    places = np.linspace(0, 1, 9).tolist()
    changing, exact = PathState(TARGETS), PathState(TARGETS, exact=True)
    for path in (changing, exact):
        extend(path, places[:5], maps[:5])
    assert not np.array_equal(changing.gram, exact.gram)
    changing.exact, changing.known = True, 1
    for path in (changing, exact):
        path.fold(np.array([0, 1.0, 0, 0, 0, 0]), places[1], np.zeros((4, TARGETS)), places[2])
        assert path.known == (1 if path is changing else 5)
        extend(path, places[5:7], maps[5:7])
        extend(path, places[7:], maps[7:])
        assert path.known == path.used + 1
    np.testing.assert_allclose(changing.gram, exact.gram, rtol=1e-14)


def test_maps_are_kept_where_their_slots_are_however_many_come(generator: torch.Generator) -> None:
    path = PathState(1)
    maps = torch.randn(SLOTS - 1, 1, PIXELS, generator=generator)
    for start in range(0, len(maps), 7):
        part = maps[start : start + 7]
        nodes = path.request(np.linspace(0.1, 0.2, len(part)) + start)
        path.put(slice(nodes[0].slot, nodes[-1].slot + 1), part)
        assert path._maps.shape[1] < path.used + 1 + SLOTS_AT_A_TIME
    kept = path.weighted(torch.eye(SLOTS)[1:][None, 40])
    torch.testing.assert_close(kept, maps[40])
    assert path._maps.shape == (1, SLOTS, PIXELS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_sum_of_maps_is_in_units_of_the_output(dtype: torch.dtype, generator: torch.Generator) -> None:
    path, maps = filled([0.0, 0.5, 1.0, 0.25], generator, dtype)
    weights = np.array([0.0, 0.5, 0.25, -0.125, 0.375])
    expected = np.einsum("n,nkp->kp", weights[1:], maps.to(dtype).double().numpy()) * UNITS[:, None]
    found = path.combined(weights)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13)


def test_what_is_folded_counts_as_it_did(generator: torch.Generator) -> None:
    places = [0.0, 0.5, 1.0, 0.25, 0.75, 0.125]
    path, maps = filled(places, generator)
    unfolded, _ = filled(places, torch.Generator().manual_seed(0))
    weights = np.array([0.0, 0.1, 0.0, 0.0, 0.3, 0.0, 0.2])  # of what is left of 0.25
    path.fold(weights, 0.125, np.full((4, TARGETS), 7.0), 0.25)
    kept = [0.125, 0.25, 0.5, 0.75, 1.0]
    assert path.nodes[1:6].tolist() == kept
    assert np.isinf(path.nodes[[0, *range(6, SLOTS)]]).all()
    assert (path.used, path.folded, path.steps) == (5, 0.25, 6)
    assert (path.folds[:4] == 7.0).all()
    index = [places.index(place) for place in kept]
    np.testing.assert_array_equal(path.gram[:, 1:6, 1:6], unfolded.gram[:, 1:, 1:][:, index][:, :, index])
    slopes = maps.sum(2).numpy() * UNITS
    np.testing.assert_allclose(path.folds[4], weights[1:] @ slopes, rtol=1e-12)
    np.testing.assert_array_equal(path.slopes[1:6], slopes[index])
    rest = np.array([1.0, 0.05, 0.05, 0.1, 0.1, 0.1])
    together = weights.copy()
    for place, weight in zip(kept, rest[1:], strict=True):
        together[1 + places.index(place)] += weight
    np.testing.assert_allclose(path.combined(rest).numpy(), unfolded.combined(together).numpy(), rtol=1e-12)
    path.weights = rest
    quadrature = path.quadrature()
    assert quadrature.nodes.tolist() == sorted(places)
    np.testing.assert_allclose(quadrature.weights, together[1 + np.argsort(places)], rtol=1e-12)


def test_folding_twice_is_folding_once(generator: torch.Generator) -> None:
    places = [0.0, 0.5, 1.0, 0.25, 0.75, 0.125]
    (once, _), (twice, _) = (filled(places, torch.Generator().manual_seed(1)) for _ in range(2))
    first, second = np.array([9.0, 0.1, 0, 0, 0.05, 0, 0.2]), np.array([9.0, 0, 0.1, 0.3, 0, 0])
    nothing = np.zeros((4, TARGETS))
    once.fold(first + np.array([0, 0, 0.3, 0, 0.1, 0, 0]), 0.25, nothing, 0.5)
    twice.fold(first, 0.125, nothing, 0.25)
    twice.fold(second, 0.25, nothing, 0.5)
    rest = np.array([1.0, 0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(twice.combined(rest).numpy(), once.combined(rest).numpy(), rtol=1e-12)
    np.testing.assert_array_equal(twice.gram, once.gram)
    np.testing.assert_allclose(twice.folds[4], once.folds[4], rtol=1e-12)
    once.weights = twice.weights = rest
    np.testing.assert_allclose(twice.quadrature().weights, once.quadrature().weights, atol=1e-15)
