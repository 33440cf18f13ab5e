"""The gallery in Chromium: order, choice, colours and means against numpy; keyboard, phones, odd names."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import ColorStyle
from igbatch.text import number

Show = Callable[..., None]
SYMMETRIC = "#gallery?range=dataset+symmetric"

READ = """async image => {
    await image.decode();
    const copy = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
    copy.drawImage(image, 0, 0);
    return Array.from(copy.getImageData(0, 0, copy.canvas.width, copy.canvas.height).data);
}"""


def names(page: Any) -> list[str]:
    """The names of the cards that are there, in their order."""
    found = page.locator(".grid li").evaluate_all(
        "all => all.map(each => [each.ariaPosInSet, each.querySelector('.name').textContent])"
    )
    return [name for _, name in sorted((int(place), name) for place, name in found)]


def card(page: Any, name: str) -> Any:
    return page.locator(".card").filter(
        has=page.locator(".name", has_text=re.compile(f"^{re.escape(name)}$"))
    )


def column(study: Any, name: str, variant: str = "trained", target: str = "eagle") -> Any:
    rows = study.results.image_stats
    return rows[(rows["variant_id"] == variant) & (rows["target"] == target)].set_index("image_id")[name]


def test_images_are_sorted_and_filtered_by_a_stored_number(many: Any, page: Any, show: Show) -> None:
    show(page, many.gallery)
    sums = column(many, "sum")
    page.locator("select[name=sort]").select_option(label="sum of the map")
    first = list(sums.sort_values(ascending=False).index)
    expect(page.locator(".card .name").first).to_have_text(first[0])
    assert names(page)[:5] == first[:5]
    expect(card(page, first[0])).to_contain_text(f"sum of the map {number(float(sums[first[0]]))}")
    page.locator("select[name=descending]").select_option(label="smallest first")
    expect(page.locator(".card .name").first).to_have_text(first[-1])
    page.locator("select[name=filter]").select_option(label="sum in eagle boxes")
    boxes = many.results.box_stats
    inside = boxes[
        (boxes["variant_id"] == "trained") & (boxes["target"] == "eagle") & (boxes["box_label"] == "eagle")
    ].set_index("image_id")["sum"]
    low = float(f"{inside.quantile(0.9):.3g}")
    page.locator("input[name=from]").fill(str(low))
    page.locator("input[name=from]").press("Enter")
    left = [name for name in reversed(first) if inside[name] >= low]
    expect(page.locator("#count")).to_contain_text(f"{len(left)} of 60 images")
    assert names(page) == left
    page.get_by_label("Name contains").fill(left[0])
    expect(page.locator("#count")).to_contain_text("1 of 60 images")
    again = page.evaluate("new Promise(done => setTimeout(() => done(location.hash), 400))")
    show(page, many.gallery, again)  # the link restores it
    expect(page.locator("#count")).to_contain_text("1 of 60 images")


def test_thumbnails_have_the_colours_of_the_range_in_force(many: Any, page: Any, show: Show) -> None:
    show(page, many.gallery, SYMMETRIC)
    shared = many.results.scope_range("dataset")
    scale = ColorScale(shared, ColorStyle.of(), None, True, "of probability")
    values = many.results.maps["trained", "03.png", "eagle"]
    shown = np.array(card(page, "03.png").locator("img.map").evaluate(READ)).reshape(32, 32, 4)
    expected = scale.style.colors.colors[scale.indices(values)]
    off = (shown[..., :3] != expected).any(axis=2)
    assert off.mean() < 0.02  # the last of 16 bits decides between two colours
    page.locator("select[name=scope]").select_option(label="Per-map range")
    expect(page.locator(".statement")).to_contain_text("Strengths may not be compared between any two maps")


def test_an_image_opens_in_the_viewer_where_the_page_has_it_and_large_here_elsewhere(
    many: Any, page: Any, show: Show
) -> None:
    show(page, many.gallery)
    card(page, "07.png").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("07.png")
    expect(dialog.locator("img.map")).to_have_count(2)
    total = float(column(many, "sum", target="magpie")["07.png"])
    expect(dialog.get_by_role("row").filter(has_text="sum of the map")).to_contain_text(number(total))
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_role("heading")).to_have_text("08.png")
    assert Axe().run(page).response["violations"] == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    card(page, "01.png").click()
    page.wait_for_url("**/index.html#view?*")
    assert parse_qs(urlsplit(page.url).fragment.partition("?")[2])["image"] == ["01.png"]
    expect(page.locator("#maps select[name=image]")).to_have_value("01.png")
    expect(page.locator("#maps [role=alert]")).to_have_count(0)


def test_cards_are_reached_by_keyboard_and_only_those_in_sight_are_there(
    many: Any, page: Any, show: Show
) -> None:
    show(page, many.gallery)
    assert page.locator(".grid li").count() < 60
    page.locator(".card").first.focus()
    for key, name in (
        ("End", "59.png"),
        ("ArrowLeft", "58.png"),
        ("Home", "00.png"),
        ("ArrowRight", "01.png"),
    ):
        page.keyboard.press(key)
        expect(card(page, name)).to_be_focused()
        expect(card(page, name)).to_be_in_viewport()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".card:focus .name")).not_to_have_text("01.png")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_mean_maps_are_numpys(many: Any, page: Any, show: Show) -> None:
    show(page, many.gallery)
    page.get_by_text("Mean maps of groups").click()
    expect(page.locator(".means")).to_contain_text("It is the map of no image")
    page.locator("select[name=group]").select_option(label="quarters: sum of the map")
    rows = page.locator(".means tbody tr")
    expect(rows).to_have_count(4)
    quarter = list(column(many, "sum").sort_values().index[:15])
    mean, n = many.results.mean_map("random-1", "magpie", quarter)
    cell = rows.first.locator("td").nth(3)
    expect(cell).to_contain_text(f"n = {n}, mean sum {number(float(mean.sum()), 2)[:4]}")
    assert n == 15
    shown = np.array(cell.locator("img.map").evaluate(READ)).reshape(32, 32, 4)
    strongest = np.unravel_index(np.abs(mean).argmax(), mean.shape)
    red, _, blue, _ = shown[strongest]
    assert (blue > red) == (mean[strongest] > 0)


def test_axe_finds_nothing_that_shuts_a_reader_out(many: Any, page: Any, show: Show) -> None:
    show(page, many.gallery)
    page.get_by_text("Mean maps of groups").click()
    expect(page.locator(".means img").last).to_be_visible()
    colours = {"runOnly": ["cat.color"], "rules": {"color-contrast-enhanced": {"enabled": False}}}
    for scheme, rules in (("light", {}), ("dark", colours)):  # colours alone change
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
        assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == [], scheme


def test_hostile_names_are_text_on_a_phone(hostile: Any, phone: Any, show: Show) -> None:
    phone.on("dialog", lambda dialog: pytest.fail(f"a name ran: {dialog.message}"))
    show(phone, hostile.gallery)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    expect(phone.locator(".card .name").first).to_have_text(hostile.results.target_names[0])
    phone.get_by_text("Mean maps of groups").click()
    phone.get_by_text("Choices").click()
    expect(phone.locator(".means")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    expect(phone.locator("script:not([type])")).to_have_count(1)
    assert phone.locator("img[src=x], [onerror]").count() == 0


def test_without_maps_there_are_numbers_and_it_says_so(mapless: Any, page: Any, show: Show) -> None:
    show(page, mapless.gallery)
    for name, reason in (("a.png", "not kept"), ("c.png", "not computed, or in quarantine")):
        found = page.locator(".grid li, .card").filter(has_text=name).first
        expect(found).to_contain_text(reason)
