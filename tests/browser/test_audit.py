"""The audit's charts against the history that they are drawn of."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from igbatch.audit import history
from igbatch.audit.files import remove_audit, write_audit

Show = Callable[..., None]
CHARTS = '[data-chart="history"] svg.chart'


@pytest.fixture(scope="module")
def audited(
    birds: Any,
    audit_of: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
    render_again: Callable[..., Any],
) -> Any:
    """A page with a history of five audits, of which the last two failed."""
    audits = [audit_of(failed=day > 3, made_at=f"2026-11-0{day}T02:00:00Z") for day in range(1, 6)]
    output = birds.results.reader.output
    write_audit(output, audits[-1], [0.0, 0.0], history.joined(map(history.rows_of, audits)))
    yield render_again(tmp_path_factory.mktemp("audited"), birds.results)
    remove_audit(output)


def test_each_check_has_a_chart_with_its_audits_and_its_threshold(
    audited: Any, page: Any, show: Show
) -> None:
    show(page, audited)
    expect(page.locator(CHARTS)).to_have_count(2)
    sums = page.locator('[data-chart="history"] > div').first
    expect(sums.locator("h4")).to_have_text("Box sums changed")
    expect(sums).to_contain_text("dashed: at most 0.100")
    marks = '[data-mark="dot"] path, [data-mark="dot"] circle'
    expect(sums.locator(marks)).to_have_count(5)
    heights = sums.locator(marks).evaluate_all("all => all.map(dot => dot.getBoundingClientRect().top)")
    line = sums.locator('[data-mark="rule"] line').bounding_box()["y"]
    assert sum(height < line for height in heights) == 2  # those that failed lie above it
    box = page.locator(CHARTS).first.bounding_box()
    sums.locator(marks).last.hover(force=True)
    expect(sums.get_by_text("threshold 0.100: failed")).to_be_visible()
    assert box["width"] > 200


def test_checks_sort_and_fit_a_phone(audited: Any, phone: Any, show: Show) -> None:
    show(phone, audited)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    table = phone.locator("#audit table.sortable").first
    first = table.locator("tbody tr").first.locator("> *").first
    table.get_by_role("button", name="check").click()
    expect(first).to_have_text("Box sums changed")
    table.get_by_role("button", name="check").click()
    expect(first).to_have_text("Sanity ratio fell")
