"""The viewer in Chromium: every knob against numpy, pixel by pixel and number by number."""

import base64
import io
import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from igbatch.reduce.ranges import SCOPES, Scope
from igbatch.reduce.scopes import ScopeRange
from igbatch.report.color.colormaps import PALETTES
from igbatch.report.color.contour import strongest
from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import DEFAULT, ColorStyle
from igbatch.report.color.wording import PART_WORDS
from igbatch.report.page.packing import packed, unpacked
from igbatch.statistics.partitions import CODES
from igbatch.statistics.patches import over_pixels, patch_sums
from igbatch.text import number

Show = Callable[..., None]
Check = Callable[[], None]
Eventually = Callable[[Check], None]
VARIANTS = ("trained", "random-1", "random-2")
TARGETS = ("eagle", "magpie")

READ_CANVAS = """canvas => {  // from a copy: Chromium warns of a canvas that is read again and again
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const bytes = copy.getImageData(0, 0, width, height).data;
    return [width, height, btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""))];
}"""


@pytest.fixture(scope="module")
def show(show: Show) -> Show:
    """Open a rendered study by pixels, where a test does not say otherwise."""

    def open_page(page: Any, study: Any, fragment: str = "#view?regions=1") -> None:
        show(page, study, fragment)

    return open_page


@pytest.fixture(scope="module")
def shared_tab(tab: Any, birds: Any, show: Show) -> Any:
    show(tab, birds)
    return tab


@pytest.fixture
def birds_page(shared_tab: Any) -> Any:
    """A tab with the maps of `birds` by pixels, its knobs as at first: for tests that turn no others."""
    choose(shared_tab, first_scope="pair", **AS_AT_FIRST)
    return shared_tab


def panel(page: Any, variant: str, target: str) -> Any:
    """The panel of one map; the first of two where it stands side by side."""
    return page.locator(f'.panel[data-variant="{variant}"][data-target="{target}"]')


def colors(page: Any, variant: str, target: str, nth: int = 0) -> np.ndarray:
    """The colours of a map on screen: uint8 [H, W, 3]."""
    canvas = panel(page, variant, target).nth(nth).locator(".layers canvas")
    width, height, text = canvas.evaluate(READ_CANVAS)
    pixels = np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(height, width, 4)
    assert (pixels[..., 3] == 255).all()
    return pixels[..., :3]


def embedded(study: Any, variant: str, target: str, image: str = "a.png") -> np.ndarray:
    """A map as the page holds it: float64 [H, W]."""
    values = study.results.maps[variant, image, target]
    return unpacked(*packed(values), values.shape)


def shared(study: Any, scope: str, variant: str, target: str, image: str = "a.png") -> tuple[float, float]:
    """The range of a map under a normalization, from the raw maps; of `raw`, from the report's one scale."""
    if scope == "raw":
        scale = study.results.scope_range("raw")
        return scale.minimum, scale.maximum
    variants = VARIANTS if scope in ("models", "dataset") else (variant,)
    images = ("a.png", "b.png") if scope in ("variant", "dataset") else (image,)
    targets = (target,) if scope == "image" else TARGETS
    maps = [study.results.maps[key] for key in product(variants, images, targets)]
    return float(min(values.min() for values in maps)), float(max(values.max() for values in maps))


def scale_of(
    study: Any,
    scope: Scope,
    variant: str,
    target: str,
    style: ColorStyle = DEFAULT,
    quantile: float | None = None,
) -> ColorScale:
    """The colour scale that a map must have."""
    low, high = shared(study, scope, variant, target)
    return ColorScale(ScopeRange(scope, low, high, low, low, high, 1, True), style, quantile)


def coloured(page: Any, variant: str, target: str, expected: np.ndarray, nth: int = 0) -> Check:
    """A check that a map on screen has these colours."""

    def check() -> None:
        assert (colors(page, variant, target, nth) == expected).all(), (variant, target, nth)

    return check


def choose(page: Any, **knobs: Any) -> None:
    """Turn knobs: lists by value, sliders and fields by number."""
    for name, value in knobs.items():
        knob = page.locator(f'.controls [name="{name.replace("_", "-")}"]')
        if knob.evaluate("each => each.tagName") == "SELECT":
            knob.select_option(value)
        else:
            knob.fill(str(value))
            knob.blur()


