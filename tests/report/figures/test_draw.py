import io
from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

import igbatch
from igbatch.errors import InputError
from igbatch.report.color.colormaps import PALETTE, color_indices
from igbatch.report.figures.draw import draw_sheet, place_labels
from igbatch.report.figures.encoding import figure_png
from igbatch.report.figures.export import contact_sheets, print_options
from igbatch.report.figures.image_data import DrawnBox, ImageMaps
from igbatch.report.figures.layout import scope_sheet, sequence_sheet
from igbatch.report.figures.typeset import fit, text_width, wrap

pytestmark = pytest.mark.slow


def sequence_figure(study: Any, image_id: str, targets: Any = None) -> Any:
    return draw_sheet(sequence_sheet(ImageMaps(study, image_id), "trained", targets))


def written(figure: Any) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text().strip()]


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in written(figure)]


def pixels(figure: Any, scale: float = 1) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figure_png(figure, scale))).convert("RGB"))


def find_block(picture: np.ndarray, block: np.ndarray) -> bool:
    """Tell whether a picture holds a block of pixels exactly."""
    rows, columns = np.nonzero((picture == block[0, 0]).all(axis=2))
    height, width = block.shape[:2]
    for y, x in zip(rows, columns, strict=True):
        part = picture[y : y + height, x : x + width]
        if part.shape == block.shape and (part == block).all():
            return True
    return False


@pytest.fixture
def plain_study(drawn: Any, noise: Any) -> Any:
    """A study without boxes, whose outlines would lie over pixels."""
    maps = {("trained", "a", t): noise(i) for i, t in enumerate(("eagle", "magpie"))}
    return drawn(maps, boxes=())


def test_maps_are_drawn_pixel_by_pixel_in_their_colours(plain_study: Any) -> None:
    figure = igbatch.figure(plain_study, "a", regions="pixel")
    shared = plain_study.scope_range("pair", variant_id="trained", image_id="a", targets=["eagle", "magpie"])
    vmax = max(-shared.minimum, shared.maximum)
    for scale in (1, 2):
        picture = pixels(figure, scale)
        for target in ("eagle", "magpie"):
            colors = PALETTE[color_indices(plain_study.maps["trained", "a", target], -vmax, vmax)]
            size = 14 * scale  # 16 pixels become 224
            block = colors.repeat(size, axis=0).repeat(size, axis=1)
            assert find_block(picture, block[2:-2, 2:-2])  # without the frame


def test_patches_of_8_are_shown_where_nobody_chose_and_the_study_has_them(drawn: Any, noise: Any) -> None:
    maps = {("trained", "a", t): noise(i) for i, t in enumerate(("eagle", "magpie"))}
    assert "joint range of the pair, patches of 8" in texts(igbatch.figure(drawn(maps), "a"))
    assert "joint range of the pair" in texts(igbatch.figure(drawn(maps, patches=False), "a"))


def test_the_figure_of_a_sequence_tells_what_a_viewer_must_be_told(small_study: Any) -> None:
    lines = texts(sequence_figure(small_study, "a.png"))
    for heading in (
        "Raw values",
        "Per-map range",
        "Joint range of the pair",
        "Joint range of the study",
    ):
        assert heading in lines
    row = small_study.image_stats.query("variant_id == 'trained' and image_id == 'a.png'").iloc[0]
    assert sum(text.startswith("min ") and "max " in text for text in lines) == 8
    assert sum(text.startswith("sum ") for text in lines if "box" not in text and "map" not in text) == 8
    assert {"per-map range", "joint range of the pair", "joint range of the study"} <= set(lines)
    assert any(text.startswith("not normalized") for text in lines)
    assert any("predicts “eagle” (97.0" in text for text in lines)
    assert {"sum in box: eagle", "sum in box: magpie", "probability"} <= set(lines)
    assert row["minimum"] < 0 < row["maximum"]


def test_white_maps_say_why(small_study: Any) -> None:
    lines = " ".join(texts(igbatch.figure(small_study, "a.png", scope="raw", variants=["random-1"])))
    assert "white because small" in lines


