"""Which maps are compared: linear in the number of variants, and the same again when seeds are added."""

from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from igbatch.reduce.randomization.planning import GROUP, MeasurePlan
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader


class Listed:
    """A reader of which only the variants are read."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.variants = pa.Table.from_pylist(rows, schema=schemas.VARIANTS)


def variants(random: int, *more: dict[str, Any], model: str = "m") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"variant_id": f"{model}-trained", "kind": "trained"}]
    rows += [{"variant_id": f"{model}-random-{seed}", "kind": "random"} for seed in range(random)]
    return [{"model": model, **row} for row in [*rows, *more]]


def plan(rows: list[dict[str, Any]], pairs: int = 2) -> MeasurePlan:
    return MeasurePlan(cast(Reader, Listed(rows)), np.arange(1), {"": (-1.0, 1.0)}, pairs)


def partners(rows: list[dict[str, Any]], pairs: int = 2) -> dict[str, tuple[str, ...]]:
    return {each.variant_id: each.partners for group in plan(rows, pairs).groups() for each in group}


def test_random_variants_are_compared_with_a_few_before_them() -> None:
    found = partners(variants(5))
    assert found["m-trained"] == found["m-random-0"] == ()
    assert found["m-random-1"] == ("m-random-0",)
    assert found["m-random-4"] == ("m-random-2", "m-random-3")
    assert not any(partners(variants(5), pairs=0).values())


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_comparisons_grow_with_the_variants_and_not_with_their_square(pairs: int) -> None:
    counts = [sum(map(len, partners(variants(n), pairs).values())) for n in (50, 100, 200)]
    assert counts == [pairs * n - pairs * (pairs + 1) // 2 for n in (50, 100, 200)]


def test_adding_seeds_leaves_earlier_comparisons_as_they_are() -> None:
    before, after = partners(variants(20)), partners(variants(30))
    assert {name: after[name] for name in before} == before


def test_models_and_subsets_of_images_are_never_mixed() -> None:
    few = [{"variant_id": f"few-{seed}", "kind": "random", "images": ["a", "b"]} for seed in range(3)]
    rows = variants(3, *few) + variants(2, model="n")
    found = partners(rows)
    assert found["few-0"] == ()
    assert found["few-2"] == ("few-0", "few-1")
    assert found["n-random-0"] == ()
    trained = {each.variant_id: each.trained for group in plan(rows).groups() for each in group}
    assert trained["few-1"] == "m-trained"
    assert trained["n-random-1"] == "n-trained"
    assert trained["n-trained"] is None


def test_a_study_without_a_trained_variant_compares_the_others() -> None:
    groups = list(plan(variants(2 * GROUP)[1:]).groups())
    assert [len(group) for group in groups] == [GROUP, GROUP]
    assert all(each.trained is None for group in groups for each in group)


def test_a_task_names_all_that_it_reads(randomized: Output) -> None:
    reader = Reader(randomized)
    for info in randomized.files("measures"):
        assert info.path.endswith(".parquet")
    dataset = {"": (-1.0, 1.0)}  # another range: everything is to be measured
    found = MeasurePlan(reader, np.arange(3), dataset, 2)
    tasks = list(found.tasks())
    assert {compared.variant_id for task in tasks for compared, _ in task.parts} == set(reader.variant_ids)
    for task in tasks:
        assert [image.image_id for image in task.images] == reader.listing.image_ids.to_pylist()[:3]
        for compared, _ in task.parts:
            assert set(compared.variants) <= set(task.files)
        for variant_id, files in task.files.items():
            assert sum(len(file.rows) for file in files) == 6
            for file in files:
                path = randomized.data_path("attributions", variant_id, file.shard, file.attempt)
                assert randomized.exists(path)
        assert all(image.models[0] < 0 < image.models[1] for image in task.images)
