"""Tables of the page: sorted, filtered and paged by a reader, against pandas."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from playwright.sync_api import expect

from igbatch.text import number

Show = Callable[..., None]
SUMS = 'table[aria-label="Sums in boxes of the images shown"]'


def cells(page: Any, column: str) -> Any:
    """The cells of a column, in the order of the page."""
    heads = page.locator(f"{SUMS} thead th").all_inner_texts()
    place = [head.strip() for head in heads].index(column)
    return page.locator(f"{SUMS} tbody tr > :nth-child({place + 1})")


def texts(found: Any) -> list[str]:
    return [text.strip() for text in found.all_inner_texts()]


def box_sums(study: Any) -> pd.DataFrame:
    rows: pd.DataFrame = study.results.box_stats
    return rows


def head(page: Any, name: str) -> Any:
    return page.locator(f"{SUMS} thead th").filter(has_text=name).first


def test_a_column_is_sorted_by_its_numbers_with_mouse_and_keyboard(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    expected = [number(value) for value in sorted(box_sums(birds)["sum"])]
    sums = cells(page, "sum")
    assert texts(sums) != expected
    head(page, "sum").click()
    expect(sums).to_have_text(expected)
    expect(head(page, "sum")).to_have_attribute("aria-sort", "ascending")
    button = head(page, "sum").get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    expect(sums).to_have_text(expected[::-1])


def test_rows_are_filtered_by_text_and_by_choice_and_counted_aloud(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    whole = page.locator(".dt-container").filter(has=page.locator(SUMS))
    status = whole.get_by_role("status")
    expect(whole.get_by_text("Next", exact=True)).to_have_count(0)  # a short table has no pages
    expect(status).to_have_text(f"{len(box_sums(birds))} rows")
    whole.get_by_label("Filter rows").fill("random")
    random = box_sums(birds)["variant_id"].str.startswith("random")
    sums = cells(page, "sum")
    expect(sums).to_have_count(int(random.sum()))
    expect(status).to_have_text(f"{random.sum()} rows (of {len(random)})")
    whole.get_by_role("combobox", name="variant").select_option("random-2")
    whole.get_by_role("combobox", name="box").select_option("magpie")
    rows = box_sums(birds)
    left = rows[(rows["variant_id"] == "random-2") & (rows["box_label"] == "magpie")]
    expect(sums).to_have_count(len(left))
    assert sorted(texts(sums)) == sorted(map(number, left["sum"]))
    whole.get_by_role("combobox", name="variant").select_option("trained")
    expect(whole).to_contain_text("No row has all of this.")


def test_a_long_table_has_pages(large: Any, page: Any, show: Show) -> None:
    show(page, large)
    whole = page.locator(".dt-container").filter(has=page.locator(SUMS))
    sums = cells(page, "sum")
    expect(sums).to_have_count(50)
    first = texts(sums)
    whole.get_by_text("Next", exact=True).click()
    expect(sums).to_have_count(len(box_sums(large)) - 50)
    assert sorted(first + texts(sums)) == sorted(map(number, box_sums(large)["sum"]))


def test_hostile_names_are_sorted_filtered_and_chosen_as_text(hostile: Any, page: Any, show: Show) -> None:
    show(page, hostile)
    name = box_sums(hostile)["box_label"].iloc[0]
    head(page, "target").click()
    expect(head(page, "target")).to_have_attribute("aria-sort", "ascending")
    whole = page.locator(".dt-container").filter(has=page.locator(SUMS))
    whole.get_by_role("combobox", name="target").select_option(name)
    rows = int((box_sums(hostile)["target"] == name).sum())
    expect(cells(page, "target")).to_have_text([name] * rows)
    whole.get_by_label("Filter rows").fill("<script>")
    expect(whole.get_by_role("status")).to_have_text(f"{rows} rows (of {len(box_sums(hostile))})")
    expect(cells(page, "target")).to_have_text([name] * rows)
