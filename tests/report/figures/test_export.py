import base64
import io
import re
import sys
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import igbatch
from igbatch import cli
from igbatch.errors import InputError
from igbatch.reduce.ranges import SCOPES
from igbatch.report.color.style import ColorStyle
from igbatch.report.figures import export
from igbatch.report.figures.draw import colors_of
from igbatch.report.figures.export import MAX_ROWS, PrintOptions, print_figures, print_options
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.figures.layout import Sheet
from igbatch.report.figures.scales import color_scale
from igbatch.report.figures.typeset import DPI
from igbatch.statistics.patches import patch_sums
from igbatch.text import number

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"


def printed(study: Any, file_format: str = "svg", **options: Any) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    paths = print_figures(study, print_options(**options), file_format, files.__setitem__)
    assert paths == list(files)
    assert all(path.startswith("report/print/") for path in paths)
    return files


def texts(svg: bytes) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def n_pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> list[Sheet]:
    """Leave pages blank and keep what would be on them."""
    kept: list[Sheet] = []

    def blank(sheet: Sheet) -> Figure:
        kept.append(sheet)
        return Figure(figsize=(1, 1))

    monkeypatch.setattr(export, "draw_sheet", blank)
    return kept


@pytest.fixture
def one(drawn: Any, noise: Any) -> Any:
    """One image, one variant, one target."""
    return drawn({("trained", "a.png", "eagle"): noise(1)}, targets=["eagle"])


@pytest.fixture
def three(drawn: Any, noise: Any) -> Any:
    """One image, one variant, three targets."""
    names = ("eagle", "magpie", "crow")
    return drawn({("trained", "a", t): noise(i) for i, t in enumerate(names)}, targets=names)


def test_pages_are_the_sequence_of_each_image_and_variant(small_study: Any, sheets: list[Sheet]) -> None:
    files = printed(small_study)
    assert [re.sub("-[0-9a-f]{8}.svg$", "", path) for path in files] == [
        f"report/print/{image}-png-{variant}" for image in "ab" for variant in ("random-1", "trained")
    ]
    for sheet in sheets:
        assert [row.title for row in sheet.rows] == [
            "Raw values",
            "Per-map range",
            "Joint range of the pair",
            "Joint range of the study",
        ]
    documents = printed(small_study, "pdf")
    assert len(documents) == 2
    assert {n_pages(document) for document in documents.values()} == {2}


def test_more_than_two_targets_have_a_page_for_each_pair(three: Any, sheets: list[Sheet]) -> None:
    names = ("eagle", "magpie", "crow")
    pages = list(printed(three))
    pairs = list(combinations(names, 2))
    assert [tuple(panel.target for panel in sheet.rows[0].panels) for sheet in sheets] == [names, *pairs]
    assert sheets[0].rows[2].title == "Joint range of all targets"
    for path, pair in zip(pages[1:], pairs, strict=True):
        assert f"trained-{'-'.join(pair)}-" in path
    (document,) = printed(three, "pdf").values()
    assert n_pages(document) == 4
    assert len(printed(three, targets=["crow", "eagle"])) == 1


def test_a_page_says_its_choices(one: Any) -> None:
    (svg,) = printed(one).values()
    written = " ".join(texts(svg))
    assert "Chosen: red-white-blue, symmetric around zero, signed values, level 1, no contour" in written


def test_files_of_vectors_hold_each_map_a_pixel_a_value(one: Any) -> None:
    (svg,) = printed(one, scope="raw").values()
    pictures = re.findall(rb'xlink:href="data:image/png;base64,([^"]*)"', svg)
    sizes = [Image.open(io.BytesIO(base64.b64decode(picture))).size for picture in pictures]
    assert sorted(sizes) == [(16, 16), (16, 16), (224, 1)]  # the photograph, the map and its colour bar


def test_every_map_carries_its_numbers_as_text(small_study: Any) -> None:
    (svg,) = printed(small_study, images=["a.png"], variants=["trained"], rule="min-max").values()
    written = texts(svg)
    for target in ("eagle", "magpie"):
        values = small_study.maps["trained", "a.png", target]
        sums = patch_sums(values, 8)
        ends = f"min {number(float(sums.min()))}   max {number(float(sums.max()))}"
        assert written.count(ends) == 4
        assert written.count(f"sum {number(float(values.sum(dtype=np.float64)))}") == 4
    assert sum(text.startswith("joint range of the pair, min-max") for text in written) == 2


@pytest.mark.parametrize("scope", SCOPES)
def test_one_scope_has_one_page_an_image(small_study: Any, sheets: list[Sheet], scope: str) -> None:
    assert len(printed(small_study, scope=scope, images=["b.png"], part="absolute")) == 1
    assert [row.title for row in sheets[0].rows] == ["random-1", "trained"]


