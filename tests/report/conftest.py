"""Fixtures of studies made of given maps (`drawn_studies`), and of reports of them."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drawn_studies import DrawnResults, speckles, two_birds
from matplotlib.figure import Figure
from PIL import Image

from igbatch.reduce.ranges import Scope
from igbatch.reduce.scopes import ScopeRange
from igbatch.report import build as render
from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import ColorStyle
from igbatch.results import StudyResults


@pytest.fixture(scope="session")
def drawn() -> Callable[..., DrawnResults]:
    """Make a study of maps by (variant, image, target)."""
    return DrawnResults


@pytest.fixture
def scale_of() -> Callable[..., ColorScale]:
    """Make the colour scale of a range: `scale_of(low, high, scope)`, and choices of a style by name."""

    def make(
        low: float,
        high: float,
        scope: Scope = "pair",
        *,
        n_maps: int = 2,
        complete: bool = True,
        quantile: float | None = None,
        exact: bool = True,
        **choices: Any,
    ) -> ColorScale:
        shared = ScopeRange(scope, low, high, low, low, high, n_maps, complete)
        return ColorScale(shared, ColorStyle.of(**choices), quantile, exact, "of probability")

    return make


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Make a map of noise: `noise(seed, magnitude)`."""
    return speckles


@pytest.fixture
def birds() -> Callable[..., dict[str, np.ndarray]]:
    """Make the maps of two targets with given sums in the boxes of both birds."""
    return two_birds


def render_files(results: StudyResults, figures: bool = False) -> dict[str, bytes]:
    """Render a report into a dictionary; without `figures`, its sheets are one pixel each."""
    pixel = io.BytesIO()
    Image.new("L", (1, 1), 255).save(pixel, "PNG")
    with pytest.MonkeyPatch.context() as patch:
        if not figures:
            patch.setattr(render, "draw_sheet", lambda sheet: Figure(figsize=(1, 1)))
            patch.setattr(render, "figure_png", lambda figure: pixel.getvalue())
        files: dict[str, bytes] = {}
        paths = render.render_report(results, files.__setitem__)
    assert paths == list(files)
    return files


@pytest.fixture(scope="session")
def rendered() -> Callable[..., dict[str, bytes]]:
    """Render a report into a dictionary: `render_files`."""
    return render_files


def make_small_study() -> DrawnResults:
    """Two images, two targets, a random variant and the trained one with maps a thousand times larger."""
    maps = {
        (variant, image, target): speckles(seed, magnitude)
        for seed, (variant, image, target, magnitude) in enumerate(
            (variant, image, target, magnitude)
            for variant, magnitude in (("random-1", 1e-6), ("trained", 1e-3))
            for image in ("a.png", "b.png")
            for target in ("eagle", "magpie")
        )
    }
    return DrawnResults(maps, featured=("a.png",))


@pytest.fixture
def small_study() -> DrawnResults:
    """A study of noise, to be changed: `make_small_study`."""
    return make_small_study()


@pytest.fixture(scope="session")
def small_files() -> dict[str, bytes]:
    """The report of that study, rendered once."""
    return render_files(make_small_study())
