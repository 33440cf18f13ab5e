"""Curves of deletion and insertion: cumulated sums for linear models, Quantus' curves for others."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from igbatch.attribution import Example, Settings
from igbatch.attribution.contrasts import target_tensor
from igbatch.attribution.curves import (
    Course,
    area,
    attribution_order,
    course_outputs,
    random_order,
    step_counts,
)
from igbatch.attribution.wave import MicroBatchLimit

SIZE = 8
LABELS = np.arange(SIZE * SIZE).reshape(SIZE, SIZE) // 4 % 2 + np.arange(SIZE)[:, None] // 3 * 2  # 6 regions
REGIONS = 6


def settings(**changes: Any) -> Settings:
    return Settings(**{"steps": 2, "output": "logit", "micro_batch": 4, **changes})


def example(seed: int = 1, channels: int = 3) -> Example:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(channels, SIZE, SIZE, generator=generator)
    return Example(image, torch.full_like(image, 0.5), torch.tensor([1, 3]))


def course(each: Example, order: np.ndarray, steps: int, *, insertion: bool = False, **how: Any) -> Course:
    ends = (each.baseline, each.image) if insertion else (each.image, each.baseline)
    labels = how.get("labels", LABELS)
    pixels = np.bincount(labels.ravel())
    return Course(*ends, torch.from_numpy(labels), pixels, order, step_counts(len(pixels), steps))


def test_the_curve_of_a_linear_model_is_the_cumulated_sum_of_its_map() -> None:
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 5)).double()
    both = [example(1), example(2)]
    courses, sums = [], []
    for each in both:
        weights = linear[1].weight[each.targets].reshape(2, 3, SIZE, SIZE)
        exact = (weights * (each.image - each.baseline)).sum(1).detach().numpy()
        sums.append([np.bincount(LABELS.ravel(), one.ravel()) for one in exact])
        orders = [attribution_order(one) for one in sums[-1]]
        courses.append([course(each, one, 99, insertion=way) for one in orders for way in (False, True)])
    found = course_outputs(linear, both, courses, settings(precision="float64"))
    pixels = np.bincount(LABELS.ravel())
    for each, own, sums_of, curves in zip(both, courses, sums, found, strict=True):
        whole, empty = (linear(one[None].double()).detach().numpy()[0] for one in (each.image, each.baseline))
        for k, target in enumerate(each.targets.tolist()):
            order = own[2 * k].order
            assert (np.diff(sums_of[k][order]) <= 0).all()
            cumulated = np.concatenate([[0], np.cumsum(sums_of[k][order])])
            deleted, inserted = (curves[2 * k + way][:, k] for way in (0, 1))
            assert np.allclose(deleted, whole[target] - cumulated, atol=1e-6)
            assert np.allclose(inserted, empty[target] + cumulated, atol=1e-6)
            shares = own[2 * k].fractions()
            assert (shares[0], shares[-1], len(shares)) == (0, 1, REGIONS + 1)
            assert np.allclose(shares, np.concatenate([[0], np.cumsum(pixels[order])]) / SIZE**2)
            assert np.isclose(area(shares, deleted) + area(shares, inserted), whole[target] + empty[target])


def test_a_random_orders_mean_area_is_half_way_between_both_ends_for_a_linear_model() -> None:
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 5))
    each, labels = example(), np.arange(SIZE * SIZE).reshape(SIZE, SIZE)
    orders = [random_order(SIZE * SIZE, 0, number, "eagle.jpg") for number in range(400)]
    own = [course(each, order, 16, labels=labels) for order in orders]
    (curves,) = course_outputs(linear, [each], [own], settings(micro_batch=512))
    areas = np.array([area(own[0].fractions(), one[:, 0]) for one in curves])
    half = (curves[0][0, 0] + curves[0][-1, 0]) / 2
    assert abs(areas.mean() - half) < 4 * areas.std() / np.sqrt(len(areas))


def test_orders_are_seeded_and_ties_keep_the_numbers_of_regions() -> None:
    assert attribution_order(np.array([0.0, 2.0, -1.0, 2.0, 0.0])).tolist() == [1, 3, 0, 4, 2]
    first = random_order(50, 0, 0, "a")
    assert sorted(first) == list(range(50))
    assert np.array_equal(first, random_order(50, 0, 0, "a"))
    others = [random_order(50, *args) for args in ((1, 0, "a"), (0, 1, "a"), (0, 0, "b"))]
    assert not any(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize(("regions", "steps"), [(196, 20), (7, 7), (7, 20), (1, 20), (50176, 1)])
def test_steps_lead_from_none_to_all_by_as_equal_parts_as_there_are(regions: int, steps: int) -> None:
    counts = step_counts(regions, steps)
    assert (counts[0], counts[-1], len(counts)) == (0, regions, min(regions, steps) + 1)
    assert set(np.diff(counts)) <= {regions // min(regions, steps), -(-regions // min(regions, steps))}


def test_images_and_orders_share_micro_batches_and_ends_are_passed_once() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 5))
    both = [example(1), example(2)]
    courses = [
        [course(each, random_order(REGIONS, 0, number, "a"), 3) for number in range(3)] for each in both
    ]
    limit = MicroBatchLimit(4)
    together = course_outputs(net, both, courses, settings(), limit)
    assert [rows for rows, _ in limit.batches] == [4, 4, 4, 4]  # 2 x (image, baseline, 3 x 2 states)
    for how in ({"together": False}, {"micro_batch": 1}):
        for own, alone in zip(together, course_outputs(net, both, courses, settings(**how)), strict=True):
            assert all(np.allclose(*pair, atol=1e-6) for pair in zip(own, alone, strict=True))


def test_the_curve_of_a_contrast_is_the_difference_of_two_classes() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 5))
    each = replace(example(), targets=target_tensor([1, 3, (1, 3)]))
    ((found,),) = course_outputs(
        net, [each], [[course(each, random_order(REGIONS, 0, 0, "a"), 3)]], settings()
    )
    assert np.allclose(found[:, 2], found[:, 0] - found[:, 1], atol=1e-12)


@pytest.fixture(scope="module")
def quantus() -> Any:
    return pytest.importorskip("quantus")


def test_deletion_equals_quantus_pixel_flipping(quantus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)  # Quantus 0.6 takes NumPy 1's
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    both = [example(1, 1), example(2, 1)]
    maps = np.random.default_rng(0).standard_normal((2, 1, SIZE, SIZE))

    def flipped(**how: Any) -> Any:
        metric = quantus.PixelFlipping(
            features_in_step=4, normalise=False, perturb_baseline=0.5, disable_warnings=True, **how
        )
        images = np.stack([each.image.numpy() for each in both])
        where = {"channel_first": True, "softmax": False, "device": "cpu"}
        return metric(model=net, x_batch=images, y_batch=np.array([3, 3]), a_batch=maps, **where)

    labels = np.arange(SIZE * SIZE).reshape(SIZE, SIZE)
    courses = [
        [course(each, attribution_order(one.ravel()), 16, labels=labels)]
        for each, one in zip(both, maps, strict=True)
    ]
    found = course_outputs(net, both, courses, settings())
    areas = flipped(return_auc_per_sample=True)  # over steps, from the first removal on
    for (own,), curve, under in zip(found, flipped(), areas, strict=True):
        assert np.allclose(own[1:, 1], curve, atol=1e-6)
        assert np.isclose(area(np.arange(16.0), own[1:, 1]), under, atol=1e-5)


def test_deletion_of_patches_equals_quantus_region_perturbation(quantus: Any) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    each, one = example(1, 1), np.random.default_rng(0).standard_normal((SIZE, SIZE))
    labels = np.arange(SIZE)[:, None] // 2 * 4 + np.arange(SIZE) // 2
    sums = np.bincount(labels.ravel(), one.ravel())
    flat = (sums / 4)[labels]  # so that the patches that Quantus chooses, overlapping or not, are these
    perturbation = quantus.RegionPerturbation(
        patch_size=2, regions_evaluation=4, order="morf", normalise=False, perturb_baseline=0.5,
        disable_warnings=True,
    )  # fmt: skip
    (expected,) = perturbation(
        model=net, x_batch=each.image[None].numpy(), y_batch=np.array([3]), a_batch=flat[None, None],
        channel_first=True, softmax=False, device="cpu",
    )  # fmt: skip
    ((own,),) = course_outputs(
        net, [each], [[course(each, attribution_order(sums), 16, labels=labels)]], settings()
    )
    assert np.allclose((own[0] - own)[1:5, 1], expected, atol=1e-6)
