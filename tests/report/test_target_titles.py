"""What targets are called on an image."""

from typing import Any

import pandas as pd

from igbatch.report.figures.draw import figure
from igbatch.report.figures.image_data import ImageMaps, ShownRows
from igbatch.report.page.study_data import page_data
from igbatch.report.page.tables import sums_table
from igbatch.report.selection import select
from igbatch.report.target_titles import TargetTitles

TARGETS = ("eagle", "predicted", "top-2")
CLASSES = {"eagle": 0, "Adler": 0, "magpie": 1}


def following(drawn: Any, noise: Any) -> Any:
    """A study whose targets follow the image; drawn studies explain logit 0 throughout."""
    results = drawn({("trained", "a.png", target): noise(3) for target in TARGETS}, targets=TARGETS)
    results.record["models"]["small"]["class_names"] = CLASSES
    return results


def test_a_target_that_follows_the_image_names_its_class_everywhere(drawn: Any, noise: Any) -> None:
    results = following(drawn, noise)
    expected = ["eagle", "predicted: eagle", "top-2: eagle"]
    maps = ImageMaps(results, "a.png")
    assert [maps.panel("trained", target, None).title for target in TARGETS] == expected
    assert maps.probabilities("trained", ["predicted"])[0].startswith("p(predicted: eagle) = ")
    texts = {
        text.get_text() for axes in figure(results, "a.png", scope="targets").axes for text in axes.texts
    }
    assert set(expected) <= texts
    table = sums_table(results, select(results))
    assert table is not None
    assert {row[table.head.index("target")] for row in table.rows} == set(expected)
    study, blocks = page_data(results, select(results), ShownRows(results, ["a.png"]))
    stored = study.images[0].variants[0].maps
    assert [each.class_name for each in stored] == ["", "eagle", "eagle"]
    assert [each.class_index for each in stored] == [0, 0, 0]
    assert len(blocks) == 1  # one class, one map


def test_a_logit_without_a_name_is_called_by_its_number_and_nothing_is_invented(
    drawn: Any, noise: Any
) -> None:
    titles = TargetTitles(following(drawn, noise))
    row = lambda index: pd.Series({"target_index": index})  # noqa: E731
    assert titles.title(row(7), "trained", "top-2") == "top-2: class 7"
    assert titles.title(row(7), "trained", "a\nname") == "a�name"
    assert titles.title(row(float("nan")), "trained", "label") == "label"
    assert titles.title(None, "trained", "predicted") == "predicted"
