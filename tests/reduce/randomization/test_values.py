"""What is tested: one value an image, several boxes of a label joined, signs over the images."""

from itertools import count

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from igbatch.reduce.randomization.values import (
    BOX_STATISTICS,
    MAP_STATISTICS,
    Statistic,
    image_values,
    sign_rows,
    values_tasks,
    variant_values,
)
from igbatch.statistics.aggregates import named_classes
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.image_stats import map_statistics
from igbatch.store.output import Output
from igbatch.store.reader import Reader

NOT_REMOVED = {"deletion": np.nan, "deletion_blurred": np.nan}


PLACES = count(step=20)
"""Left edges of boxes that lie apart."""


def box(image: str, target: str, label: str, total: float | None, **more: float) -> dict[str, object]:
    row = {"share": 0.25, "density_ratio": 2.0, "pixels": 10, "contains_peak": False, **NOT_REMOVED, **more}
    left = next(PLACES)
    edges = {"x_min": left, "y_min": 0, "x_max": left + 10, "y_max": 10}
    return {"image_id": image, "target": target, "box_label": label, "sum": total, **edges, **row}


def maps(*images: str, change: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"image_id": image, "target": target, "sum": 0.1, "abs_sum": 3.0, "score": 0.2,
             "score_baseline": 0.2 + change}
            for image in images for target in ("eagle", "magpie")
        ]
    )  # fmt: skip


def test_boxes_of_one_label_are_joined() -> None:
    boxes = pd.DataFrame(
        [
            box("a", "eagle", "eagle", 1.0, pixels=10, density_ratio=1.0, contains_peak=True),
            box("a", "eagle", "eagle", -3.0, pixels=30, density_ratio=3.0),
            box("a", "eagle", "eagle", None),
            box("a", "magpie", "eagle", 2.0),
        ]
    )
    found = image_values(boxes, maps("a")).set_index(["target", "box_label"])
    joined = found.loc[("eagle", "eagle")]
    assert joined["sum"] == -2
    assert joined["share"] == 0.5
    assert joined["density_ratio"] == pytest.approx((10 * 1 + 30 * 3) / 40)
    assert joined["contains_peak"] == 1
    assert joined["sum_over_change"] == pytest.approx(-2 / 0.5)
    assert joined["positive"] == 0
    assert found.loc[("magpie", "eagle")]["positive"] == 1
    assert found["abs_sum"].notna().sum() == 2  # the whole maps


def test_no_pixel_counts_twice() -> None:
    """A box within another is in its sum already; of boxes that overlap in part nothing exact is known."""
    whole = {"x_min": 0, "y_min": 0, "x_max": 50, "y_max": 50}
    part, beyond = {**whole, "x_max": 20}, {**whole, "x_min": 40, "x_max": 60}
    side = {**whole, "x_min": 49, "x_max": 80}

    def found(*edges: dict[str, int], share: float = 0.75) -> pd.DataFrame:
        rows = [box("a", "eagle", "eagle", 1.0, share=share, **each) for each in edges]
        table = image_values(pd.DataFrame(rows), maps("a"))
        return table[table["box_label"].notna()]

    assert found(part, whole, whole, part)[["sum", "share"]].to_numpy().tolist() == [[1.0, 0.75]]
    assert found(whole, side)[["sum", "share"]].to_numpy().tolist() == [[2.0, 1.0]]  # edges rounded outwards
    assert found(whole, beyond).empty


def test_an_output_that_does_not_change_has_no_ratio_to_its_change() -> None:
    boxes = pd.DataFrame([box("a", "eagle", "eagle", 1.0)])
    found = image_values(boxes, maps("a", change=0.0))
    assert found["sum_over_change"].isna().all()


def test_which_side_is_asked_for_follows_from_the_claim() -> None:
    classes = named_classes(["eagle", "magpie", "predicted"], {})
    sides = {
        ("eagle", "eagle", "sum"): "greater",
        ("magpie", "eagle", "sum"): "less",
        ("magpie", "eagle", "positive"): "less",
        ("eagle", "crow", "sum"): "two-sided",
        ("predicted", "eagle", "sum"): "two-sided",
        ("magpie", "eagle", "share"): "greater",
        ("eagle", None, "sum"): "two-sided",
        ("eagle", None, "abs_sum"): "greater",
    }
    assert {key: Statistic(*key).alternative(classes) for key in sides} == sides