def test_every_normalization_colours_by_its_range(
    birds: Any, birds_page: Any, eventually: Eventually
) -> None:
    for scope in SCOPES:
        choose(birds_page, first_scope=scope)
        for variant, target in product(VARIANTS, TARGETS):
            expected = scale_of(birds, scope, variant, target).paint(embedded(birds, variant, target))
            eventually(coloured(birds_page, variant, target, expected))


def test_patches_show_their_sums_under_ranges_of_their_own(
    birds: Any, page: Any, show: Show, eventually: Eventually
) -> None:
    show(page, birds, "")
    expect(page.locator('.controls [name="regions"]')).to_have_value("8")
    scopes: Sequence[Scope] = ("pair", "image", "models", "variant", "dataset", "raw")
    for scope, size in zip(scopes, (8, 4, 4, 8, 16, 8), strict=True):
        choose(page, regions=str(size), first_scope=scope)
        for variant, target in product(VARIANTS[:2], TARGETS):
            text, step = packed(birds.results.maps[variant, "a.png", target])
            shape = birds.results.maps[variant, "a.png", target].shape
            sums = patch_sums(unpacked(text, 1.0, shape), size) * step
            keys = {"variant_id": variant, "image_id": "a.png", "regions": f"patch {size}"}
            targets = [target] if scope == "image" else TARGETS
            scale = ColorScale(birds.results.scope_range(scope, targets=targets, **keys))
            eventually(coloured(page, variant, target, scale.paint(over_pixels(sums, size, shape))))
            exact = patch_sums(birds.results.maps[variant, "a.png", target], size)
            shown = panel(page, variant, target).locator(".numbers")
            expect(shown).to_contain_text(f"patch min{number(exact.min())}")
            expect(shown).to_contain_text(f"patch max{number(exact.max())}")
        expect(page.locator("#statement")).to_contain_text(
            f"Every square is a patch of {size} × {size} pixels"
        )
    choose(page, regions="1")
    expect(page.locator("#statement")).not_to_contain_text("square")
    link = copied_link(page)
    choose(page, regions="4")
    assert "regions=1&" in link
    assert "regions=4&" in copied_link(page)


def test_superpixels_objects_and_blurred_maps_show_what_the_study_gives(
    birds: Any, page: Any, show: Show, eventually: Eventually
) -> None:
    show(page, birds, "")
    every: Sequence[Any] = ("blurred", "superpixels", "objects")
    for regions in every:
        choose(page, regions=str(CODES[regions]), first_scope="pair")
        for variant, target in product(VARIANTS[:2], TARGETS):
            values = birds.results.maps[variant, "a.png", target]
            cut = birds.results.partition(variant, "a.png", regions)
            text, step = packed(values)
            shown = cut.over_pixels(cut.sums(unpacked(text, 1.0, values.shape)) * step, values.shape)
            keys = {"variant_id": variant, "image_id": "a.png", "targets": TARGETS, "regions": regions}
            eventually(
                coloured(
                    page, variant, target, ColorScale(birds.results.scope_range("pair", **keys)).paint(shown)
                )
            )
    place = panel(page, "trained", "eagle").locator(".stage")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    page.mouse.move(box["x"] + 25.5 / 32 * box["width"], box["y"] + 20.5 / 32 * box["height"])
    reading = panel(page, "trained", "eagle").locator(".reading")
    expect(reading).to_contain_text("<i>-1 ")
    values = birds.results.maps["trained", "a.png", "eagle"]
    inside = birds.results.label_map("trained", "a.png", "objects").labels == 2
    expect(reading).to_contain_text(
        f"of |a| {number(float(np.abs(values[inside]).sum(dtype=np.float64)))}; pixel"
    )
    assert "regions=-1&" in copied_link(page)


AS_AT_FIRST = {"first_rule": "symmetric", "part": "signed", "level": 1, "palette": next(iter(PALETTES))}
STYLES: Sequence[tuple[ColorStyle, dict[str, Any]]] = [
    (ColorStyle(rule="min-max"), {"first_rule": "min-max"}),
    (
        ColorStyle(rule="fixed", vmin=-2e-3, vmax=1e-3),
        {"first_rule": "fixed", "first_high": 1e-3, "first_low": -2e-3},
    ),
    *((ColorStyle(part=part), {"part": part}) for part in PART_WORDS),
    (ColorStyle(level=7.5), {"level": 7.5}),
    *((ColorStyle(palette=name), {"palette": name}) for name in PALETTES),
]


