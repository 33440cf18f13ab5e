"""Removing boxes: by hand on linear models, in micro-batches over images, exact for drawn scenes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from igbatch.attribution import Example, Settings, integrated_gradients
from igbatch.attribution.device_sharing import DeviceLock
from igbatch.images.baselines import baseline_pixels
from igbatch.images.geometry import MappedBox
from igbatch.images.preprocessing import Preprocessing
from igbatch.pipeline.deletions import BoxRemoval, Removals, blurred, filled
from igbatch.pipeline.plan import ShardImage
from igbatch.pipeline.prepare import PreparedImage, prepare
from igbatch.pipeline.removal_passes import deletes
from igbatch.statistics.agreement import MEASURES
from igbatch.study import AttributionSection, VariantSpec

SIZE, CLASSES = 32, 5
LINEAR = Settings(output="logit", micro_batch=4, steps=5)
SETTING = AttributionSection()


@dataclass(frozen=True)
class Task:
    image: PreparedImage
    example: Example
    others: tuple[Tensor, ...] = ()

    @property
    def fills(self) -> tuple[Tensor, ...]:
        return self.example.baseline, *self.others


class LinearModel:
    """Logits that are linear in the image; `batches` are the sizes of its passes."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.randn(3 * SIZE * SIZE, CLASSES, generator=generator)
        self.batches: list[int] = []

    def __call__(self, points: Tensor, example_indices: Tensor | None = None) -> Tensor:
        self.batches.append(len(points))
        return points.flatten(1) @ self.weights.to(points.dtype)


def box(x_min: int, y_min: int, x_max: int, y_max: int) -> MappedBox:
    return MappedBox(f"box {x_min} {y_min}", "eagle", x_min, y_min, x_max, y_max, 1.0)


LEFT, OVERLAPPING, HIDDEN = box(2, 4, 12, 20), box(8, 10, 30, 28), box(0, 7, 0, 20)


def task(*boxes: MappedBox, seed: int = 0, targets: Sequence[int] = (1, 3)) -> Task:
    """An image of noise with boxes, whose pixels are the model's input as they are."""
    pixels = np.random.default_rng(seed).random((SIZE, SIZE, 3), dtype=np.float32)
    entry = ShardImage(f"{seed}.png", "", "", None, boxes=None, keep_map=False)
    image = PreparedImage(entry, pixels, boxes, None, "", SIZE, SIZE)
    return Task(image, Example(chw(pixels), torch.full((3, SIZE, SIZE), 0.5), torch.tensor(targets)))


