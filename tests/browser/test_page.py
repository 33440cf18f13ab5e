"""The page as a whole in Chromium: quick, quiet, self-contained, and reachable by keyboard."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

Show = Callable[..., None]
LIMIT = 12_000_000
READY_MS = 2000
TRIES = 3


def test_a_page_of_48_maps_is_small_and_shows_the_first_within_2_s(large: Any, page: Any, show: Show) -> None:
    assert len(large.results.maps) == 48
    assert large.path.stat().st_size < LIMIT
    page.add_init_script(
        """new MutationObserver((_, observer) => {
            if (!document.documentElement?.hasAttribute("data-igbatch-ready")) return;
            window.readyAt = performance.now();
            observer.disconnect();
        }).observe(document, { attributes: true, childList: true, subtree: true });"""
    )
    took = []
    while len(took) < TRIES and min(took, default=READY_MS) >= READY_MS:  # other tests have the cores too
        show(page, large)
        assert page.locator("#maps canvas").first.is_visible()
        took.append(page.evaluate("window.readyAt"))
    print(f"first map after {took} ms of {large.path.stat().st_size / 1e6:.1f} MB")
    assert min(took) < READY_MS


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_shuts_a_reader_out(birds: Any, page: Any, show: Show, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    show(page, birds)
    page.get_by_role("button", name="Add a box").click()
    page.get_by_label("each map under two normalizations").check()
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == []


def test_nothing_is_logged_or_asked_for(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    page.emulate_media(color_scheme="dark")
    page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(50)
    assert page.wrong == []


def test_what_the_tab_watches_is_caught(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    page.evaluate("console.info('a message')")
    page.evaluate("setTimeout(() => { throw new Error('an error'); })")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('img'), {src: 'https://a.test/b'}))"
    )
    page.evaluate(
        "document.head.append(Object.assign(document.createElement('style'), {textContent: 'p{}'}))"
    )
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran=1'}))"
    )
    page.wait_for_timeout(100)
    caught = "\n".join(page.wrong)
    for sign in ("a message", "an error", "https://a.test/b", "inline style", "inline script"):
        assert sign in caught
    assert page.evaluate("window.ran") is None
    page.wrong.clear()


def test_text_cannot_be_run_as_code(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    page.evaluate("setTimeout('window.ran = 1')")
    page.wait_for_timeout(50)
    assert page.evaluate("window.ran") is None
    assert "unsafe-eval" in "\n".join(page.wrong)
    page.wrong.clear()


def test_hostile_names_are_text(hostile: Any, page: Any, show: Show) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"a name ran: {dialog.message}"))
    show(page, hostile)
    scripts = page.locator("script:not([type])")
    assert scripts.count() == 1
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("[onerror]").count() == 0
    name = hostile.results.target_names[0]
    assert page.get_by_role("heading", level=1).inner_text() == name
    assert page.locator("#maps").get_by_text(name, exact=False).count() > 0


def test_every_section_has_a_heading_and_a_link(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    sections = page.locator("main > section[id]").evaluate_all("all => all.map(each => each.id)")
    links = page.locator("nav[aria-label=Contents] a").evaluate_all(
        "all => all.map(each => each.hash.slice(1))"
    )
    assert sections == links
    assert sections[:3] == ["summary", "maps", "findings"]
    assert all(page.locator(f"#{each} > h2").count() == 1 for each in sections)


def test_every_section_is_reached_by_keyboard(
    birds: Any, page: Any, show: Show, wait_until: Callable[..., None]
) -> None:
    show(page, birds)
    links = page.locator("nav[aria-label=Contents] a")
    for place in range(links.count()):
        page.keyboard.press("Tab")
        target = page.evaluate("document.activeElement.hash")
        assert target == links.nth(place).get_attribute("href")
        page.keyboard.press("Enter")
        wait_until(lambda target=target: page.evaluate("location.hash") == target)
        top = page.locator(target).evaluate("each => each.getBoundingClientRect().top")
        bottom = page.evaluate("document.documentElement.scrollHeight - innerHeight - scrollY")
        assert abs(top) < 2 or abs(bottom) < 2  # the last sections cannot reach the top
        links.nth(place).focus()


def test_long_names_do_not_make_the_page_wider_than_a_phone(hostile: Any, phone: Any, show: Show) -> None:
    show(phone, hostile)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390


def test_without_script_tables_and_figures_are_there(birds: Any, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(birds.url)
    assert "figures for print linked below" in page.locator("#maps noscript").inner_text()
    assert page.get_by_role("table").count() >= 2
    assert page.locator("#sums img").is_visible()
    page.get_by_text("Figures for print (PNG)").click()
    assert page.get_by_role("link", name="trained", exact=True).is_visible()
    context.close()


def test_maps_that_are_not_there_say_why(mapless: Any, page: Any, show: Show) -> None:
    reasons = {"a.png": "not kept", "b.png": "torn", "c.png": "Not computed yet"}
    for image, reason in reasons.items():
        show(page, mapless, f"#view?image={image}")
        assert page.locator("#maps .panel").get_by_text(reason).count() == 2