def test_every_knob_changes_the_colours_as_the_figures_do(
    birds: Any, birds_page: Any, eventually: Eventually
) -> None:
    for style, chosen in STYLES:
        choose(birds_page, **{**AS_AT_FIRST, **chosen})
        for variant, target in (("trained", "magpie"), ("random-1", "eagle")):
            expected = scale_of(birds, "pair", variant, target, style).paint(embedded(birds, variant, target))
            eventually(coloured(birds_page, variant, target, expected))


def test_percentiles_are_of_the_pixels_of_all_maps_in_the_range(
    birds: Any, birds_page: Any, eventually: Eventually
) -> None:
    choose(birds_page, first_rule="percentile")
    both = np.abs([embedded(birds, "trained", target) for target in TARGETS])
    values = embedded(birds, "trained", "eagle")
    for percentile in (90, 97.3, 100):
        choose(birds_page, first_percentile=percentile)
        style = ColorStyle(rule="percentile", percentile=percentile)
        quantile = float(np.quantile(both, percentile / 100))
        scale = scale_of(birds, "pair", "trained", "eagle", style, quantile)
        eventually(coloured(birds_page, "trained", "eagle", scale.paint(values)))
        beyond = np.count_nonzero(np.abs(values) > scale.ends[1])
        mark = panel(birds_page, "trained", "eagle").locator(".mark").filter(has_text=f"{beyond} pixel")
        expect(mark).to_have_count(1 if beyond else 0)


def test_side_by_side_shows_one_map_under_two_normalizations(
    birds: Any, page: Any, show: Show, eventually: Eventually
) -> None:
    show(page, birds)
    page.get_by_label("each map under two normalizations").check()
    choose(page, second_scope="dataset")
    values = embedded(birds, "random-1", "eagle")
    scopes: tuple[Scope, ...] = ("pair", "dataset")
    for nth, scope in enumerate(scopes):
        expected = scale_of(birds, scope, "random-1", "eagle").paint(values)
        eventually(coloured(page, "random-1", "eagle", expected, nth))
    words = page.locator("#statement p")
    expect(words.nth(0)).to_have_text(re.compile("^Left: Joint range of the pair"))
    expect(words.nth(2)).to_have_text(re.compile("^Right: Joint range of the study"))


def test_the_statement_says_range_and_what_may_not_be_compared(birds: Any, birds_page: Any) -> None:
    statement = birds_page.locator("#statement")
    low, high = shared(birds, "pair", "trained", "eagle")
    expect(statement).to_contain_text(f"{max(-low, high):.3g}")
    expect(statement).to_contain_text("do not compare between variants")
    choose(birds_page, first_scope="dataset")
    expect(statement).to_contain_text("Joint range of the study")
    expect(statement).not_to_contain_text("do not compare")
    choose(birds_page, first_rule="min-max")
    expect(statement).to_contain_text("not zero")
    choose(birds_page, part="absolute", first_rule="symmetric")
    expect(statement).to_contain_text("the sign is dropped")


def test_the_numbers_below_a_map_are_those_of_the_study(birds: Any, birds_page: Any) -> None:
    rows = birds.results.image_stats.set_index(["variant_id", "image_id", "target"])
    row = rows.loc["trained", "a.png", "magpie"]
    numbers = panel(birds_page, "trained", "magpie").locator(".numbers div")
    expect(numbers).not_to_have_count(0)
    texts = dict(
        text.split("\n") if "\n" in text else text.split(" ", 1) for text in numbers.all_inner_texts()
    )
    shown = {name: float(_ascii(text)) for name, text in texts.items() if name not in ("steps", "converged")}
    expected = {
        "min": "minimum", "max": "maximum", "sum": "sum", "F(image)": "score",
        "F(baseline)": "score_baseline", "gap": "convergence_delta",
    }  # fmt: skip
    for name, column in expected.items():
        assert shown[name] == pytest.approx(row[column], rel=0.05 if name == "gap" else 0.006), name
    assert texts["steps"] == str(row["steps"])
    assert texts["converged"] == ("yes" if row["converged"] else "no")


def _ascii(text: str) -> str:
    powers = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")
    return text.translate(powers).replace("×10", "e").replace(",", "")