def chw(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def measured(
    model: LinearModel, tasks: Iterable[Task], settings: Settings = LINEAR, *, smoothed: bool = False
) -> list[tuple[Task, Removals | None]]:
    return list(BoxRemoval(model, settings, chw, DeviceLock(), smoothed=smoothed).measured(tasks))


def losses(model: LinearModel, one: Task, target: int, **how: bool) -> list[dict[str, float]]:
    ((_, removals),) = measured(model, [one], **how)
    assert removals is not None
    score = float(model(one.example.image[None])[0, one.example.targets[target]])
    return removals.deletions(target, score)


@pytest.mark.parametrize("smoothed", [False, True])
def test_of_a_linear_model_a_deletion_is_the_sum_of_attributions(smoothed: bool) -> None:
    model, one = LinearModel(), task(LEFT, OVERLAPPING, HIDDEN)
    maps = (
        integrated_gradients(
            model, one.example.image[None], [1, 3], one.example.baseline[None], output="logit", steps=2
        )
        .attributions[0]
        .double()
    )
    for target in (0, 1):
        first, second, third = losses(model, one, target, smoothed=smoothed)
        for each, found in ((LEFT, first), (OVERLAPPING, second)):
            inside = maps[target, each.y_min : each.y_max, each.x_min : each.x_max]
            assert found["deletion"] == pytest.approx(float(inside.sum()), abs=1e-3)
            assert "true_effect" not in found
        assert third == {}  # the crop left none of it


def test_with_several_baselines_a_deletion_is_the_mean_of_what_is_lost_under_each() -> None:
    model, one = LinearModel(), task(LEFT, HIDDEN, OVERLAPPING)
    others = (torch.zeros(3, SIZE, SIZE), torch.rand(3, SIZE, SIZE, generator=torch.Generator()))
    alone = [
        losses(model, replace(one, example=replace(one.example, baseline=each)), 0)
        for each in (one.example.baseline, *others)
    ]
    for found, each in zip(
        losses(model, replace(one, others=others), 0), zip(*alone, strict=True), strict=True
    ):
        for column in found:
            mean = np.mean([own[column] for own in each])
            assert found[column] == pytest.approx(mean, abs=1e-5)


def test_without_a_fill_there_is_no_deletion_and_the_others_are_as_they_were() -> None:
    @dataclass(frozen=True)
    class Own(Task):
        @property
        def fills(self) -> tuple[Tensor, ...]:
            return ()

    model, one = LinearModel(), task(LEFT, HIDDEN)
    first, hidden = losses(model, Own(one.image, one.example), 0)
    assert first == {
        "deletion_blurred": pytest.approx(losses(model, one, 0)[0]["deletion_blurred"], abs=1e-3)
    }
    assert hidden == {}


def test_what_a_model_does_not_look_at_loses_nothing() -> None:
    model, one = LinearModel(), task(LEFT, OVERLAPPING)
    seen = model.weights.view(3, SIZE, SIZE, CLASSES)
    seen[:, LEFT.y_min : LEFT.y_max, LEFT.x_min : LEFT.x_max] = 0
    blind, other = losses(model, one, 0, smoothed=True)
    assert blind == {"deletion": 0, "deletion_blurred": 0}
    assert abs(other["deletion"]) > 0.1


def test_a_blurred_fill_is_the_blurred_baseline() -> None:
    one = task(LEFT)
    soft = chw(baseline_pixels("blurred", one.image.pixels))
    assert torch.allclose(blurred(one.example.image), soft, atol=1e-6)
    inside = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    inside[LEFT.y_min : LEFT.y_max, LEFT.x_min : LEFT.x_max] = True
    assert torch.equal(filled(one.example.image, soft, LEFT), torch.where(inside, soft, one.example.image))


def test_images_share_passes_and_come_in_their_order() -> None:
    model = LinearModel()
    boxes: list[tuple[MappedBox, ...]] = [
        (LEFT,),
        (LEFT,),
        (),
        (LEFT, OVERLAPPING, HIDDEN),
        (HIDDEN,),
        (LEFT,) * 3,
    ]
    tasks = [task(*each, seed=seed) for seed, each in enumerate(boxes)]
    found = measured(model, tasks)
    assert model.batches == [4, 4, 4, 2]
    assert [each for each, _ in found] == tasks
    assert [removals is None for _, removals in found] == [False, False, True, False, True, False]
    alone = measured(LinearModel(), tasks, replace(LINEAR, together=False))
    for (_, first), (_, second) in zip(found, alone, strict=True):
        if first and second:
            together, apart = first.deletions(1, 0.0), second.deletions(1, 0.0)
            assert [list(each) for each in together] == [list(each) for each in apart]
            for one, other in zip(together, apart, strict=True):
                assert list(one.values()) == pytest.approx(list(other.values()), rel=1e-4)


def test_images_without_boxes_wait_for_nobody() -> None:
    taken: list[int] = []

    def tasks() -> Iterable[Task]:
        for seed in range(3):
            taken.append(seed)
            yield task(seed=seed)

    stream = BoxRemoval(LinearModel(), LINEAR, chw, DeviceLock()).measured(tasks())
    assert next(iter(stream))[1] is None
    assert taken == [0]


def test_rounding_passes_take_the_image_along() -> None:
    model = LinearModel()
    measured(model, [task(LEFT)], replace(LINEAR, precision="bfloat16"))
    assert model.batches == [3]


def test_variants_whose_boxes_are_removed() -> None:
    trained, random = (VariantSpec(kind, "m", kind, None, "auto") for kind in ("trained", "random"))
    for chosen, of_trained, of_random in (("trained", 1, 0), ("all", 1, 1), ("none", 0, 0)):
        section = SETTING.model_copy(update={"deletion": chosen})
        assert (deletes(section, trained), deletes(section, random)) == (of_trained, of_random)


def test_a_drawn_scene_is_prepared_without_its_birds_if_its_boxes_are_its_own() -> None:
    preprocessing = Preprocessing(input_size=(3, 32, 32), mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=1.0)
    entry = ShardImage("double-00001", "scene:1?kind=double", "", None, boxes=None, keep_map=False)
    found = prepare(entry, preprocessing, without=True)
    assert isinstance(found, PreparedImage)
    assert len(found.without) == len(found.boxes) >= 2
    for each in found.without:
        assert each.shape == found.pixels.shape
        assert not np.array_equal(each, found.pixels)
    others = (prepare(entry, preprocessing), prepare(replace(entry, boxes=()), preprocessing, without=True))
    assert [each.without for each in others if isinstance(each, PreparedImage)] == [(), ()]
    one = Task(found, Example(chw(found.pixels), torch.zeros(3, 32, 32), torch.tensor([0])))
    model = LinearModel()
    score = float(model(one.example.image[None])[0, 0])
    for each, without in zip(losses(model, one, 0), found.without, strict=True):
        assert tuple(each) == MEASURES
        assert each["true_effect"] == pytest.approx(score - float(model(chw(without)[None])[0, 0]), abs=1e-4)
