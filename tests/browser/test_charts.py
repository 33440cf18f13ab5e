"""Charts of the page against the numbers they are drawn of."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

Show = Callable[..., None]
CHART = '[data-chart="aggregates"] svg.chart'


@pytest.fixture(scope="module")
def charts(tab: Any, birds: Any, show: Show) -> Any:
    """The page of `birds`, to be looked at."""
    show(tab, birds)
    return tab


def test_every_mean_has_a_dot_in_order_on_one_axis(birds: Any, charts: Any) -> None:
    svg = charts.locator(CHART)
    expect(svg).to_have_attribute("role", "img")
    expect(svg).to_have_attribute("aria-label", re.compile("Mean sum"))
    dots = svg.locator("circle").evaluate_all(
        "dots => dots.map(dot => [Number(dot.getAttribute('cx')), Number(dot.getAttribute('cy'))])"
    )
    order = {name: place for place, name in enumerate(birds.results.variants["variant_id"])}
    rows = birds.results.aggregates
    rows = rows.assign(rank=rows["variant_id"].map(order)).sort_values(["rank", "box_label", "target"])
    across = [x for x, _ in sorted(dots, key=lambda dot: dot[1])]
    assert list(np.argsort(across)) == list(np.argsort(rows["mean_sum"].to_numpy()))


def test_lengths_are_in_proportion_until_the_reader_chooses_otherwise(
    birds: Any, page: Any, show: Show, eventually: Callable[..., None]
) -> None:
    show(page, birds)
    means = birds.results.aggregates["mean_sum"].abs()

    def spread() -> float:
        """The largest distance from the others' median over the median distance: of dots along the axis."""
        across = np.array(
            page.locator(f"{CHART} circle").evaluate_all("all => all.map(d => +d.getAttribute('cx'))")
        )
        away = np.abs(across - np.median(across))
        return float(away.max() / np.median(away))

    assert means.max() > 100 * means.median()  # the trained model's sums are far larger
    proportional = spread()
    page.get_by_label("Axis").select_option("logarithmic")
    expect(page.locator('[data-chart="aggregates"]')).to_contain_text("small sums look large")

    def is_compressed() -> None:
        assert spread() < proportional / 10

    eventually(is_compressed)


def test_hovering_tells_the_numbers(charts: Any) -> None:
    charts.locator(CHART).scroll_into_view_if_needed()
    charts.locator(f"{CHART} circle").first.hover(force=True)
    tip = charts.locator(f'{CHART} [aria-label="tip"]')
    expect(tip).to_contain_text("box → ")
    expect(tip).to_contain_text("2 images")


def test_charts_fit_a_phone_and_follow_its_width(
    birds: Any, phone: Any, show: Show, eventually: Callable[..., None]
) -> None:
    show(phone, birds)
    for width in (390, 700):
        phone.set_viewport_size({"width": width, "height": 800})

        def fits(width: int = width) -> None:
            assert width - 60 < phone.locator(CHART).evaluate("element => element.clientWidth") <= width
            assert phone.evaluate("document.documentElement.scrollWidth") <= width

        eventually(fits)


def test_the_histogram_counts_what_the_colours_clip(charts: Any) -> None:
    words = re.compile(r"eagle 0 \(0\s%\), magpie 0 \(0\s%\)")  # symmetric ends hold all
    expect(charts.locator(".histogram p")).to_have_text(words)
    expect(charts.locator('.histogram svg [data-mark="line"] path')).to_have_count(2)
