"""Arrays of any sources in the page's viewer: what the script gets of them, and what is refused."""

import json
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import igbatch
from igbatch.errors import InputError
from igbatch.report.page.packing import unpacked
from igbatch.report.page.viewer import EmbeddedViewer
from igbatch.statistics.patches import patch_sums

RNG = np.random.default_rng(5)
N, SIZE = 2, 64
MAPS = {name: RNG.standard_t(2, size=(N, SIZE, SIZE)) * scale for name, scale in (("a", 1e-3), ("b", 10.0))}
PICTURES = RNG.integers(0, 256, size=(N, SIZE, SIZE, 3), dtype=np.uint8)
HOSTILE = '"><script>alert(1)</script>{{7*7}}</iframe><!--é'


def content(view: EmbeddedViewer) -> tuple[dict[str, Any], dict[str, str]]:
    """What the document holds: the study as JSON, and the packed maps."""
    tags = re.findall(r'<script type="[^"]+" id="([^"]+)">(.*?)</script>', view.html, re.DOTALL)
    held = dict(tags)
    return json.loads(held.pop("study-data")), held


def ends(found: Mapping[str, Any]) -> tuple[float, float]:
    return found["minimum"], found["maximum"]


def extremes(*values: np.ndarray) -> tuple[float, float]:
    every = np.concatenate([each.astype(np.float32).ravel() for each in values])
    return float(every.min()), float(every.max())


def test_ranges_and_numbers_are_those_of_the_arrays() -> None:
    study, blocks = content(igbatch.compare(MAPS, PICTURES, ["eagle", "magpie"]))
    assert [scope["scope"] for scope in study["knobs"]["scopes"]] == ["image", "models", "variant", "dataset"]
    assert (study["first_scope"], study["noun"], study["raw"]) == ("models", "source", None)
    assert ends(study["dataset"]) == extremes(*MAPS.values())
    for place, (source, values) in enumerate(MAPS.items()):
        assert study["variants"][place]["id"] == source
        assert ends(study["variants"][place]["range"]) == extremes(values)
        for at, image in enumerate(study["images"]):
            assert image["name"] == f"image {at + 1}: {('eagle', 'magpie')[at]}"
            assert ends(image["range"]) == extremes(*(each[at] for each in MAPS.values()))
            (stored,) = image["variants"][place]["maps"]
            assert ends(stored) == extremes(values[at])
            assert stored["sum"] == values[at].sum()
            error = np.abs(
                unpacked(blocks[stored["block"]], stored["scale"], (SIZE, SIZE)) - values[at]
            ).max()
            assert error <= np.abs(values[at]).max() / 65_000
            sums = patch_sums(values[at].astype(np.float32), 8)
            assert ends(stored["patches"]["8"]) == (sums.min(), sums.max())


def test_maps_that_are_multiples_of_each_other_keep_their_own_scales() -> None:
    half = {"whole": MAPS["b"], "half": MAPS["b"] / 2}
    study, blocks = content(igbatch.compare(half, PICTURES / np.float32(255)))
    for image in study["images"]:
        whole, other = (each["maps"][0] for each in image["variants"])
        assert whole["sum"] == 2 * other["sum"]
        assert other["scale"] == pytest.approx(whole["scale"] / 2, rel=1e-6)
        assert {whole["block"], other["block"]} <= blocks.keys()


def test_small_maps_are_shown_by_pixels_and_large_ones_by_patches() -> None:
    small = {"a": MAPS["a"][:, :7, :7]}
    study, _ = content(igbatch.compare(small, PICTURES[:, :7, :7]))
    assert study["first_regions"] == 1
    assert [each["size"] for each in study["knobs"]["regions"]] == [1, 4, -2]
    assert content(igbatch.compare(MAPS, PICTURES))[0]["first_regions"] == 8


def test_names_are_data_in_the_document_and_in_its_frame(tmp_path: Path) -> None:
    view = igbatch.compare({HOSTILE: MAPS["a"]}, PICTURES, [HOSTILE, "b"], height=400)
    study, _ = content(view)
    assert study["variants"][0]["name"] == HOSTILE
    assert "alert(1)</script>" not in view.html
    frame = view._repr_html_()
    assert re.fullmatch(
        r'<iframe sandbox="allow-scripts" title="[^"<>]+" style="[^"<>]+height: 400px[^"<>]+" '
        r'srcdoc="[^"<>]+"></iframe>',
        frame,
    )
    assert unescape(re.search(r'srcdoc="([^"]+)"', frame)[1]) == view.html
    assert view.save(tmp_path / "maps.html").read_text("utf-8") == view.html
    assert HOSTILE in repr(view)


NAN = MAPS["a"].copy()
NAN[1, 0, 0] = np.nan


class Unreadable:
    def __array__(self, *args: Any, **more: Any) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


@pytest.mark.parametrize(
    ("maps", "pictures", "more", "words"),
    [
        ({}, PICTURES, {}, r"^maps: give a dictionary"),
        ({"a": MAPS["a"][:, None]}, PICTURES, {}, r"'a' have the shape \(2, 1, 64, 64\): sum .*\.sum\(1\)"),
        ({"a": MAPS["a"][0]}, PICTURES, {}, r"shape \(64, 64\); give .* one map alone is `map\[None\]`"),
        ({"a": MAPS["a"][:0]}, PICTURES[:0], {}, r"shape \(0, 64, 64\); give"),
        ({"a": MAPS["a"] > 0}, PICTURES, {}, r"'a' are bool; give floats"),
        ({"a": NAN}, PICTURES, {}, r"'a' have 1 value NaN, infinite or too .* first in image 2"),
        ({"a": np.ma.masked_greater(MAPS["a"], 0)}, PICTURES, {}, r"'a' are masked: give numbers for all"),
        ({"a": MAPS["a"] * 1e300}, PICTURES, {}, r"too large for float32"),
        ({"a": Unreadable()}, PICTURES, {}, r"'a' are no array; of a tensor give `\.detach\(\)\.cpu\(\)"),
        ({"a": MAPS["a"], "b": MAPS["b"][:1]}, PICTURES, {}, r"'b' are 1 map of 64 x 64, those of 'a' 2"),
        (MAPS, PICTURES[:, :32], {}, r"pictures have the shape \(2, 32, 64, 3\); .* need \(2, 64, 64, 3\)"),
        (MAPS, PICTURES.transpose(0, 3, 1, 2), {}, r"channels last, `\.transpose\(0, 2, 3, 1\)`"),
        (MAPS, PICTURES.astype(int), {}, r"pictures are int64; give uint8"),
        (MAPS, PICTURES / 127.5 - 1, {}, r"values from -1 to 1; give uint8, or floats in 0\.\.1"),
        (MAPS, PICTURES * np.nan, {}, r"values from nan to nan"),
        (MAPS, PICTURES, {"labels": ["eagle"]}, r"labels: 1 label for 2 pictures"),
        (MAPS, PICTURES, {"labels": "ab"}, r"labels: one text for 2 pictures"),
        (MAPS, PICTURES, {"height": 0}, r"height 0: give"),
        ({str(n): MAPS["a"] for n in range(51)}, PICTURES, {}, r"102 maps: a view holds at most 100"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(maps: Any, pictures: Any, more: Any, words: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(InputError, match=words) as refused:
        igbatch.compare(maps, pictures, **more)
    assert "\n" not in str(refused.value)
