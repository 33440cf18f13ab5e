from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from igbatch.report.color.colormaps import PALETTE, paint
from igbatch.report.figures.encoding import figure_png
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.randomization.grid import COLUMNS, grid_figure, grid_rows
from igbatch.report.randomization.steps import ModelVariants
from igbatch.report.text import number


@pytest.fixture
def maps(randomized: Any) -> ImageMaps:
    return ImageMaps(randomized, "a.png")


def test_maps_are_shown_by_their_own_and_by_the_joint_range(randomized: Any, maps: ImageMaps) -> None:
    rows = grid_rows(maps, ["trained", "cascade-down-1-head"], ["eagle"])
    assert [row.scope for row in rows] == ["image", "models"]
    own, joint = rows
    drawn = [randomized.maps[panel.variant_id, "a.png", "eagle"] for panel in own.panels]
    for panel, values in zip(own.panels, drawn, strict=True):
        assert panel.scale is not None
        assert (panel.scale.shared.minimum, panel.scale.shared.maximum) == (
            values.min(),
            values.max(),
        )
    (shared,) = {panel.scale.shared for panel in joint.panels}
    assert shared is not None
    every = [values for (_, image, _), values in randomized.maps.items() if image == "a.png"]
    assert shared.minimum == min(values.min() for values in every)


def test_every_map_has_its_numbers(randomized: Any, maps: ImageMaps, variants: ModelVariants) -> None:
    figure = grid_figure(maps, "trained", variants.cascades[0])
    texts = [text.get_text() for text in figure.texts]
    for variant in ("trained", *(step.variant_id for step in variants.cascades[0].steps)):
        for target in ("eagle", "magpie"):
            values = randomized.maps[variant, "a.png", target]
            assert texts.count(f"min {number(float(values.min()))}") == 2  # under both ranges
            assert texts.count(f"sum {number(float(values.sum(dtype=np.float64)))}") == 2
    pictures = [image.get_array() for axes in figure.axes for image in axes.images]
    values = randomized.maps["trained", "a.png", "eagle"]
    vmax = float(np.abs(values).max())
    wanted = paint(values, -vmax, vmax)
    assert any(np.array_equal(picture, wanted) for picture in pictures)
    assert {"trained", "head", "body", "stem"} <= set(texts)
    assert (PALETTE[63] == 255).all()  # zero is white
    figure_png(figure, 1)


def test_a_long_cascade_goes_on_below(randomized: Any, maps: ImageMaps, variants: ModelVariants) -> None:
    cascade = variants.cascades[0]
    long = replace(cascade, steps=cascade.steps * 3)
    assert len(long.steps) + 1 > COLUMNS
    short = grid_figure(maps, "trained", cascade)
    assert grid_figure(maps, "trained", long).get_figheight() > short.get_figheight()


def test_maps_that_were_not_kept_are_told(drawn: Any, noise: Any, variants: ModelVariants) -> None:
    step = variants.cascades[0].steps[:1]
    results = drawn(
        {(step[0].variant_id, "a", t): noise(n) for n, t in enumerate(("eagle", "magpie"))},
        kinds={step[0].variant_id: "cascade"},
        kept=False,
    )
    cascade = replace(variants.cascades[0], steps=step)
    figure = grid_figure(ImageMaps(results, "a"), None, cascade)
    assert "not kept" in " ".join(text.get_text() for text in figure.texts)