def test_many_variants_go_on_on_the_next_page(drawn: Any, noise: Any, sheets: list[Sheet]) -> None:
    names = [f"random-{n}" for n in range(MAX_ROWS + 1)]
    study = drawn({(name, "a", "eagle"): noise(1) for name in names}, targets=["eagle"])
    assert len(printed(study, scope="raw")) == 2
    assert [row.title for sheet in sheets for row in sheet.rows] == names
    (document,) = printed(study, "pdf", scope="raw").values()
    assert n_pages(document) == 2


def test_ends_that_are_set_are_one_scope(small_study: Any, sheets: list[Sheet]) -> None:
    assert len(printed(small_study, images=["a.png"], ends=(-0.001, 0.002))) == 1
    labels = [panel.scale.words["label"] for row in sheets[0].rows for panel in row.panels if panel.scale]
    assert labels == ["fixed range −0.001 to 0.002, patches of 8"] * 4


def test_a_contact_sheet_holds_maps_of_many_images(small_study: Any) -> None:
    first, second = printed(small_study, grid="3x2").values()
    written = texts(first) + texts(second)
    assert sum(text.startswith("min ") for text in texts(first)) == 6
    assert sum(text.startswith("min ") for text in written) == 8
    assert written.count("a.png") == written.count("b.png") == 4
    assert written.count("joint range of the study, patches of 8") == 8


def test_contact_sheets_are_one_document(small_study: Any) -> None:
    (document,) = printed(small_study, "pdf", grid="1x1", variants=["trained"], targets=["eagle"]).values()
    assert n_pages(document) == 2


def test_a_png_holds_the_colours_of_the_map(drawn: Any, noise: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], boxes=())
    choices: Any = {"rule": "min-max", "palette": "brown-white-teal", "level": 2, "regions": "pixel"}
    style = ColorStyle(**choices)
    (png,) = printed(study, "png", scope="image", **choices).values()
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    figure = igbatch.figure(study, "a", scope="image", **choices)
    height, width = picture.shape[:2]
    assert (width, height) == tuple(round(3 * DPI * inches) for inches in figure.get_size_inches())
    _, image = [each for each in figure.axes[0].images if each.get_array().shape == (16, 16, 3)]
    colors, (left, right, bottom, top) = np.asarray(image.get_array()), image.get_extent()
    centres = (np.arange(16) + 0.5) / 16  # the first is the photograph
    across = np.round(3 * (left + centres * (right - left))).astype(int)
    down = np.round(3 * (top + centres * (bottom - top))).astype(int)
    assert np.array_equal(picture[np.ix_(down, across)], colors)
    values = study.maps["trained", "a", "eagle"].astype(np.float64)
    normalized = (values - values.min()) / (values.max() - values.min())
    expected = np.rint(63 * np.clip(2 * (2 * normalized - 1), -1, 1)).astype(int)
    table = {tuple(color): row - 63 for row, color in enumerate(style.colors.colors.tolist())}
    found = np.array([[table[tuple(color)] for color in row] for row in colors.tolist()])
    assert np.abs(found - expected).max() <= 1  # equal but for rounding, and for colours that occur twice


def test_an_overlay_goes_from_the_photograph_to_the_map(small_study: Any) -> None:
    maps = ImageMaps(small_study, "a.png")
    photograph = np.rint(small_study.pixels("a.png") * 255).astype(np.uint8)

    def drawn_at(opacity: float) -> np.ndarray:
        scale = color_scale(maps, "variant", "trained", style=ColorStyle(opacity=opacity))
        return colors_of(maps.panel("trained", "eagle", scale))

    assert np.array_equal(drawn_at(0), photograph)
    alone = color_scale(maps, "variant", "trained")
    assert alone is not None
    assert np.array_equal(drawn_at(1), alone.paint(small_study.maps["trained", "a.png", "eagle"]))
    middle = (drawn_at(0).astype(float) + drawn_at(1)) / 2
    assert np.abs(drawn_at(0.5) - middle).max() <= 0.5


