import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from igbatch.report.columns import Table
from igbatch.report.page import html
from igbatch.report.page.html import number_columns
from igbatch.report.page.packing import unpacked

Rendered = Callable[..., dict[str, bytes]]
HOSTILE = '"><script>alert(1)</script>{{7*7}}<!--<img src=x onerror=alert(1)>/../../é'


def page_of(files: dict[str, bytes]) -> str:
    return files["report/index.html"].decode("utf-8")


class Tags(HTMLParser):
    """Every tag of a page with its attributes, its text, and what its script elements hold by their ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._script = dict(attrs).get("id") or ""
            self.scripts[self._script] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text += data
        else:
            self.scripts[self._script] += data

    @property
    def study(self) -> Any:
        return json.loads(self.scripts["study-data"])

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def test_links_lead_to_files_of_the_report(small_files: dict[str, bytes]) -> None:
    links = [
        link for link in Tags(page_of(small_files)).values("href") if not link.startswith(("data:", "#"))
    ]
    assert links
    assert {f"report/{link}" for link in links} <= set(small_files)
    page = page_of(small_files)
    anchors = {link for link in Tags(page).values("href") if link.startswith("#")}
    assert anchors <= {f"#{name}" for name in Tags(page).values("id")}


def test_the_page_asks_for_nothing_and_runs_its_script_alone(small_files: dict[str, bytes]) -> None:
    page = page_of(small_files)
    tags = Tags(page)
    assert not {"link", "iframe", "object", "form", "base"} & {tag for tag, _ in tags.tags}
    scripts = [attributes for tag, attributes in tags.tags if tag == "script"]
    assert scripts.count({}) == 1
    assert {each["type"] for each in scripts if each} == {"application/json", "text/plain"}
    assert all(source.startswith("data:image/") for source in tags.values("src"))
    assert not [name for _, attributes in tags.tags for name in attributes if name.startswith("on")]
    assert "style" not in {name for _, attributes in tags.tags for name in attributes}
    (policy,) = [text for text in tags.values("content") if "default-src" in text]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    assert set(rules) == {"default-src", "base-uri", "form-action", "img-src", "style-src", "script-src"}
    assert "unsafe" not in policy


def test_links_to_elsewhere_are_none(small_files: dict[str, bytes]) -> None:
    page = page_of(small_files)
    assert not re.search(r"https?://", page.replace(Tags(page).scripts[""], ""))


@pytest.mark.parametrize(("element", "source"), [("style", "style-src"), ("script", "script-src")])
def test_style_sheet_and_script_are_those_that_the_policy_allows(
    small_files: dict[str, bytes], element: str, source: str
) -> None:
    page = page_of(small_files)
    content = page.split(f"<{element}>")[1].split(f"</{element}>")[0]
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    assert f"{source} 'sha256-{digest}'" in page
    assert "\r" not in content  # HTML reads it as another character, with another digest


def test_the_page_holds_the_raw_maps(small_study: Any, small_files: dict[str, bytes]) -> None:
    tags = Tags(page_of(small_files))
    seen = set()
    for image in tags.study["images"]:
        for variant in image["variants"]:
            for stored in variant["maps"]:
                key = (
                    tags.study["variants"][variant["variant"]]["id"],
                    image["id"],
                    tags.study["targets"][stored["target"]]["id"],
                )
                expected = small_study.maps[key]
                values = unpacked(tags.scripts[stored["block"]], stored["scale"], expected.shape)
                assert np.abs(values - expected).max() <= np.abs(expected).max() / 65534 * (1 + 1e-9)
                seen.add(key)
    assert seen == set(small_study.maps)
    assert "error at most max|a| / 65534" in tags.text
    assert "are 8 maps" in tags.text


def test_without_script_the_page_points_to_figures_and_tables(small_files: dict[str, bytes]) -> None:
    page = page_of(small_files)
    fallback = Tags(page.split("<noscript>")[1].split("</noscript>")[0]).text
    assert "figures for print linked below" in fallback
    figures = [link for link in Tags(page).values("href") if link.startswith("figures/")]
    assert (
        len(figures) == 2 + 1 + 1
    )  # the original experiment's sequence of each variant, an overview, aggregates
    assert page.count("<table") >= 3


def test_hostile_names_are_text(drawn: Any, noise: Any, rendered: Rendered) -> None:
    maps = {("trained", HOSTILE, t): noise(i) for i, t in enumerate((HOSTILE, "magpie"))}
    lost = [{"variant_id": "trained", "image_id": "b", "target": None, "stage": HOSTILE, "error": HOSTILE}]
    study = drawn(
        maps, images=[HOSTILE, "b"], targets=(HOSTILE, "magpie"), quarantine=lost, title=HOSTILE,
        featured=(HOSTILE,),
    )  # fmt: skip
    files = rendered(study)
    tags = Tags(page_of(files))
    assert [attributes for tag, attributes in tags.tags if tag == "script" and "id" not in attributes] == [{}]
    assert set(tags.scripts) == {"study-data", "map-0", "map-1", ""}
    assert "alert(1)" not in tags.scripts[""]
    assert tags.study["images"][0]["id"] == tags.study["targets"][0]["id"] == HOSTILE
    assert (
        tags.study["images"][1]["variants"][0]["maps"][0]["missing"] == f"Quarantined ({HOSTILE}): {HOSTILE}"
    )
    assert all(source.startswith("data:") for source in tags.values("src"))
    assert not tags.values("onerror")
    assert HOSTILE in tags.text
    assert all(".." not in path and re.fullmatch(r"[A-Za-z0-9_./-]+", path) for path in files)
    table = pd.read_csv(io.BytesIO(files["report/tables/image_stats.csv"]))
    assert set(table["image_id"]) == {HOSTILE}


def test_shown_are_the_featured_images_then_the_first_others(
    drawn: Any, noise: Any, rendered: Rendered
) -> None:
    names = [f"{n}.png" for n in range(6)]
    maps = {("trained", n, t): noise(i) for i, n in enumerate(names) for t in ("eagle", "magpie")}
    tags = Tags(page_of(rendered(drawn(maps, featured=("4.png", "gone.png"), max_images=3))))
    shown = [(image["id"], image["chosen"]) for image in tags.study["images"]]
    assert shown == [
        ("4.png", "featured"),
        ("0.png", "among the first of the study"),
        ("1.png", "among the first of the study"),
    ]
    assert "3 images of 6" in tags.text
    assert "gone.png" in tags.text


def test_without_boxes_there_are_no_sums(drawn: Any, noise: Any, rendered: Rendered) -> None:
    maps = {("trained", "a", t): noise(i) for i, t in enumerate(("eagle", "magpie"))}
    files = rendered(drawn(maps, boxes=()))
    assert "report/figures/aggregates.png" not in files
    tags = Tags(page_of(files))
    assert "cannot be told" in tags.text
    assert "sums" not in tags.values("id")
    assert tags.study["aggregates"] == []


def test_when_all_is_quarantined_the_page_says_so(drawn: Any, rendered: Rendered) -> None:
    lost = [{"variant_id": "trained", "image_id": "a", "target": None, "stage": "image", "error": "no image"}]
    tags = Tags(page_of(rendered(drawn({}, images=["a"], kinds={"trained": "trained"}, quarantine=lost))))
    assert "no image" in tags.text
    assert "No map has been computed." in tags.text
    assert "0 of 2 maps are there" in tags.text


def test_an_incomplete_study_says_what_is_missing(drawn: Any, noise: Any, rendered: Rendered) -> None:
    maps = {("trained", "a", t): noise(i) for i, t in enumerate(("eagle", "magpie"))}
    tags = Tags(page_of(rendered(drawn(maps, images=["a", "b"]))))
    assert "2 maps of 4 are missing (they are not computed yet)" in tags.text
    assert tags.study["dataset"]["complete"] is False
    assert "no: range so far, not joint" in tags.text


def test_variants_that_are_not_computed_on_an_image_are_not_shown_with_it(
    drawn: Any, noise: Any, rendered: Rendered
) -> None:
    maps = {("trained", image, "eagle"): noise(n) for n, image in enumerate("ab")}
    maps |= {("random-1", "b", "eagle"): noise(3)}
    subsets = {"random-1": ["b"]}
    study = drawn(maps, images=["a", "b"], targets=["eagle"], subsets=subsets, featured=("a", "b"))
    tags = Tags(page_of(rendered(study)))
    names = [variant["id"] for variant in tags.study["variants"]]
    shown = {
        image["id"]: {names[each["variant"]] for each in image["variants"]} for image in tags.study["images"]
    }
    assert shown == {"a": {"trained"}, "b": {"trained", "random-1"}}
    assert all(image["range"]["complete"] for image in tags.study["images"])
    assert "missing (" not in tags.text
    assert "Not computed yet" not in tags.scripts["study-data"]


@pytest.fixture(scope="module")
def changed_page(drawn: Any, noise: Any, rendered: Rendered) -> str:
    """A page of two models and one image that cannot be read any more, where one row is a long table."""
    study = drawn({(v, "a.png", "eagle"): noise(1) for v in ("random-1", "trained")}, targets=["eagle"])

    def gone(image_id: str, variant_id: str | None = None) -> np.ndarray:
        raise FileNotFoundError("no such file: <b>")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "pixels", gone)
        patch.setattr(html, "MAX_OPEN", 1)
        return page_of(rendered(study))


def test_images_that_cannot_be_read_any_more_are_told(changed_page: str) -> None:
    (frame,) = Tags(changed_page).study["images"][0]["frames"]
    assert frame["picture"] == ""
    assert "no such file: <b>" in frame["missing"]
    assert (frame["width"], frame["height"]) == (16, 16)


def test_long_tables_are_folded(small_files: dict[str, bytes], changed_page: str) -> None:
    folded = re.compile("<summary>([0-9]+ (?:ranges|digests))</summary>")
    assert not folded.search(page_of(small_files))
    assert folded.findall(changed_page) == ["3 ranges", "2 digests"]


def test_columns_of_numbers_are_told_from_those_of_words() -> None:
    rows = (("1", "−0.2", "–", "a", "–"), ("2", "–", "–", "3", "< 0.01"))
    assert number_columns(Table(("name", "number", "none", "mixed", "small"), rows)) == {1, 4}
    assert number_columns(Table(("name", "number"), ())) == set()
