"""Scores of images against their definitions, worked out from the maps, and the words about them."""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from igbatch.reduce.image_scores import ImageScores
from igbatch.report.selection import SCORES, select
from igbatch.results import StudyResults
from igbatch.store import schemas
from igbatch.store.reader import Reader
from igbatch.text import number

Scores = Callable[[StudyResults, str], tuple[np.ndarray, pd.DataFrame, list[str]]]
Box = namedtuple("Box", ["box_id", "label", "x_min", "y_min", "x_max", "y_max", "visible_fraction"])
BOXES = (Box("0", "eagle", 1, 2, 7, 9, 1.0), Box("1", "magpie", 9, 3, 15, 8, 1.0))
TARGETS = ("eagle", "magpie")
IMAGES = ("a.png", "b.png", "c.png")


def maps_of(variants: dict[str, float], images: tuple[str, ...] = IMAGES) -> dict[Any, np.ndarray]:
    keys = [(v, image, target) for v in variants for image in images for target in TARGETS]
    rng = np.random.default_rng(0)
    return {key: (rng.normal(size=(16, 16)) * variants[key[0]]).astype(np.float32) for key in keys}


def inside(values: np.ndarray, box: Box) -> np.ndarray:
    return values.astype(np.float64)[box.y_min : box.y_max, box.x_min : box.x_max]


@pytest.fixture
def scores_of(change_study: Any) -> Scores:
    """Read the scores of a rule, the table that they are a column of, and the reason for every image."""

    def read(results: StudyResults, rule: str) -> tuple[np.ndarray, pd.DataFrame, list[str]]:
        change_study(results, report={"others": rule})
        table, reasons = results.image_summary, select(results).reasons
        return table[SCORES[rule][0]].to_numpy(), table, [reasons[name] for name in table["image_id"]]

    return read


def test_box_contrast_is_the_largest_difference_between_targets_in_one_box(
    drawn: Any, scores_of: Scores
) -> None:
    maps = maps_of({"random-1": 1.0, "trained": 1e-3})
    results = drawn(maps)
    values, table, reasons = scores_of(results, "box-contrast")
    for place, image in enumerate(IMAGES):
        sums = [[inside(maps["trained", image, target], box).sum() for target in TARGETS] for box in BOXES]
        apart = np.abs(np.diff(sums)[:, 0])
        assert values[place] == pytest.approx(apart.max())
        label = BOXES[int(apart.argmax())].label
        assert table["box_contrast_label"][place] == label
        assert reasons[place].endswith(f" ({label}'s box)")
    assert (table["box_contrast_variant_id"] == "trained").all()
    first, second, _ = np.argsort(-values)
    assert select(results).images[:2] == (IMAGES[first], IMAGES[second])
    assert reasons[first].startswith("largest box contrast: ")
    assert reasons[second].startswith("2nd largest box contrast: ")


def test_equal_scores_come_as_listed_and_those_without_last(drawn: Any, scores_of: Scores) -> None:
    maps = maps_of({"trained": 1.0}, ("z.png", "a.png", "m.png"))
    for image in ("a.png", "m.png"):
        for target in TARGETS:
            maps["trained", image, target] = maps["trained", "z.png", target]
    boxes = {"a.png": BOXES, "m.png": BOXES}
    results = drawn(maps, boxes=boxes)
    values, _, reasons = scores_of(results, "box-contrast")
    assert select(results).images == ("a.png", "m.png", "z.png")
    assert np.isnan(values[0])
    assert reasons[0] == "no score by box-contrast; next in the list"


def test_one_target_has_no_contrast(drawn: Any, noise: Any, scores_of: Scores) -> None:
    results = drawn({("trained", "a.png", "eagle"): noise(1)}, targets=("eagle",))
    assert np.isnan(scores_of(results, "box-contrast")[0]).all()


def test_the_worst_convergence_is_that_of_the_worst_map(drawn: Any, scores_of: Scores) -> None:
    maps = maps_of({"random-1": 1.0, "trained": 1.0})
    results = drawn(maps, gap=0.04)
    values, table, reasons = scores_of(results, "worst-convergence")
    settings = results.study.attribution
    for place, image in enumerate(IMAGES):
        ratios = {}
        for (variant, name, target), pixels in maps.items():
            if name == image:
                total, size = pixels.sum(dtype=np.float64), np.abs(pixels).sum(dtype=np.float64)
                score = total - 0.04 * size
                ratios[f"{variant}, {target}"] = (
                    0.04 * size / (settings.tolerance * abs(score) + settings.atol)
                )
        worst = max(ratios, key=lambda key: ratios[key])
        assert values[place] == pytest.approx(ratios[worst], rel=1e-6)
        found = ", ".join(table.loc[place, ["convergence_variant_id", "convergence_target"]])
        assert found == worst
        assert reasons[place].endswith(f" times as much ({worst})")


