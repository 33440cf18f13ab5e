"""How large a report page is, and how soon it answers, in headless Chromium.

    python benchmarks/page.py OUT [--loads 10]

OUT is a reduced study, `igbatch demo --out OUT` for one. Its page is rendered into a temporary folder. Prints
the page's size; the time from navigation to the first map on screen; and the time from turning a knob to the
next frame that shows it. Needs Chromium on the path and `pip install playwright`.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import igbatch
from igbatch.report.build import render_report

OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")

MARK_READY = """new MutationObserver((_, observer) => {
    if (!document.documentElement?.hasAttribute("data-igbatch-ready")) return;
    window.readyAt = performance.now();
    observer.disconnect();
}).observe(document, { attributes: true, childList: true, subtree: true });"""

TURN = """([selector, value, event]) => new Promise(done => {
    const knob = document.querySelector(selector);
    const start = performance.now();
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(knob), "value").set.call(knob, value);
    knob.dispatchEvent(new Event(event, { bubbles: true }));
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""

KNOBS: dict[str, tuple[str, list[str], str]] = {
    "range": ("select[name=first-scope]", ["dataset", "image"], "change"),
    "percentile (slider)": ("input[name=first-percentile]", ["99", "98.5"], "input"),
    "level (slider)": ("input[name=level]", ["2", "3"], "input"),
    "colour map": ("select[name=palette]", ["gray", "red-white-blue"], "change"),
    "contour of 5 %": ("input[name=contour]", ["5", "6"], "input"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", help="a reduced study")
    parser.add_argument("--loads", type=int, default=10)
    arguments = parser.parse_args()
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        parser.error("no Chromium on the path")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path = render(arguments.out, Path(folder))
        print(f"rendered in {time.perf_counter() - start:.1f} s: {path.stat().st_size / 1e6:.2f} MB")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=list(OPTIONS))
            measure(lambda: browser.new_page(viewport={"width": 1280, "height": 900}), path, arguments.loads)
            browser.close()


def render(out: str, folder: Path) -> Path:
    """Render the report of a study into a folder and return the path of its page."""

    def write(name: str, content: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    render_report(igbatch.open_study(out), write)
    return folder / "report" / "index.html"


def measure(new_page: Callable[[], Any], path: Path, loads: int) -> None:
    """Load the page again and again, then turn each knob on the last one."""
    ready = []
    for _ in range(loads):
        page = new_page()
        page.add_init_script(MARK_READY)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-igbatch-ready]", state="attached")
        ready.append(page.evaluate("window.readyAt"))
        if len(ready) < loads:
            page.close()
    tell("first map on screen", ready)
    page.wait_for_timeout(1000)
    page.select_option("select[name=first-rule]", "percentile")
    maps = page.locator(".panel canvas").count() // 2
    for name, (selector, values, event) in KNOBS.items():
        page.evaluate(TURN, [selector, values[-1], event])
        times = [page.evaluate(TURN, [selector, values[turn % 2], event]) for turn in range(2 * loads)]
        tell(f"{name}, {maps} maps", times)


def tell(name: str, times: list[float]) -> None:
    """Print the median and the range of times in milliseconds."""
    spread = f"{min(times):.0f} to {max(times):.0f}"
    print(f"{name:28} median {statistics.median(times):5.0f} ms  ({spread}, n={len(times)})")


if __name__ == "__main__":
    main()