def test_no_text_reaches_beyond_the_figure_or_over_another(small_study: Any) -> None:
    options = print_options(
        images=["a.png"], variants=["trained"], grid="2x1", percentile=99.25, part="negative"
    )
    figures = [
        sequence_figure(small_study, "a.png"),
        igbatch.figure(small_study, "b.png", scope="image", percentile=99.25),
        *(page.figure for page in contact_sheets(small_study, options)),
    ]
    for figure in figures:
        renderer = figure.canvas.get_renderer()
        width, height = figure.get_size_inches() * figure.dpi
        boxes = [text.get_window_extent(renderer) for text in written(figure)]
        for box in boxes:
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= width
            assert box.y1 <= height
        for one, other in combinations(boxes, 2):
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            down = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across <= 1 or down <= 3  # lines of text may touch by their line spacing


def test_one_target_has_no_pair(drawn: Any, noise: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    assert "Joint range of the pair" not in texts(sequence_figure(study, "a"))
    with pytest.raises(InputError, match="use image"):
        igbatch.figure(study, "a", scope="pair")
    assert texts(igbatch.figure(study, "a")) == texts(igbatch.figure(study, "a", scope="image"))


def test_a_contrast_alone_has_no_pair_and_the_message_says_which_range_it_has(
    drawn: Any, noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    monkeypatch.setattr("igbatch.report.figures.layout.split_targets", lambda maps, names: ([], names))
    line = "needs two classes, there is none; a contrast has a range of its own; use image or dataset"
    with pytest.raises(InputError, match=line):
        scope_sheet(ImageMaps(study, "a"), "pair", targets=["eagle"])


def test_three_targets_have_a_joint_range_of_all_and_of_each_pair(drawn: Any, noise: Any) -> None:
    names = ("eagle", "magpie", "crow")
    study = drawn({("trained", "a", t): noise(i) for i, t in enumerate(names)}, targets=names)
    assert "Joint range of all targets" in texts(sequence_figure(study, "a"))
    for pair in combinations(names, 2):
        assert "Joint range of the pair" in texts(sequence_figure(study, "a", pair))
    lines = " ".join(texts(igbatch.figure(study, "a")))
    assert "trained: eagle and crow" in lines
    assert "trained: magpie and crow" in lines


def test_what_is_missing_says_why(drawn: Any, noise: Any) -> None:
    lost = [{"variant_id": "trained", "image_id": "a", "target": "magpie", "stage": "map", "error": "NaN"}]
    study = drawn({("trained", "a", "eagle"): noise(1)}, quarantine=lost)
    lines = " ".join(texts(igbatch.figure(study, "a")))
    assert "Quarantined (map): NaN" in lines
    assert "incomplete: joint range of the pair" in lines
    everything = [{**lost[0], "target": None, "stage": "image", "error": "not an image"}]
    gone = drawn({}, images=["a"], kinds={"trained": "trained"}, quarantine=everything)
    assert "Quarantined (image): not an image" in " ".join(texts(sequence_figure(gone, "a")))
    unfinished = drawn({}, images=["a"], kinds={"trained": "trained"})
    assert "Not computed yet." in texts(igbatch.figure(unfinished, "a"))


def test_maps_that_were_not_kept_have_their_numbers(small_study: Any) -> None:
    small_study.kept = False
    lines = texts(igbatch.figure(small_study, "a.png"))
    assert any(text.startswith("The map was not kept") for text in lines)
    assert any(text.startswith("min ") for text in lines)


def test_maps_that_did_not_converge_are_marked(drawn: Any, noise: Any) -> None:
    maps = {("trained", "a", t): noise(i) for i, t in enumerate(("eagle", "magpie"))}
    lines = " ".join(texts(igbatch.figure(drawn(maps, gap=0.3), "a")))
    assert "! not converged: off by" in lines
    lines = " ".join(texts(igbatch.figure(drawn(maps, map_error=0.3), "a")))
    assert "! not converged: off by" in lines
    assert "! not converged" not in " ".join(texts(igbatch.figure(drawn(maps, map_error=0.01), "a")))
    faint = {key: values * 1e-9 for key, values in maps.items()}
    assert "! negligible" in " ".join(texts(igbatch.figure(drawn(faint), "a")))


@pytest.mark.parametrize("value", [0.0, 0.5, -0.5])
def test_maps_of_one_value_are_drawn(drawn: Any, value: float) -> None:
    maps = {("trained", "a", t): np.full((16, 16), value, np.float32) for t in ("eagle", "magpie")}
    figure_png(sequence_figure(drawn(maps), "a"), 1)


def test_hostile_and_long_names_are_drawn_as_text(drawn: Any, noise: Any, only_fonts: Any) -> None:
    name = "folder/" + "very-long-" * 20 + "$\\frac{a}{b$ \u202e鷲.jpeg"
    targets = ("$x^2$ " * 12, "eagle\n\x00")
    study = drawn({("trained", name, t): noise(i) for i, t in enumerate(targets)}, targets=targets)
    figure = sequence_figure(study, name)
    with mpl.rc_context():
        figure_png(figure, 1)
    title = next(text for text in texts(figure) if text.startswith("folder/"))
    assert "…" in title
    assert title.endswith("��.jpeg")


def test_unknown_names_are_refused(small_study: Any) -> None:
    unknown = {"image_id": "c.png", "variants": ["x"], "targets": ["x", "y"], "scope": "own"}
    for name, value in unknown.items():
        how: dict[str, Any] = {"image_id": "a.png", name: value}
        with pytest.raises(InputError):
            igbatch.figure(small_study, **how)
    with pytest.raises(InputError, match="no variant is chosen"):
        igbatch.figure(small_study, "a.png", variants=[])


def test_no_global_settings_are_touched(small_study: Any) -> None:
    before = dict(mpl.rcParams)
    igbatch.figure(small_study, "a.png")
    assert dict(mpl.rcParams) == before


def test_texts_are_cut_and_wrapped_to_a_width() -> None:
    long = "n01440764/" + "x" * 200 + "/eagle.jpeg"
    cut = fit(long, 150, 11.5)
    assert text_width(cut, 11.5) <= 150
    assert cut.startswith("n01")
    assert cut.endswith("jpeg")
    lines = wrap(f"one two three {long} four", 120, 11.5)
    assert all(text_width(line, 11.5) <= 120 for line in lines)
    assert lines[-1].endswith("four")
    assert len(wrap("a b c d e f " * 40, 60, 11.5, max_lines=3)) == 3


def test_labels_of_boxes_stay_inside_and_off_each_other() -> None:
    boxes = [
        DrawnBox(str(i), f"bird {i}", 2 + 3 * i, 2 + 2 * i, 12 + 3 * i, 10 + 2 * i, "#000000")
        for i in range(4)
    ]
    spots = place_labels(boxes, [60.0] * 4, (224, 224), 14)
    for x, y in spots:
        assert 0 <= x <= 164
        assert 0 <= y <= 210
    for one, other in combinations(spots, 2):
        assert abs(one[0] - other[0]) >= 60 or abs(one[1] - other[1]) >= 14


def test_a_map_that_the_study_does_not_ask_for_is_not_missing(drawn: Any, noise: Any) -> None:
    maps = {("trained", image, "eagle"): noise(n) for n, image in enumerate("ab")}
    maps |= {("random-1", "b", "eagle"): noise(3)}
    study = drawn(maps, images=["a", "b"], targets=["eagle"], subsets={"random-1": ["b"]})
    image = ImageMaps(study, "a")
    assert [row.title for row in scope_sheet(image, "image").rows] == ["trained"]
    (row,) = scope_sheet(image, "image", ["random-1"]).rows
    assert row.panels[0].missing == "Not requested: the study computes this variant on other images only."
    both = scope_sheet(ImageMaps(study, "b"), "models")
    assert [row.title for row in both.rows] == ["trained", "random-1"]
    assert not any(row.caution for row in both.rows)