def test_disagreement_is_of_shares_in_boxes(drawn: Any, scores_of: Scores) -> None:
    maps = maps_of({"random-1": 1.0, "random-2": 1e-6, "trained": 1e-3})

    def share(variant: str, image: str, target: str, box: Box) -> float:
        values = maps[variant, image, target]
        return float(np.abs(inside(values, box)).sum() / np.abs(values.astype(np.float64)).sum())

    values, table, reasons = scores_of(drawn(maps), "disagreement")
    assert (table["disagreement_measure"] == "share").all()
    for place, image in enumerate(IMAGES):
        apart = {
            f"{box.label}'s box for {target}": abs(
                share("trained", image, target, box)
                - np.mean([share(f"random-{n}", image, target, box) for n in (1, 2)])
            )
            for box in BOXES
            for target in TARGETS
        }
        largest = max(apart, key=lambda key: apart[key])
        assert values[place] == pytest.approx(apart[largest], rel=1e-6)
        assert reasons[place].endswith(f"in the share of |a|: {number(values[place])} ({largest})")


def test_a_random_variant_on_some_images_counts_there_alone(drawn: Any, scores_of: Scores) -> None:
    maps = maps_of({"random-1": 1.0, "random-2": 1.0, "trained": 1e-3})
    for target in TARGETS:
        del maps["random-2", "c.png", target]
    values, _, _ = scores_of(drawn(maps), "disagreement")
    without = {key: values for key, values in maps.items() if key[0] != "random-2"}
    alone, _, _ = scores_of(drawn(without), "disagreement")
    assert values[2] == pytest.approx(alone[2])
    assert values[0] != pytest.approx(alone[0])


def test_without_boxes_it_is_of_net_shares_of_whole_maps(drawn: Any, scores_of: Scores) -> None:
    maps = maps_of({"random-1": 1.0, "trained": 1e-3})
    values, table, reasons = scores_of(drawn(maps, boxes=()), "disagreement")
    assert (table["disagreement_measure"] == "net_share").all()
    assert table["disagreement_label"].isna().all()
    for place, image in enumerate(IMAGES):
        net = {
            key: pixels.sum(dtype=np.float64) / np.abs(pixels).sum(dtype=np.float64)
            for key, pixels in maps.items()
        }
        apart = [abs(net["trained", image, target] - net["random-1", image, target]) for target in TARGETS]
        assert values[place] == pytest.approx(max(apart), rel=1e-6)
        assert reasons[place].endswith(f"({TARGETS[int(np.argmax(apart))]})")


def test_a_randomization_study_tells_it_by_rank_correlation(drawn: Any, scores_of: Scores) -> None:
    results = drawn(maps_of({"random-1": 1.0, "cascade-1": 1.0, "trained": 1e-3}))
    output, rest = (
        results.reader.output,
        {"other_variant_id": "trained", "target": "eagle", "other_target": "eagle"},
    )
    rows = [
        ("to_trained", "random-1", "a.png", 0.2), ("to_trained", "random-1", "a.png", 0.4),
        ("to_trained", "random-1", "b.png", -0.1), ("to_trained", "random-1", "b.png", None),
        ("between_random", "random-1", "b.png", 0.9), ("to_trained", "cascade-1", "a.png", 0.9),
    ]  # fmt: skip
    names = ("comparison", "variant_id", "image_id", "spearman")
    table = pa.Table.from_pylist(
        [{**rest, **dict(zip(names, row, strict=True))} for row in rows], schema=schemas.SIMILARITY
    )
    output.put_table(output.path("similarity.parquet"), table)
    record = results.record | {"study": results.record["study"] | {"randomization": {}}}
    images = ImageScores(Reader(output))
    assert "spearman" not in images.table()["disagreement_measure"].to_pylist()  # a study of another kind
    output.put_json(output.path("study.json"), record)
    found = ImageScores(Reader(output)).table().to_pandas()
    np.testing.assert_allclose(found["disagreement"], [0.7, 1.1, np.nan])
    assert found["disagreement_measure"].dropna().tolist() == ["spearman"] * 2
    output.put_table(output.path("image_summary.parquet"), pa.Table.from_pandas(found))
    _, _, reasons = scores_of(StudyResults(output.uri), "disagreement")
    assert reasons == [
        "2nd largest distance of trained and random maps: 0.700 (1 less the mean rank correlation)",
        "largest distance of trained and random maps: 1.10 (1 less the mean rank correlation)",
        "no score by disagreement; next in the list",
    ]


def test_nothing_random_or_nothing_trained_has_no_disagreement(drawn: Any, scores_of: Scores) -> None:
    for variant in ("random-1", "trained"):
        assert np.isnan(scores_of(drawn(maps_of({variant: 1.0})), "disagreement")[0]).all()
        assert np.isnan(scores_of(drawn(maps_of({variant: 1.0}), boxes=()), "disagreement")[0]).all()
