from collections.abc import Callable

import numpy as np
import pytest

from igbatch.report.color.scale import ColorScale
from igbatch.report.figures.bar import bar_labels, draw_bar
from igbatch.report.figures.typeset import finish_page, new_page

ScaleOf = Callable[..., ColorScale]


def texts(scale: ColorScale) -> tuple[list[str], list[str]]:
    """The labels above and below a bar, from left to right."""
    above, below = ([text for _, text in sorted(labels.items())] for labels in bar_labels(scale))
    return above, below


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (-4.0, 1.0), (-2.0, 2.0), (-0.001, 0.9)])
def test_the_bar_is_white_where_zero_is_and_ends_earlier_on_the_weaker_side(
    scale_of: ScaleOf, low: float, high: float
) -> None:
    page = new_page(420)
    draw_bar(page, scale_of(low, high), 10, 10, 400)
    figure = finish_page(page, 80)
    (image,), (line,) = page.images, page.lines
    assert image.get_extent() == [10, 410, 34, 24]
    colors = np.asarray(image.get_array())[0]
    zero = (line.get_xdata()[0] - 10) / 400
    assert zero == pytest.approx(-low / (high - low))
    lightest = np.flatnonzero((colors == 255).all(axis=1))
    assert abs(lightest.mean() / 400 - zero) < 0.02
    strong, weak = (colors[-1], colors[0])[:: 1 if high > -low else -1]
    assert strong.astype(int).sum() <= weak.astype(int).sum()
    for text in page.texts:
        extent = text.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
        assert extent.x0 >= 9
        assert extent.x1 <= 411


@pytest.mark.parametrize(
    ("scale", "above", "below"),
    [
        ({"low": -1.0, "high": 3.0}, ["0", "0.25", "1"], ["−1.00", "3.00"]),
        ({"low": -1.0, "high": 3.0, "rule": "min-max"}, ["0", "0.25", "1"], ["−1.00", "3.00"]),
        ({"low": -0.01, "high": 0.01, "scope": "raw"}, [], ["−0.01", "0.01"]),
        ({"low": 0.2, "high": 1.0}, ["−0.25", "1"], ["0.200", "1.00"]),
        ({"low": 0.8, "high": 0.9}, ["−8.00", "1"], ["0.800 to 0.900"]),
        ({"low": 0.0, "high": 0.0}, [], []),
        ({"low": 0.5, "high": 0.5}, [], ["0.500"]),
        ({"low": -0.5, "high": -0.5}, [], ["−0.500"]),
        ({"low": 0.0, "high": 1.0}, ["0", "1"], ["1.00"]),
        ({"low": -1e-9, "high": 1.0}, ["0", "1"], ["−1.00×10⁻⁹", "1.00"]),
        ({"low": 1e-9, "high": 1.0}, ["0", "1"], ["1.00×10⁻⁹", "1.00"]),
        (
            {"low": -1.0, "high": 3.0, "percentile": 99, "quantile": 0.5},
            ["0.12", "0.25", "0.38"],
            ["≤ −0.500", "≥ 0.500"],
        ),
        (
            {"low": -1.0, "high": 3.0, "percentile": 99, "quantile": 0.01},
            ["0.247", "0.250", "0.253"],
            ["≤ −0.0100", "≥ 0.0100"],
        ),
        ({"low": -1.0, "high": 3.0, "part": "positive"}, ["0", "1"], ["3.00"]),
        ({"low": -1.0, "high": 3.0, "part": "negative"}, ["0", "1"], ["−1.00"]),
        ({"low": -1.0, "high": 3.0, "part": "absolute"}, ["0", "1"], ["3.00"]),
        ({"low": -1.0, "high": 3.0, "ends": (0.25, 0.5)}, [], ["≤ 0.25", "≥ 0.5"]),
    ],
)
def test_raw_values_stand_below_and_normalized_ones_above(
    scale_of: ScaleOf, scale: dict[str, object], above: list[str], below: list[str]
) -> None:
    assert texts(scale_of(**scale)) == (above, below)


def test_the_label_of_zero_keeps_clear_of_the_ends_and_its_line_stays(scale_of: ScaleOf) -> None:
    scale = scale_of(-0.001, 1.0)
    above, _ = bar_labels(scale)
    assert sorted(above)[1] > 0.1
    assert scale.along_bar(0.0) < 0.01


@pytest.mark.parametrize(("part", "zero"), [("positive", 0), ("negative", 1), ("absolute", 0)])
def test_bars_of_a_part_run_from_or_to_zero(scale_of: ScaleOf, part: str, zero: float) -> None:
    assert scale_of(-1.0, 3.0, part=part).along_bar(0.0) == zero
