"""The report page in a real browser: Debian's Chromium, driven by Playwright's Python package.

Where there is no Chromium, these tests fail in CI (the variable CI is set) and are skipped elsewhere. `page`
and `phone` fail a test whose page logs anything, raises an error, breaks its content security policy or asks
for anything that is not in the file.
"""

import io
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_studies import Box, DrawnResults
from matplotlib.figure import Figure
from PIL import Image

from igbatch.report import build as render
from igbatch.statistics.partitions import LabelMap

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
OURS = ("file:", "data:", "blob:")
HOSTILE = '"><script>alert(1)</script>{{7*7}}</script><!--<img src=x onerror=alert(1)>/../../é'
READY_MS = 10_000
NEXT_FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
"""Resolves once what is shown is drawn and components have done what follows a frame (Preact's effects)."""


def find_browser(which: Callable[[str], str | None], environment: Mapping[str, str]) -> str:
    """Return the path of a Chromium; where there is none, fail in CI and skip elsewhere, with the reason."""
    for name in NAMES:
        if path := which(name):
            return path
    reason = (
        "no Chromium is installed (Debian: apt-get install chromium): the page is not tested in a browser"
    )
    if environment.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason}, and in CI it must be", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def hostile_name() -> str:
    """A name that tries to become script."""
    return HOSTILE


@pytest.fixture
def browser_rule() -> Callable[..., str]:
    """The rule of what happens where there is no Chromium."""
    return find_browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a process; it can reach no network."""
    executable = find_browser(shutil.which, os.environ)
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect.set_options(timeout=READY_MS)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=list(OPTIONS))
        yield chromium
        chromium.close()


def _watched(browser: Any, **options: Any) -> Iterator[Any]:
    context = browser.new_context(accept_downloads=True, **options)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on(
        "request", lambda sent: None if sent.url.startswith(OURS) else wrong.append(f"request: {sent.url}")
    )
    page.set_default_timeout(READY_MS)
    page.wrong = wrong
    yield page
    page.evaluate(NEXT_FRAME)  # messages that were sent before arrive before its answer
    context.close()
    assert not wrong


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A tab of 1280 pixels; `page.wrong` lists what it logged or requested, and must be empty at the end."""
    yield from _watched(browser, viewport={"width": 1280, "height": 900})


@pytest.fixture(scope="module")
def tab(browser: Any) -> Iterator[Any]:
    """A `page` that the tests of a module share: those that leave what it shows, or set all that they need.

    To load a page of its own costs a test most of a second.
    """
    yield from _watched(browser, viewport={"width": 1280, "height": 900})


@pytest.fixture
def phone(browser: Any) -> Iterator[Any]:
    """The same at 390 pixels, with touch."""
    yield from _watched(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)


@pytest.fixture(scope="session")
def show() -> Callable[..., None]:
    """Open a rendered study in a tab and wait for its first map: `show(page, study, "#fragment")`."""

    def open_page(page: Any, study: "Rendered", fragment: str = "") -> None:
        page.goto("about:blank")  # another fragment alone would not load the page again
        page.goto(study.url + fragment)
        page.wait_for_selector("html[data-igbatch-ready]", state="attached")

    return open_page


@pytest.fixture
def eventually() -> Callable[[Callable[[], None]], None]:
    """Make a check of assertions until it passes: `eventually(check)`; its last failure is raised in the end.

    For what Playwright's `expect` has no words for, such as pixels. Its `wait_for_function` evaluates a
    string in the page again and again, which the page's policy refuses.
    """

    def make(check: Callable[[], None]) -> None:
        deadline = time.monotonic() + READY_MS / 1000
        while True:
            try:
                return check()
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    return make


@pytest.fixture
def next_frame() -> Callable[[Any], None]:
    """Wait until what a tab shows is drawn and its gestures are attached: `next_frame(page)`.

    A surface that says that it is drawn on takes the pointer a frame later, sooner than any hand is there.
    """

    def wait(page: Any) -> None:
        page.evaluate(NEXT_FRAME)

    return wait


@dataclass(frozen=True)
class Rendered:
    """A study and its report as files."""

    results: Any
    folder: Path
    page: str = "report/index.html"

    @property
    def path(self) -> Path:
        """The page."""
        return self.folder / self.page

    @property
    def url(self) -> str:
        """The page's address."""
        return self.path.as_uri()

    @property
    def gallery(self) -> "Rendered":
        """The gallery, to be opened as the page is."""
        return Rendered(self.results, self.folder, "report/gallery.html")


