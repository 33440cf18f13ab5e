"""The measures of one image: each row is what the statistics say of the maps that it names."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from igbatch.reduce.randomization.comparisons import ComparedVariant, ImageComparisons, Map, Rows
from igbatch.statistics.complexity import complexity
from igbatch.statistics.localization import localization
from igbatch.statistics.similarity import map_features, similarity
from igbatch.store import schemas

MODELS, DATASET = (-4.0, 4.0), (-9.0, 9.0)


def made(seed: int, scale: float = 1.0) -> Map:
    return (scale * np.random.default_rng(seed).normal(size=(48, 48))).astype(np.float32)


@pytest.fixture
def maps() -> dict[str, dict[str, Map]]:
    names = ("trained", "random-1", "random-2", "random-3")
    return {
        name: {"eagle": made(2 * number, 1 + number), "magpie": made(2 * number + 1)}
        for number, name in enumerate(names)
    }


def measured(
    maps: dict[str, dict[str, Map]], compared: ComparedVariant, boxes: Any = None, pixels: Any = None
) -> Rows:
    ranges = {"": {"models": MODELS, "dataset": DATASET}}
    return ImageComparisons("a.png", maps, ranges, boxes or {}, pixels).measure(compared)


def test_each_comparison_has_its_rows(maps: dict[str, dict[str, Map]]) -> None:
    compared = ComparedVariant("random-3", "trained", ("random-1", "random-2"))
    rows = measured(maps, compared)["similarity"]
    keys = ["comparison", "variant_id", "other_variant_id", "target", "other_target"]
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("between_targets", "random-3", "random-3", "eagle", "magpie"),
        ("to_trained", "random-3", "trained", "eagle", "eagle"),
        ("to_trained", "random-3", "trained", "magpie", "magpie"),
        ("between_random", "random-3", "random-1", "eagle", "eagle"),
        ("between_random", "random-3", "random-1", "magpie", "magpie"),
        ("between_random", "random-3", "random-2", "eagle", "eagle"),
        ("between_random", "random-3", "random-2", "magpie", "magpie"),
    ]
    assert all(set(schemas.MEASURES) <= set(row) for row in rows)


def test_a_row_is_the_similarity_of_its_maps_under_each_range(maps: dict[str, dict[str, Map]]) -> None:
    (row,) = (
        row
        for row in measured(maps, ComparedVariant("random-1", "trained"))["similarity"]
        if row["comparison"] == "to_trained" and row["target"] == "eagle"
    )
    one, other = maps["random-1"]["eagle"], maps["trained"]["eagle"]
    pair = (float(min(one.min(), other.min())), float(max(one.max(), other.max())))
    expected = similarity(
        map_features(one), map_features(other), {"pair": pair, "models": MODELS, "dataset": DATASET}
    )
    assert {name: row[name] for name in expected} == expected
    root = float(np.sqrt(np.mean((one.astype(np.float64) - other) ** 2)))
    assert row["difference"] == pytest.approx(root)
    assert row["difference_dataset"] == pytest.approx(root / 18)
    assert row["difference_pair"] == pytest.approx(root / (pair[1] - pair[0]))
    assert row["spearman"] == pytest.approx(stats.spearmanr(one.ravel(), other.ravel()).statistic)


def test_a_variant_compared_with_itself_is_alike_in_everything(maps: dict[str, dict[str, Map]]) -> None:
    maps = {**maps, "twin": maps["trained"]}
    row = measured(maps, ComparedVariant("twin", "trained"))["similarity"][1]
    for name in schemas.MEASURES:
        assert row[name] == pytest.approx(0 if name.startswith("difference") else 1, abs=1e-6), name


def test_what_is_missing_is_left_out(maps: dict[str, dict[str, Map]]) -> None:
    del maps["trained"]["eagle"], maps["random-1"]
    rows = measured(maps, ComparedVariant("random-2", "trained", ("random-1",)))["similarity"]
    assert [(row["comparison"], row["target"]) for row in rows] == [
        ("between_targets", "eagle"),
        ("to_trained", "magpie"),
    ]
    assert measured(maps, ComparedVariant("random-1", "trained")) == {
        "similarity": [],
        "map_measures": [],
        "localization": [],
    }


def test_complexity_rises_against_the_trained_map(maps: dict[str, dict[str, Map]]) -> None:
    spike = np.zeros((48, 48), dtype=np.float32)
    spike[3, 4] = 1
    maps["trained"]["eagle"] = spike + made(9, 1e-3)
    rows = {
        row["target"]: row for row in measured(maps, ComparedVariant("random-1", "trained"))["map_measures"]
    }
    random, trained = complexity(maps["random-1"]["eagle"]), complexity(maps["trained"]["eagle"])
    assert random is not None
    assert trained is not None
    assert rows["eagle"]["complexity"] == random
    assert rows["eagle"]["complexity_rise"] == pytest.approx((random - trained) / trained)
    assert rows["eagle"]["complexity_rise"] > 1
    own = measured(maps, ComparedVariant("trained"))["map_measures"]
    assert [row["complexity_rise"] for row in own] == [None, None]


def test_edges_need_pixels_and_boxes_make_one_region_a_label(maps: dict[str, dict[str, Map]]) -> None:
    pixels = np.zeros((48, 48, 3), dtype=np.float32)
    pixels[:, 24:] = 1
    boxes = {"eagle": [(0, 0, 8, 8), (4, 4, 12, 12)], "gone": [(7, 7, 7, 9)]}
    edge = np.zeros((48, 48), dtype=np.float32)
    edge[:, 23:25] = 1
    maps["trained"]["eagle"] = edge + made(5, 1e-4)
    rows = measured(maps, ComparedVariant("trained"), boxes, pixels)
    first, second = rows["map_measures"]
    assert first["sobel_spearman"] > second["sobel_spearman"] + 0.1
    assert first["sobel_ssim"] > 0.9 > second["sobel_ssim"]
    assert "sobel_spearman" not in measured(maps, ComparedVariant("trained"))["map_measures"][0]
    assert {row["box_label"] for row in rows["localization"]} == {"eagle"}
    mask = np.zeros((48, 48), dtype=bool)
    mask[:8, :8] = mask[4:12, 4:12] = True
    assert rows["localization"][0]["pixels"] == mask.sum() == 64 + 64 - 16
    expected = localization(maps["trained"]["eagle"], mask)
    assert {name: rows["localization"][0][name] for name in expected} == expected
