import numpy as np
import pytest

from igbatch.report.color.contour import outline, strongest

VALUES = np.random.default_rng(3).normal(size=(20, 20))


@pytest.mark.parametrize("share", [1, 5, 25, 100])
def test_the_strongest_pixels_are_that_share_and_no_weaker_than_the_rest(share: float) -> None:
    mask = strongest(VALUES, share)
    assert mask.mean() == pytest.approx(share / 100, abs=1 / VALUES.size)
    if share < 100:
        assert np.abs(VALUES[mask]).min() > np.abs(VALUES[~mask]).max()


def test_means_are_taken_three_times_over_squares() -> None:
    point = np.zeros((15, 15))
    point[7, 7] = -1
    mask = strongest(point, 100, blur=1)
    assert np.array_equal(np.argwhere(mask), [[y, x] for y in range(4, 11) for x in range(4, 11)])
    assert np.argwhere(strongest(point, 100 / 225, blur=1)).tolist() == [[7, 7]]
    assert strongest(np.ones((5, 5)), 5, blur=2).all()  # edges go on as they are: nothing is weaker there


@pytest.mark.parametrize("blur", [1, 4, 16])
def test_means_keep_the_share(blur: int) -> None:
    assert strongest(VALUES, 10, blur=blur).mean() == pytest.approx(0.1, abs=1 / VALUES.size)


def strokes(mask: np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(stroke) for stroke in outline(mask).vertices.reshape(-1, 4).tolist()}


def test_the_outline_of_a_rectangle_is_its_four_sides() -> None:
    mask = np.zeros((5, 6), dtype=bool)
    mask[1:3, 2:6] = True
    assert strokes(mask) == {(2, 1, 2, 3), (6, 1, 6, 3), (2, 1, 6, 1), (2, 3, 6, 3)}


def test_the_outline_is_as_long_as_the_edges_between_inside_and_outside() -> None:
    mask = VALUES > 0.5
    padded = np.pad(mask, 1)
    edges = sum(int((np.diff(padded.astype(int), axis=axis) != 0).sum()) for axis in (0, 1))
    assert sum(abs(x1 - x0) + abs(y1 - y0) for x0, y0, x1, y1 in strokes(mask)) == edges


def test_nothing_has_no_outline() -> None:
    assert len(outline(np.zeros((3, 3), dtype=bool)).vertices) == 0