def render_to(folder: Path, results: Any) -> Rendered:
    """Render a report into a folder; its figures become one white pixel, since drawing them takes seconds."""
    pixel = io.BytesIO()
    Image.new("L", (1, 1), 255).save(pixel, "PNG")

    def write(path: str, content: bytes) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "draw_sheet", lambda sheet: Figure(figsize=(1, 1)))
        patch.setattr(render, "figure_png", lambda figure: pixel.getvalue())
        render.render_report(results, write)
    return Rendered(results, folder)


@pytest.fixture(scope="session")
def render_again() -> Callable[[Path, Any], Rendered]:
    """Render a report into a folder: `render_again(folder, results)`."""
    return render_to


def heavy_tailed(seed: int, size: int, magnitude: float) -> np.ndarray:
    """A map as trained models give them: few strong values among many weak ones, float32 [size, size]."""
    rng = np.random.default_rng(seed)
    return (rng.standard_t(2, size=(size, size)) * magnitude).astype(np.float32)


@pytest.fixture(scope="session")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Two images, a trained variant and two random ones, two targets, maps of 32 x 32, boxes of both birds.

    `results.maps[variant, image, target]` are the raw maps. The random ones are a thousand times weaker.
    """
    magnitudes = {"random-1": 1e-6, "random-2": 1e-6, "trained": 1e-3}
    keys = [(v, i, t) for v in magnitudes for i in ("a.png", "b.png") for t in ("eagle", "magpie")]
    maps = {key: heavy_tailed(seed, 32, magnitudes[key[0]]) for seed, key in enumerate(keys)}
    boxes = (Box("0", "eagle", 2, 4, 14, 18), Box("1", "magpie", 18, 6, 30, 16))
    rows, columns = np.mgrid[:32, :32]
    label_maps = (
        LabelMap("superpixels", ((rows + columns) // 3).astype(np.uint16)),
        LabelMap(
            "objects", ((rows > 9) * (1 + (columns > 20))).astype(np.uint16), ("background", "a-1", "<i>-1")
        ),
    )
    results = DrawnResults(maps, featured=("a.png",), boxes=boxes, label_maps=label_maps)
    return render_to(tmp_path_factory.mktemp("birds"), results)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """A study whose every name tries to become script, with a quarantined image."""
    maps = {
        (v, HOSTILE, t): heavy_tailed(3, 16, 1e-3) for v in ("trained", "random-1") for t in (HOSTILE, "m")
    }
    lost = [{"variant_id": "trained", "image_id": "b", "target": None, "stage": HOSTILE, "error": HOSTILE}]
    results = DrawnResults(
        maps, images=[HOSTILE, "b"], targets=(HOSTILE, "m"), quarantine=lost, title=HOSTILE,
        featured=(HOSTILE, "b"), boxes=[Box(HOSTILE, HOSTILE, 1, 2, 7, 9)],
    )  # fmt: skip
    return render_to(tmp_path_factory.mktemp("hostile"), results)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Eight images, three variants, two targets, maps of 224 x 224: the page that the size limit is for."""
    magnitudes = {"random-1": 1e-7, "random-2": 1e-7, "trained": 1e-4}
    keys = [(v, f"{n}.jpg", t) for v in magnitudes for n in range(8) for t in ("eagle", "magpie")]
    maps = {key: heavy_tailed(seed, 224, magnitudes[key[0]]) for seed, key in enumerate(keys)}
    boxes = (Box("0", "eagle", 20, 40, 140, 180), Box("1", "magpie", 150, 60, 210, 160))
    results = DrawnResults(maps, featured=("0.jpg",), boxes=boxes)
    return render_to(tmp_path_factory.mktemp("large"), results)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Sixty images, two of them on the page, a trained and a random variant, two targets, maps of 32 x 32."""
    images = [f"{n:02d}.png" for n in range(60)]
    keys = [(v, i, t) for v in ("random-1", "trained") for i in images for t in ("eagle", "magpie")]
    maps = {key: heavy_tailed(n, 32, 1e-3 * (1 + n % 7)) for n, key in enumerate(keys)}
    boxes = (Box("0", "eagle", 2, 4, 14, 18), Box("1", "magpie", 18, 6, 30, 16))
    results = DrawnResults(maps, boxes=boxes, max_images=2)
    results.record["models"]["small"]["data_config"]["input_size"] = [3, 32, 32]
    return render_to(tmp_path_factory.mktemp("many"), results)


@pytest.fixture(scope="session")
def mapless(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """A study that kept no map (`store.maps`), with an image in quarantine and one that is not computed."""
    maps = {("trained", "a.png", t): heavy_tailed(4, 16, 1e-3) for t in ("eagle", "magpie")}
    lost = [{"variant_id": "trained", "image_id": "b.png", "target": None, "stage": "image", "error": "torn"}]
    results = DrawnResults(maps, images=["a.png", "b.png", "c.png"], quarantine=lost, kept=False)
    return render_to(tmp_path_factory.mktemp("mapless"), results)
