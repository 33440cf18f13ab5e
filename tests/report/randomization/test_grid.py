from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from igbatch.report.color.colormaps import PALETTE, color_indices
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.randomization import grid
from igbatch.report.randomization.grid import grid_figure, grid_rows
from igbatch.report.randomization.steps import ModelVariants
from igbatch.statistics.patches import over_pixels, patch_sums
from igbatch.text import number

SIZE = 16


@pytest.fixture
def maps(randomized: Any) -> ImageMaps:
    return ImageMaps(randomized, "a.png")


def sums(values: np.ndarray) -> np.ndarray:
    return patch_sums(values, 8)


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_maps_are_shown_by_their_own_and_by_the_joint_range(randomized: Any, maps: ImageMaps) -> None:
    own, joint = grid_rows(maps, ["trained", "cascade-down-1-head"], ["eagle"])
    assert (own[0], joint[0]) == ("image", "models")
    for panel in own[1]:
        values = sums(randomized.maps[panel.variant_id, "a.png", "eagle"])
        assert panel.scale is not None
        found = panel.scale.shared
        assert (found.minimum, found.maximum) == (values.min(), values.max())
    (shared,) = {panel.scale.shared for panel in joint[1]}
    every = [sums(values) for (_, image, _), values in randomized.maps.items() if image == "a.png"]
    assert (shared.minimum, shared.maximum) == (np.min(every), np.max(every))


def test_every_map_has_its_numbers(randomized: Any, maps: ImageMaps, variants: ModelVariants) -> None:
    figure = grid_figure(maps, "trained", variants.cascades[0])
    written = texts(figure)
    for variant in ("trained", *variants.cascades[0].steps.values()):
        for target in ("eagle", "magpie"):
            values = randomized.maps[variant, "a.png", target]
            assert written.count(f"min {number(float(sums(values).min()))}") == 2  # under both ranges
            assert written.count(f"sum {number(float(values.sum(dtype=np.float64)))}") == 2
    values = over_pixels(sums(randomized.maps["trained", "a.png", "eagle"]), 8, (SIZE, SIZE))
    vmax = float(np.abs(values).max())
    colors = PALETTE[color_indices(values, -vmax, vmax)]
    pictures = [image.get_array() for axes in figure.axes for image in axes.images]
    assert any(np.array_equal(picture, colors) for picture in pictures)
    assert {"trained", "head", "body", "stem"} <= set(written.split("\n"))
    assert (PALETTE[63] == 255).all()  # zero is white


def test_a_pixel_of_a_map_is_a_square_of_equal_pixels(
    randomized: Any, maps: ImageMaps, variants: ModelVariants
) -> None:
    figure = grid_figure(maps, "trained", variants.cascades[0])
    figure.set_dpi(200)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3]
    image = figure.axes[0].images[0]
    box = image.get_window_extent()
    left, top = round(box.x0), drawn.shape[0] - round(box.y1)
    side = round(box.width / 16)
    assert box.width == pytest.approx(SIZE * side)
    colors = np.asarray(image.get_array())
    inner = drawn[top : top + SIZE * side, left : left + SIZE * side].reshape(SIZE, side, SIZE, side, 3)
    margin = inner[1:-1, :, 1:-1]  # the frame lies over the outermost pixels
    assert (margin == colors[1:-1, None, 1:-1, None]).all()


def test_a_long_cascade_goes_on_below(
    randomized: Any, maps: ImageMaps, variants: ModelVariants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "COLUMNS", 2)  # of four
    figure = grid_figure(maps, "trained", variants.cascades[0])
    maps_drawn = [image for image in figure.axes[0].images if image.get_array().shape[0] == SIZE]
    left, _, bottom, _ = (
        set(each) for each in zip(*(image.get_extent() for image in maps_drawn), strict=True)
    )
    assert (len(left), len(bottom)) == (2, 8)  # two targets under two scopes, twice


def test_maps_that_were_not_kept_are_told(drawn: Any, noise: Any, variants: ModelVariants) -> None:
    layer, variant_id = next(iter(variants.cascades[0].steps.items()))
    results = drawn(
        {(variant_id, "a", t): noise(n) for n, t in enumerate(("eagle", "magpie"))},
        kinds={variant_id: "cascade"},
        kept=False,
    )
    cascade = replace(variants.cascades[0], steps={layer: variant_id})
    figure = grid_figure(ImageMaps(results, "a"), None, cascade)
    assert "not kept" in " ".join(texts(figure).split())
