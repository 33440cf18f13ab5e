import base64
import hashlib
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from igbatch.report.colors import paint
from igbatch.report.normalization import Normalizations

Rendered = Callable[..., dict[str, bytes]]
HOSTILE = '"><script>alert(1)</script>{{7*7}}<img src=x onerror=alert(1)>/../../é'


def page_of(files: dict[str, bytes]) -> str:
    return files["report/index.html"].decode("utf-8")


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def test_links_lead_to_files_of_the_report(small_study: Any, rendered: Rendered) -> None:
    files = rendered(small_study)
    links = [link for link in Tags(page_of(files)).values("href") if not link.startswith(("data:", "#"))]
    assert links
    assert {f"report/{link}" for link in links} <= set(files)
    page = page_of(files)
    anchors = {link for link in Tags(page).values("href") if link.startswith("#")}
    assert anchors <= {f"#{name}" for name in Tags(page).values("id")}


def test_the_page_asks_for_nothing_and_runs_nothing(small_study: Any, rendered: Rendered) -> None:
    page = page_of(rendered(small_study))
    tags = Tags(page)
    assert not {"script", "link", "iframe", "object", "form", "base"} & {tag for tag, _ in tags.tags}
    assert all(source.startswith("data:image/") for source in tags.values("src"))
    assert not [name for _, attributes in tags.tags for name in attributes if name.startswith("on")]
    assert "style" not in {name for _, attributes in tags.tags for name in attributes}
    assert "http://" not in page
    assert "https://" not in page
    (policy,) = [text for text in tags.values("content") if "default-src" in text]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_the_style_sheet_is_the_one_that_the_policy_allows(small_study: Any, rendered: Rendered) -> None:
    page = page_of(rendered(small_study))
    style = page.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page


def test_embedded_maps_have_the_colours_of_their_values(small_study: Any, rendered: Rendered) -> None:
    page = page_of(rendered(small_study))
    norm = Normalizations(small_study).of(
        "pair", variant_id="trained", image_id="a.png", targets=["eagle", "magpie"]
    )
    assert norm is not None
    wanted = paint(small_study.maps["trained", "a.png", "eagle"], norm.gain)
    sources = [source for source in Tags(page).values("src") if source.startswith("data:image/png")]
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("RGB"))
        for source in sources
    ]
    assert any(picture.shape == wanted.shape and (picture == wanted).all() for picture in pictures)


def test_hostile_names_are_text(drawn: Any, noise: Any, rendered: Rendered) -> None:
    maps = {("trained", HOSTILE, t): noise(i) for i, t in enumerate((HOSTILE, "magpie"))}
    lost = [{"variant_id": "trained", "image_id": "b", "target": None, "stage": HOSTILE, "error": HOSTILE}]
    study = drawn(
        maps, images=[HOSTILE, "b"], targets=(HOSTILE, "magpie"), quarantine=lost, title=HOSTILE,
        featured=(HOSTILE,),
    )  # fmt: skip
    files = rendered(study)
    tags = Tags(page_of(files))
    assert not {"script"} & {tag for tag, _ in tags.tags}
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
    shown = [name for name in names if f"The image {name}" in " ".join(tags.values("alt"))]
    assert sorted(shown) == ["0.png", "1.png", "4.png"]
    assert "3 images of 6" in tags.text
    assert "gone.png" in tags.text


def test_without_boxes_there_are_no_sums(drawn: Any, noise: Any, rendered: Rendered) -> None:
    maps = {("trained", "a", t): noise(i) for i, t in enumerate(("eagle", "magpie"))}
    files = rendered(drawn(maps, boxes=()))
    assert "report/figures/aggregates.png" not in files
    tags = Tags(page_of(files))
    assert "cannot be told" in tags.text
    assert "Sums in boxes over the data set" not in tags.text


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
    assert "Incomplete: joint range of the study" in tags.text
    assert "no: range so far, not joint" in tags.text


def test_variants_that_are_not_computed_on_an_image_are_not_shown_with_it(
    drawn: Any, noise: Any, rendered: Rendered
) -> None:
    maps = {("trained", image, "eagle"): noise(n) for n, image in enumerate("ab")}
    maps |= {("random-1", "b", "eagle"): noise(3)}
    subsets = {"random-1": ["b"]}
    study = drawn(maps, images=["a", "b"], targets=["eagle"], subsets=subsets, featured=("a", "b"))
    tags = Tags(page_of(rendered(study)))
    shown = " ".join(tags.values("alt"))
    for image, variant, there in (
        ("a", "trained", True), ("a", "random-1", False), ("b", "trained", True), ("b", "random-1", True),
    ):  # fmt: skip
        assert (f"Attribution map of {image}, {variant}, target eagle" in shown) is there
    assert "Incomplete" not in tags.text
    assert "missing (" not in tags.text
    assert "Not computed yet" not in tags.text


def test_images_that_cannot_be_read_any_more_are_told(
    small_study: Any, monkeypatch: Any, rendered: Rendered
) -> None:
    def gone(image_id: str, variant_id: str | None = None) -> np.ndarray:
        raise FileNotFoundError("no such file: <b>")

    monkeypatch.setattr(small_study, "pixels", gone)
    assert "no such file: <b>" in Tags(page_of(rendered(small_study))).text
