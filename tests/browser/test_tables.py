"""Tables of the page: sorted, filtered and paged by a reader, against pandas."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from igbatch.report.text import number

Show = Callable[..., None]
SUMS = 'table[aria-label="Sums in boxes of the images shown"]'


def cells(page: Any, column: str) -> list[str]:
    """The texts of a column as they stand on the page."""
    heads = page.locator(f"{SUMS} thead th").all_inner_texts()
    place = [head.strip() for head in heads].index(column)
    texts = page.locator(f"{SUMS} tbody tr > :nth-child({place + 1})").all_inner_texts()
    return [text.strip() for text in texts]


def box_sums(study: Any) -> pd.DataFrame:
    rows: pd.DataFrame = study.results.box_stats
    return rows


def head(page: Any, name: str) -> Any:
    return page.locator(f"{SUMS} thead th").filter(has_text=name).first


def test_a_column_is_sorted_by_its_numbers_with_mouse_and_keyboard(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    expected = [number(value) for value in sorted(box_sums(birds)["sum"])]
    assert cells(page, "sum") != expected
    head(page, "sum").click()
    assert cells(page, "sum") == expected
    assert head(page, "sum").get_attribute("aria-sort") == "ascending"
    button = head(page, "sum").get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    assert cells(page, "sum") == expected[::-1]


def test_rows_are_filtered_by_text_and_by_choice_and_counted_aloud(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    whole = page.locator(".dt-container").filter(has=page.locator(SUMS))
    status = whole.get_by_role("status")
    assert status.inner_text() == f"{len(box_sums(birds))} rows"
    whole.get_by_label("Filter rows").fill("random")
    random = box_sums(birds)["variant_id"].str.startswith("random")
    assert len(cells(page, "sum")) == random.sum()
    assert status.inner_text() == f"{random.sum()} rows (of {len(random)})"
    whole.get_by_role("combobox", name="variant").select_option("random-2")
    whole.get_by_role("combobox", name="box").select_option("magpie")
    rows = box_sums(birds)
    left = rows[(rows["variant_id"] == "random-2") & (rows["box_label"] == "magpie")]
    assert sorted(cells(page, "sum")) == sorted(map(number, left["sum"]))
    whole.get_by_role("combobox", name="variant").select_option("trained")
    assert "No row has all of this." in whole.inner_text()


def test_a_long_table_has_pages_and_a_short_one_has_none(
    birds: Any, large: Any, page: Any, show: Show
) -> None:
    show(page, birds)
    whole = page.locator(".dt-container").filter(has=page.locator(SUMS))
    assert whole.get_by_text("Next", exact=True).count() == 0
    show(page, large)
    first = cells(page, "sum")
    assert len(first) == 50
    whole.get_by_text("Next", exact=True).click()
    rest = cells(page, "sum")
    assert sorted(first + rest) == sorted(map(number, box_sums(large)["sum"]))


def test_hostile_names_are_sorted_filtered_and_chosen_as_text(hostile: Any, page: Any, show: Show) -> None:
    show(page, hostile)
    name = box_sums(hostile)["box_label"].iloc[0]
    head(page, "target").click()
    whole = page.locator(".dt-container").filter(has=page.locator(SUMS))
    whole.get_by_role("combobox", name="target").select_option(name)
    assert set(cells(page, "target")) == {name}
    whole.get_by_label("Filter rows").fill("<script>")
    assert len(cells(page, "target")) == (box_sums(hostile)["target"] == name).sum()