def test_the_bar_shows_the_range_and_zero(birds: Any, birds_page: Any) -> None:
    choose(birds_page, first_rule="min-max")
    low, high = shared(birds, "pair", "trained", "eagle")
    bar = panel(birds_page, "trained", "eagle").locator(".bar")
    expected = 100 * -low / (high - low)
    expect(bar).to_have_attribute("aria-label", re.compile(f"zero at {round(expected)} %"))
    zero = float(re.search(r"[\d.]+", bar.locator(".zero").get_attribute("style")).group())
    assert zero == pytest.approx(expected, abs=0.01)


def test_the_pointer_and_the_arrow_keys_read_raw_values(birds: Any, birds_page: Any) -> None:
    stage = panel(birds_page, "trained", "eagle").locator(".stage")
    stage.scroll_into_view_if_needed()
    place = stage.bounding_box()
    x, y = 20, 11
    birds_page.mouse.move(
        place["x"] + (x + 0.5) / 32 * place["width"], place["y"] + (y + 0.5) / 32 * place["height"]
    )
    expect(birds_page.locator(".reading-line")).to_contain_text(f"x {x}, y {y}, in the box magpie")
    for variant in ("trained", "random-2"):  # all maps read the same pixel
        shown, bound = panel(birds_page, variant, "eagle").locator(".reading").inner_text().split(" ± ")
        value = birds.results.maps[variant, "a.png", "eagle"][y, x]
        assert float(_ascii(shown)) == pytest.approx(value, rel=0.006, abs=2 * float(_ascii(bound)))
    stage.focus()
    birds_page.keyboard.press("ArrowRight")
    birds_page.keyboard.press("Shift+ArrowDown")
    expect(birds_page.locator(".reading-line")).to_contain_text(f"x {x + 1}, y {y + 10}")


def live_rows(page: Any, box: str) -> Any:
    """The rows of a box in the table of live sums."""
    return page.locator(f'table.live tr[data-box="{box}"]')


def live_sums(page: Any, box: str) -> pd.DataFrame:
    """The numbers of these rows: sum, stored sum, pixels by variant and target."""
    rows = live_rows(page, box).evaluate_all(
        """rows => rows.map(row => [row.dataset.variant, row.dataset.target, row.cells[3].textContent,
            ...[...row.querySelectorAll("[data-sum]")].map(cell => cell.dataset.sum)])"""
    )
    table = pd.DataFrame(rows, columns=["variant", "target", "pixels", "sum", "stored"])
    numbers = table[["sum", "stored", "pixels"]].replace("", "nan").astype(float)
    return table.assign(**{name: numbers[name] for name in numbers}).set_index(["variant", "target"])


def test_a_box_that_is_drawn_and_dragged_is_summed_live(
    birds: Any, page: Any, show: Show, eventually: Eventually, next_frame: Callable[[Any], None]
) -> None:
    show(page, birds)
    page.get_by_role("button", name="Draw a box").click()
    stage = panel(page, "trained", "eagle").locator(".stage")
    expect(stage).to_contain_class("drawing")

    def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
        next_frame(page)
        stage.scroll_into_view_if_needed()  # waits until it stands still, too
        place = stage.bounding_box()
        points = [
            (place["x"] + x / 32 * place["width"], place["y"] + y / 32 * place["height"])
            for x, y in (start, end)
        ]
        page.mouse.move(*points[0])
        page.mouse.down()
        page.mouse.move(*points[1], steps=4)
        page.mouse.up()

    def sums(x_min: int, y_min: int, x_max: int, y_max: int) -> Check:
        def agree() -> None:
            table = live_sums(page, "own 1")
            assert len(table) == 6
            for (variant, target), row in table.iterrows():
                values = birds.results.maps[variant, "a.png", target].astype(np.float64)
                inside = values[y_min:y_max, x_min:x_max]
                bound = inside.size * np.abs(values).max() / 65534
                assert row["pixels"] == inside.size
                assert row["sum"] == pytest.approx(inside.sum(), rel=0, abs=bound)

        return agree

    drag((3.5, 5.5), (9.5, 12.5))  # in the eagle's box, which does not take it
    eventually(sums(3, 5, 10, 13))
    drag((6.5, 9.5), (10.5, 8.5))  # by its middle: moved
    eventually(sums(7, 4, 14, 12))
    drag((14, 12), (20, 15))  # by its lower right corner: resized
    eventually(sums(7, 4, 20, 15))
    page.get_by_label("Remove own 1").or_(page.get_by_role("button", name="Remove own 1")).first.click()
    expect(live_rows(page, "own 1")).to_have_count(0)