def test_an_overlay_without_a_photograph_says_so(one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise KeyError("gone")

    monkeypatch.setattr(one, "pixels", gone)
    (svg,) = printed(one, scope="raw", opacity=0.5).values()
    assert any(text.startswith("! no photograph beneath") for text in texts(svg))


@pytest.mark.parametrize("file_format", ["png", "pdf", "svg"])
def test_the_same_study_gives_the_same_bytes(one: Any, file_format: str) -> None:
    options = {"scope": "raw", "contour": 5.0}
    assert printed(one, file_format, **options) == printed(one, file_format, **options)


def test_other_choices_have_other_files(small_study: Any, sheets: list[Sheet]) -> None:
    some = {"images": ["a.png"], "variants": ["trained"]}
    styles: list[dict[str, Any]] = [
        {},
        {"level": 2},
        {"rule": "min-max"},
        {"percentile": 99},
        {"percentile": 98},
    ]
    paths = [path for style in styles for path in printed(small_study, **some, **style)]
    assert len(set(paths)) == len(styles)


def test_names_from_the_data_stay_text(drawn: Any, noise: Any) -> None:
    name, target = "<script>alert(1)</script>&.png", '"><b>\u202e]]>'
    study = drawn({("trained", name, target): noise(1)}, targets=[target])
    ((path, svg),) = printed(study, scope="raw").items()
    assert ".." not in path
    assert "<" not in path
    assert b"<script" not in svg
    assert b"<b>" not in svg
    assert name in texts(svg)
    (document,) = printed(study, "pdf", scope="raw").values()
    assert n_pages(document) == 1


WRONG_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"images": ["c.png"]}, "image 'c.png' is not in the study"),
    ({"variants": ["x"]}, "variant 'x' is not in the study"),
    ({"targets": ["x"]}, "target 'x' is not in the study"),
    ({"scope": "own"}, "scope 'own' is unknown"),
    ({"grid": "3"}, "columns x rows"),
    ({"grid": "0x3"}, "1 to 20 columns"),
    ({"grid": "2x2", "scope": "pair", "targets": ["eagle"]}, "two targets"),
    ({"symmetric": True, "rule": "min-max"}, "--symmetric"),
    ({"symmetric": True, "ends": (0, 1)}, "--symmetric"),
]


def test_wrong_options_are_refused(small_study: Any) -> None:
    for options, message in WRONG_OPTIONS:
        with pytest.raises(InputError, match=re.escape(message)):
            printed(small_study, **options)


def test_options_mean_what_they_say() -> None:
    assert print_options(grid="4x3").grid == print_options(grid="4X3").grid == (4, 3)
    assert print_options(symmetric=True) == PrintOptions()
    assert print_options(grid="4x3").page_scope == "dataset"
    assert print_options(grid="4x3", ends=(0, 1)).page_scope == "raw"
    assert print_options(scope="image", grid="4x3").page_scope == "image"
    with pytest.raises(InputError, match="png, pdf, svg"):
        print_figures(None, PrintOptions(), "gif", lambda path, data: None)  # type: ignore[arg-type]


def test_figures_of_an_opened_study_take_the_same_choices(small_study: Any) -> None:
    figure = igbatch.figure(
        small_study, "a.png", scope="dataset", percentile=99, palette="gray", contour=5, opacity=0.5
    )
    written = " ".join(text.get_text() for text in figure.findobj(Text))
    for words in ("percentile 99 %", "gray", "strongest 5 %", "opacity of 50 %"):
        assert words in written
    with pytest.raises(InputError, match="level"):
        igbatch.figure(small_study, "a.png", level=0)


@pytest.fixture
def command(small_study: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run `igbatch report` on the small study, in this process: its exit code."""
    monkeypatch.setattr("igbatch.results.StudyResults", lambda out: small_study)

    def run(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["igbatch", "report", str(tmp_path), *options])
        return cli.exit_code(cli.main)

    return run


def test_the_command_draws_into_the_output_and_says_where(
    command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--image", "a.png", "--variant", "trained", "--range", "-0.001", "0.002", "--contour", "5")
    assert command("--format", "svg", *options, "--colors", "gray", "--part", "absolute", "--level", "2") == 0
    *names, last = capsys.readouterr().out.splitlines()
    folder = tmp_path / "report" / "print"
    assert last == f"1 file: {folder}"
    assert names == [path.name for path in folder.iterdir()]
    written = " ".join(texts((folder / names[0]).read_bytes()))
    assert "Chosen: gray, fixed range −0.001 to 0.002, absolute values, level 2" in written


WRONG_CALLS = [
    (["--rule", "min-max"], "add --format"),
    (["--level", "0"], "add --format"),
    (["--format", "gif"], "png, pdf, svg"),
    (["--format", "png", "--rule", "own"], "symmetric, min-max, percentile"),
    (["--format", "png", "--percentile", "50"], "from 90 to 100"),
    (["--format", "png", "--level", "0"], "from 1 to 20"),
    (["--format", "png", "--range", "1", "0"], "the lower first"),
    (["--format", "png", "--symmetric", "--rule", "min-max"], "--symmetric"),
    (["--format", "png", "--image", "c.png"], "not in the study"),
]


def test_wrong_calls_are_one_line_and_2(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for options, message in WRONG_CALLS:
        assert command(*options) == 2, options
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
