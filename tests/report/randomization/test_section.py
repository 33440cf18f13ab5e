import io
import re
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest

from igbatch.report.randomization.section import Statement, randomization_views

pytestmark = pytest.mark.usefixtures("undrawn")
HOSTILE = '"><script>alert(1)</script>'


class Text(HTMLParser):
    """The text of a page, its headings and its pictures' words."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def parts(results: Any) -> dict[str, Statement]:
    (statements,) = randomization_views(results, [], lambda *_: ("data:", 1)).values()
    return {each.heading: each for each in statements}


def test_the_page_has_the_section_its_figures_and_its_tables(
    randomized: Any, rendered: Any, tests_of: Any, tested: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = [tested(box_label=HOSTILE), tested(box_label=HOSTILE, image_id="c.png", n_images=1)]
    rows = pd.concat([randomized.significance, tests_of(hostile)])
    monkeypatch.setitem(randomized.__dict__, "significance", rows)
    files = rendered(randomized)
    page = Text(files["report/index.html"])
    figures = {path for path in files if "/similarity-" in path or "/nulls-" in path or "/maps-" in path}
    kinds = [path.split("/")[-1].split("-")[0] for path in figures]
    assert (kinds.count("similarity"), kinds.count("nulls"), kinds.count("maps")) == (3, 2, 2)
    links = {f"report/{attributes.get('href')}" for tag, attributes in page.tags if tag == "a"}
    assert figures <= links
    assert {"report/tables/randomization.csv", "report/tables/significance.csv"} <= links & set(files)
    assert all(str(a["src"]).startswith("data:") for tag, a in page.tags if tag == "img")
    assert "style" not in {name for _, attributes in page.tags for name in attributes}
    order = re.findall(r'<section id="(\w+)"', files["report/index.html"].decode())
    assert order[2:5] == ["findings", "randomization", "cautions"]  # it stands after the findings
    assert "#randomization" in [attributes.get("href") for tag, attributes in page.tags if tag == "a"]
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert [attributes for attributes in scripts if "id" not in attributes] == [{}]  # the page's own
    assert f"{HOSTILE} → eagle" in page.text
    assert all(part.heading in page.text for part in parts(randomized).values())

    table = pd.read_csv(io.BytesIO(files["report/tables/significance.csv"]))
    assert "null" not in table
    assert table["p"][0] == rows["p"].iloc[0]
    means = pd.read_csv(io.BytesIO(files["report/tables/randomization.csv"]))
    assert list(means["mean"]) == list(randomized.randomization["mean"])
    assert "report/tables/localization.csv" in files


def test_statements_stand_beside_what_holds_their_numbers(randomized: Any) -> None:
    found = parts(randomized)
    for part in found.values():
        if part.heading != "What this does not say":
            assert part.figure or part.table
        assert all(len(re.findall(r"[.?] |[.?]$", text)) <= 3 for text in part.paragraphs)
        assert not any("the seed" in text.lower() for text in part.paragraphs)
    assert found["Random models with each other, and with the trained one"].folded
    assert not found["The trained model among random ones"].folded


def test_without_a_trained_model_there_is_no_test(randomized: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    variants = randomized.variants
    monkeypatch.setitem(randomized.__dict__, "variants", variants[variants["kind"] != "trained"])
    part = parts(randomized)["The trained model among random ones"]
    assert part.paragraphs[0].startswith("There is no test over the data set")
    assert (part.figure, part.table) == (None, None)


def test_other_studies_have_no_trace_of_it(small_files: dict[str, bytes]) -> None:
    links = [attributes.get("href") for _, attributes in Text(small_files["report/index.html"]).tags]
    assert "#findings" in links
    assert "#randomization" not in links
    assert b'id="randomization"' not in small_files["report/index.html"]
    assert not [path for path in small_files if "significance" in path or "randomization" in path]


def test_a_smoothed_study_says_so(
    randomized: Any, change_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limits() -> str:
        return " ".join(parts(randomized)["What this does not say"].paragraphs)

    assert "smooth variant" not in limits()
    monkeypatch.setitem(randomized.__dict__, "study", randomized.study)
    change_study(randomized, attribution={"smoothing": {"samples": 4}})
    assert "smooth variant of the test" in limits()