def test_a_box_equal_to_a_stored_one_has_its_sum(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    page.get_by_role("button", name="Copy magpie as my own").click()
    stored = birds.results.box_stats
    stored = stored[(stored["image_id"] == "a.png") & (stored["box_label"] == "magpie")]
    stored = stored.set_index(["variant_id", "target"])["sum"]
    for box in ("own 1", "magpie"):
        expect(live_rows(page, box)).to_have_count(6)
        for key, row in live_sums(page, box).iterrows():
            assert row["stored"] == pytest.approx(stored[key], rel=1e-6)
            most = np.abs(birds.results.maps[key[0], "a.png", key[1]]).max()
            assert row["sum"] == pytest.approx(stored[key], rel=0, abs=row["pixels"] * most / 65534)


def test_own_boxes_move_by_keyboard_and_by_typed_corners(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    page.get_by_role("button", name="Add a box").click()
    corners = page.locator(".corners input")
    expect(corners).to_have_count(4)
    before = [int(each.input_value()) for each in corners.all()]  # x from, to, y from, to
    page.locator(".photo .own .body").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    after = [before[0] + 1, before[1] + 1, before[2], before[3] + 1]
    for corner, value in enumerate(after):
        expect(corners.nth(corner)).to_have_value(str(value))
    corners.nth(0).fill("0")
    corners.nth(0).press("Enter")
    pixels = f"{after[1] * (after[3] - after[2]):,}"
    expect(live_rows(page, "own 1").locator("> :nth-child(4)")).to_have_text([pixels] * 6)
    corners.nth(0).fill("99")  # beyond its right side: refused
    corners.nth(0).press("Enter")
    expect(corners.nth(0)).to_have_value("0")
    page.locator(".photo .own .body").focus()
    page.keyboard.press("Delete")
    expect(live_rows(page, "own 1")).to_have_count(0)


def test_zoom_and_pan_move_all_maps_together(
    birds: Any, page: Any, show: Show, eventually: Eventually, next_frame: Callable[[Any], None]
) -> None:
    def moved(holds: Callable[[float, float, float], bool]) -> Check:
        def all_alike() -> None:
            moves = page.locator(".stage .layers").evaluate_all(
                "all => all.map(each => each.style.transform)"
            )
            assert len(moves) == 7  # six maps and the photograph
            assert len(set(moves)) == 1
            assert holds(*(float(found) for found in re.findall(r"-?[\d.]+(?:e-?\d+)?", moves[0]))), moves[0]

        return all_alike

    show(page, birds)
    page.get_by_role("button", name="Zoom in").click()
    eventually(moved(lambda x, y, k: k == 1.5 and x == y == pytest.approx(-25)))
    stage = panel(page, "trained", "eagle").locator(".stage")
    next_frame(page)
    stage.scroll_into_view_if_needed()
    place = stage.bounding_box()
    page.mouse.move(place["x"] + 20, place["y"] + 4)
    page.mouse.down()
    page.mouse.move(place["x"] + 14, place["y"] + 1, steps=3)
    page.mouse.up()
    width, height = place["width"], place["height"]
    there = pytest.approx([-25 - 600 / width, -25 - 300 / height], abs=0.5)
    eventually(moved(lambda x, y, k: k == 1.5 and [x, y] == there))
    page.keyboard.press("Escape")
    stage.focus()
    next_frame(page)
    page.mouse.wheel(0, -200)
    eventually(moved(lambda x, y, k: k > 1.5))
    page.keyboard.press("0")
    eventually(moved(lambda x, y, k: k == 1))


def test_a_link_restores_the_view(birds: Any, page: Any, show: Show, eventually: Eventually) -> None:
    show(page, birds)
    choose(page, image="b.png", first_scope="models", first_rule="percentile", part="positive", level=2)
    choose(page, palette="gray", contour=10, opacity=0.4)
    page.locator('.names input[name="random-2"]').uncheck()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Add a box").click()
    expect(live_rows(page, "own 1")).to_have_count(4)
    link = copied_link(page)
    assert link.startswith("#view?")
    statement = page.locator("#statement").text_content()
    before = colors(page, "random-1", "magpie")
    show(page, birds, link)
    expect(page.locator("#statement")).to_have_text(statement)
    eventually(coloured(page, "random-1", "magpie", before))
    expect(live_rows(page, "own 1")).to_have_count(4)
    expect(panel(page, "random-2", "eagle")).to_have_count(0)
    expect(page.locator("path.contour")).to_have_count(8)  # with its halo, in four maps
    expect(page.locator(".stage .layers").first).to_have_attribute("style", re.compile(r"scale\(1\.5\)"))
    layers = panel(page, "trained", "eagle").locator(".layers")
    expect(layers.locator("img")).to_have_count(1)
    expect(layers.locator("canvas")).to_have_attribute("style", re.compile(r"0\.4"))


def copied_link(page: Any) -> str:
    """The fragment of the link that the page copies."""
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".tools .message")).to_contain_text("ink")  # it is copied, or in the address bar
    fragment: str = page.evaluate("location.hash")  # `page.url` follows later
    return fragment