def test_statistics_free_of_scale_are_those_that_a_factor_leaves_alone() -> None:
    rng = np.random.default_rng(0)
    attribution = rng.normal(size=(30, 30)).astype(np.float32)

    class Corner:
        box_id, label, x_min, y_min, x_max, y_max, visible_fraction = "b", "eagle", 2, 3, 12, 20, 1.0

    def of(factor: float) -> pd.Series:
        scaled = (attribution * np.float32(factor)).astype(np.float32)
        whole = map_statistics(scaled)
        facts = {"image_id": "a", "target": "eagle"}
        removed = {"deletion": factor * 0.3, "deletion_blurred": factor * 0.2}
        boxes = pd.DataFrame([{**facts, **box_statistics(scaled, [Corner()])[0], **removed}])
        rows = pd.DataFrame(
            [{**facts, "sum": whole["sum"], "abs_sum": whole["abs_sum"], "score": whole["sum"],
              "score_baseline": 0.0}]
        )  # fmt: skip
        return image_values(boxes, rows).iloc[0]

    once, more = of(1), of(1024)
    for name, free in BOX_STATISTICS.items():
        assert (once[name] == pytest.approx(more[name])) == free, name


def test_signs_are_tested_over_images() -> None:
    rng = np.random.default_rng(0)
    rows = []
    against, own = rng.normal(-0.3, 0.3, 20), rng.normal(1.0, 0.3, 20)
    for number in range(20):
        rows.append(box(f"{number}", "magpie", "eagle", against[number]))
        rows.append(box(f"{number}", "eagle", "eagle", own[number]))
        rows.append(box(f"{number}", "eagle", "crow", -1.0))
    names = [f"{number}" for number in range(20)]
    found = {
        (row["test"], row["statistic"]): row
        for row in sign_rows(
            image_values(pd.DataFrame(rows), maps(*names)), named_classes(["eagle", "magpie"], {})
        )
    }
    assert set(found) == {
        (test, statistic) for test in ("sign", "signed_rank") for statistic in ("sum", "sum_minus_other")
    }
    sign, rank = found["sign", "sum"], found["signed_rank", "sum"]
    assert (sign["target"], sign["box_label"], sign["other_target"]) == ("magpie", "eagle", None)
    assert sign["p"] == pytest.approx(
        stats.binomtest(int((against < 0).sum()), 20, alternative="greater").pvalue
    )
    assert rank["p"] == pytest.approx(stats.wilcoxon(against, alternative="less").pvalue)
    assert sign["sign_share"] == np.mean(against < 0)
    gap = found["signed_rank", "sum_minus_other"]
    assert (gap["target"], gap["other_target"], gap["alternative"]) == ("eagle", "magpie", "greater")
    assert gap["value"] == pytest.approx((own - against).mean())
    assert gap["p"] == pytest.approx(stats.wilcoxon(own - against, alternative="greater").pvalue)


def test_values_of_a_variant_are_means_of_its_rows(randomized: Output) -> None:
    task = next(values_tasks(Reader(randomized)))
    assert task.variant_id == "trained"
    found = variant_values(task)
    boxes = Reader(randomized).box_stats("trained").to_pandas()
    rows = boxes[(boxes["box_label"] == "magpie") & (boxes["target"] == "eagle")]
    images, means, _ = found.means[Statistic("eagle", "magpie", "sum")]
    assert images == rows["image_id"].nunique() == 3
    assert means[0] == pytest.approx(rows.groupby("image_id")["sum"].sum().mean())
    assert means.shape == (1001,)
    ratio = found.means[Statistic("eagle", "magpie", "sum_over_change")].means
    stats_of = Reader(randomized).image_stats(["image_id", "target", "score", "score_baseline"], "trained")
    scores = stats_of.to_pandas().query("target == 'eagle'")
    change = (scores["score"] - scores["score_baseline"]).abs()
    assert ratio[0] == pytest.approx(means[0] / change.mean())
    assert np.isfinite(ratio).all()
    assert {statistic.statistic for statistic in found.means} == {*BOX_STATISTICS, *MAP_STATISTICS}
    assert len(found.signs) == 8