def test_a_link_to_what_is_not_here_says_so(birds: Any, page: Any, show: Show) -> None:
    show(page, birds, "#view?image=gone.png&variant=<b>x</b>")
    expect(page.get_by_role("alert")).to_contain_text("the image “gone.png”, the variant “<b>x</b>”")
    assert (colors(page, "trained", "eagle") >= 0).all()


def test_the_numbers_of_a_view_are_downloaded_as_csv(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    choose(page, first_scope="variant")
    page.get_by_role("button", name="Add a box").click()
    expect(page.locator("#statement")).to_contain_text("Joint range of the variant")
    expect(live_rows(page, "own 1")).to_have_count(6)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    table = pd.read_csv(download.value.path())
    assert len(table) == 6 * (1 + 3)
    stats = birds.results.image_stats.set_index(["variant_id", "image_id", "target"])
    for row in table[table["box"].isna()].to_dict("records"):
        stored = stats.loc[row["variant"], row["image"], row["target"]]
        for column in ("minimum", "maximum", "sum", "abs_sum", "score", "convergence_delta", "steps"):
            assert row[column] == stored[column], column
        low, high = shared(birds, "variant", row["variant"], row["target"])
        assert row["color_high"] == pytest.approx(max(-low, high), rel=1e-9)
    boxes = table.dropna(subset=["stored_box_sum"])
    assert set(boxes["box"]) == {"eagle", "magpie"}
    assert (abs(boxes["box_sum"] - boxes["stored_box_sum"]) <= boxes["box_sum_bound"] * (1 + 1e-6)).all()


def test_the_view_is_downloaded_as_a_picture_with_its_colours(birds: Any, birds_page: Any) -> None:
    with birds_page.expect_download() as download:
        birds_page.get_by_role("button", name="PNG").click()
    picture = Image.open(download.value.path()).convert("RGB")
    assert picture.width > 1000
    codes = np.array([65536, 256, 1])
    there = np.unique(np.asarray(picture).astype(int) @ codes)
    shown = colors(birds_page, "trained", "eagle").reshape(-1, 3).astype(int)
    strong = np.unique(shown[(255 - shown).sum(axis=1) > 60] @ codes)
    assert len(strong) > 5
    assert np.isin(strong, there).mean() >= 0.9  # a few lie below boxes


def test_an_overlay_shows_the_photograph_between_the_colours(
    birds: Any, page: Any, show: Show, eventually: Eventually
) -> None:
    show(page, birds)
    choose(page, opacity=0)
    page.locator('.controls [name="outlines"]').uncheck()
    expect(page.locator(".data-boxes")).to_have_count(0)

    def shot(place: Any) -> np.ndarray:
        picture = Image.open(io.BytesIO(place.locator(".stage").screenshot()))
        return np.asarray(picture.convert("RGB"), dtype=int)

    def map_is_photograph() -> None:
        map_, photograph = shot(panel(page, "trained", "eagle")), shot(page.locator(".photo"))
        assert np.abs(map_ - photograph).mean() < 3

    eventually(map_is_photograph)


def test_at_least_one_variant_and_target_stay(birds: Any, page: Any, show: Show) -> None:
    show(page, birds)
    for name in ("random-1", "random-2", "eagle"):
        page.locator(f'.names input[name="{name}"]').uncheck()
    expect(page.locator(".panel[data-variant]")).to_have_count(1)
    expect(page.locator('.names input[name="trained"]')).to_be_disabled()
    expect(page.locator('.names input[name="magpie"]')).to_be_disabled()
    expect(page.locator("#statement")).to_contain_text("A pair has two classes, 1 is shown.")


def test_the_phone_shows_one_map_below_the_other_as_wide_as_it_is_and_scrolls_no_side(
    birds: Any, phone: Any, show: Show, eventually: Eventually
) -> None:
    show(phone, birds)

    def fits() -> None:
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        places = [panel(phone, "trained", target).bounding_box() for target in TARGETS]
        assert places[0]["y"] + places[0]["height"] < places[1]["y"]
        assert all(place["width"] > 0.9 * 390 for place in places)

    eventually(fits)
    table = phone.get_by_role("region", name="Sums in boxes")
    table.evaluate("region => { region.scrollLeft = 200; }")
    caption = table.locator("caption").bounding_box()
    assert caption["x"] >= 0
    assert caption["x"] + caption["width"] <= 390
    phone.get_by_text("Knobs").click()
    choose(phone, first_scope="dataset")
    expect(phone.locator("#statement")).to_contain_text("Joint range of the study")


def test_maps_fill_the_width_beside_the_photograph(
    birds: Any, page: Any, show: Show, eventually: Eventually
) -> None:
    show(page, birds)

    def in_one_line(places: Sequence[Any], least: float) -> Check:
        def check() -> None:
            found = [place.locator(".stage").bounding_box() for place in places]
            assert len({round(each["width"]) for each in found}) == 1
            ends = found[0]["x"], found[-1]["x"] + found[-1]["width"]
            column = page.locator(".shown").bounding_box()
            assert ends[1] - ends[0] > least * column["width"]
            assert found[-1]["x"] > found[-2]["x"]
            assert found[-1]["y"] == pytest.approx(found[-2]["y"], abs=1)

        return check

    photograph = page.locator(".photo")
    eventually(in_one_line([photograph, *(panel(page, "trained", target) for target in TARGETS)], 0.9))
    page.locator('.names input[name="magpie"]').uncheck()  # one target: variants stand side by side
    eventually(
        in_one_line([panel(page, variant, "eagle") for variant in ("random-1", "random-2", "trained")], 0.7)
    )


def test_hostile_names_are_text_in_the_viewer(hostile: Any, page: Any, show: Show) -> None:
    show(page, hostile)
    expect(page.locator("#viewer")).to_contain_text("<script>alert(1)</script>")
    assert page.locator("#viewer script, #viewer img[src='x']").count() == 0
    show(page, hostile, copied_link(page))
    assert page.get_by_role("alert").count() == 0
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert re.fullmatch(r"[A-Za-z0-9-]+\.csv", download.value.suggested_filename)


def test_the_contour_is_around_the_strongest_pixels(
    birds: Any, page: Any, show: Show, eventually: Eventually
) -> None:
    show(page, birds)
    choose(page, contour=10, part="negative")

    def contour_holds_them() -> None:
        inside = (
            panel(page, "trained", "eagle")
            .locator("path.contour:not(.halo)")
            .evaluate(
                """path => Array.from({ length: 32 * 32 }, (_, i) => {
                const centre = path.ownerSVGElement.createSVGPoint();
                [centre.x, centre.y] = [i % 32 + 0.5, Math.floor(i / 32) + 0.5];
                return path.isPointInFill(centre);
            })"""
            )
        )
        assert (np.array(inside).reshape(32, 32) == expected).all()

    for blur in (0, 3):
        choose(page, blur=blur)
        expected = strongest(embedded(birds, "trained", "eagle"), 10, "negative", blur)
        assert 0 < expected.sum() <= 0.1 * 32 * 32 + 1
        eventually(contour_holds_them)


def test_boxes_are_hidden_and_maps_enlarged_on_request(
    birds: Any, page: Any, show: Show, eventually: Eventually
) -> None:
    show(page, birds)
    stage = panel(page, "trained", "eagle").locator(".stage")
    before = stage.bounding_box()["width"]
    expect(stage.locator(".data-boxes .outline")).to_have_count(2)
    expect(stage.locator(".data-boxes text")).to_have_text(["eagle", "magpie"])
    page.locator('.controls [name="outlines"]').uncheck()
    choose(page, size="2")
    expect(stage.locator(".data-boxes")).to_have_count(0)

    def is_enlarged() -> None:
        assert stage.bounding_box()["width"] == pytest.approx(2 * before, abs=3)

    eventually(is_enlarged)
