import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.reduce.ranges import SCOPES
from igbatch.report.color.colormaps import PALETTES
from igbatch.report.color.wording import RULE_WORDS
from igbatch.report.figures.image_data import ShownRows
from igbatch.report.page.viewer_data import MOST_TARGETS, PageData, choices, json_in_html, page_data
from igbatch.report.selection import select

TYPES = Path(__file__).parents[3] / "igbatch/report/viewer/src/study.ts"
NAMES = st.text(st.characters(codec=None), max_size=8) | st.just("</script><!--<script>&\u2028\u2029\ud800")


def gathered(results: Any) -> tuple[Any, PageData]:
    selection = select(results)
    data = page_data(results, selection, ShownRows(results, selection.images))
    return json.loads(data.study), data


@given(name=NAMES)
def test_json_is_safe_in_a_script_element_and_reads_back(name: str) -> None:
    text = json_in_html({name: [name]})
    assert json.loads(text) == {name: [name]}
    assert text.isascii()
    assert not re.search("[<>&]", text)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_no_browser_reads(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_in_html([number])


def interfaces() -> dict[str, dict[str, str]]:
    """Return the fields of the interfaces that the page's script declares, with their types."""
    source = re.sub(r"/\*.*?\*/", "", TYPES.read_text("utf-8"), flags=re.DOTALL)
    found = re.findall(r"export interface (\w+) \{\n(.*?)\n\}", source, flags=re.DOTALL)
    return {name: dict(re.findall(r"^  (\w+): (.*);$", body, flags=re.MULTILINE)) for name, body in found}


def breaches(value: Any, kind: str, known: dict[str, dict[str, str]], path: str) -> Iterator[str]:
    """Yield where a value is not of a type of the script."""
    plain = {"string": str, "boolean": bool}
    if kind.endswith(" | null"):
        if value is not None:
            yield from breaches(value, kind.removesuffix(" | null"), known, path)
    elif kind.endswith("[]"):
        for place, each in enumerate(value):
            yield from breaches(each, kind.removesuffix("[]"), known, f"{path}[{place}]")
    elif kind in known:
        if set(value) != set(known[kind]):
            yield f"{path} has {sorted(value)}, {kind} has {sorted(known[kind])}"
        for name in set(value) & set(known[kind]):
            yield from breaches(value[name], known[kind][name], known, f"{path}.{name}")
    elif kind.startswith("{"):
        for name, inner in re.findall(r"(\w+): ([^;]+?)(?:;| \})", kind):
            yield from breaches(value[name], inner, known, f"{path}.{name}")
    elif kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{path} is {value!r}, not a number"
    elif kind in plain:
        if not isinstance(value, plain[kind]):
            yield f"{path} is {value!r}, not a {kind}"
    elif str(value) != kind:
        yield f"{path} is {value!r}, not {kind}"


def test_the_study_is_what_the_script_reads(drawn: Any, noise: Any) -> None:
    maps = {("trained", i, t): noise(n) for n, i in enumerate("ab") for t in ("eagle", "magpie")}
    maps |= {("random-1", "a", "eagle"): noise(9) * 0}
    lost = [{"variant_id": "random-1", "image_id": "b", "target": None, "stage": "image", "error": "no"}]
    study, _ = gathered(drawn(maps, images=["a", "b", "c"], quarantine=lost))
    assert list(breaches(study, "Study", interfaces(), "study")) == []
    del study["images"][0]["name"]
    study["targets"][1]["id"] = 3
    assert len(list(breaches(study, "Study", interfaces(), "study"))) == 2


def test_numbers_are_those_of_the_statistics(small_study: Any) -> None:
    study, data = gathered(small_study)
    stats = small_study.image_stats.set_index(["variant_id", "image_id", "target"])
    boxes = small_study.box_stats.set_index(["variant_id", "image_id", "target", "box_id"])
    blocks = set()
    for image in study["images"]:
        frame = image["frames"][0]
        for variant in image["variants"]:
            for each in variant["maps"]:
                variant_id = study["variants"][variant["variant"]]["id"]
                key = (variant_id, image["id"], study["targets"][each["target"]]["id"])
                row = stats.loc[key]
                for name in ("minimum", "maximum", "sum", "abs_sum", "score", "score_baseline", "steps"):
                    assert each[name] == row[name]
                assert each["probability"] == row["target_probability"]
                assert each["gap"] == row["convergence_delta"]
                assert each["converged"] == row["converged"]
                assert len(each["boxes"]) == 2
                for stored in each["boxes"]:
                    box = frame["boxes"][stored["box"]]
                    found = boxes.loc[(*key, box["id"])]
                    assert (stored["sum"], stored["share"]) == (found["sum"], found["share"])
                    assert stored["pixels"] == found["pixels"]
                    assert stored["pixels"] == (box["x_max"] - box["x_min"]) * (box["y_max"] - box["y_min"])
                    blocks.add(each["block"])
    assert blocks == {name for name, _ in data.maps}
    assert len(blocks) == len(stats)


def test_ranges_are_those_of_the_scopes(small_study: Any) -> None:
    study, _ = gathered(small_study)
    ends = lambda found: (found["minimum"], found["maximum"], found["n_maps"], found["complete"])  # noqa: E731
    wanted = lambda *scope, **keys: ends(vars(small_study.scope_range(*scope, **keys)))  # noqa: E731
    assert ends(study["dataset"]) == wanted("dataset")
    for variant in study["variants"]:
        assert ends(variant["range"]) == wanted("variant", variant_id=variant["id"])
    for image in study["images"]:
        assert ends(image["range"]) == wanted("models", image_id=image["id"])
        for each in image["variants"]:
            variant_id = study["variants"][each["variant"]]["id"]
            assert ends(each["range"]) == wanted("targets", image_id=image["id"], variant_id=variant_id)
    raw = small_study.scope_range("raw")
    assert ends(study["raw"]) == (raw.minimum, raw.maximum, 8, True)


def test_maps_that_were_not_kept_keep_their_numbers_and_a_reason(drawn: Any, noise: Any) -> None:
    study, data = gathered(drawn({("trained", "a", t): noise(1) for t in ("eagle", "magpie")}, kept=False))
    (stored, _) = study["images"][0]["variants"][0]["maps"]
    assert data.maps == []
    assert stored["block"] == ""
    assert "not kept" in stored["missing"]
    assert stored["maximum"] == float(noise(1).max())


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ([], "Not computed yet."),
        (
            [{"variant_id": "trained", "image_id": "a", "target": "magpie", "stage": "map", "error": "NaN"}],
            "Quarantined (map): NaN",
        ),
    ],
)
def test_maps_that_are_not_there_say_why(drawn: Any, noise: Any, lost: Any, reason: str) -> None:
    study, _ = gathered(drawn({("trained", "a", "eagle"): noise(1)}, quarantine=lost))
    there, gone = study["images"][0]["variants"][0]["maps"]
    assert there["missing"] == ""
    assert gone["missing"] == reason
    assert gone["block"] == ""
    assert {gone[name] for name in ("minimum", "sum", "score", "gap", "steps", "converged")} == {None}


def test_marks_say_what_did_not_converge_and_what_is_nothing(drawn: Any, noise: Any) -> None:
    maps = {("trained", "a", "eagle"): noise(1), ("trained", "a", "magpie"): noise(2) * np.float32(1e-12)}
    study, _ = gathered(drawn(maps, gap=0.5))
    eagle, magpie = study["images"][0]["variants"][0]["maps"]
    assert eagle["converged"] is False
    assert len(eagle["marks"]) == 1
    assert any("negligible" in mark for mark in magpie["marks"])


def test_of_many_targets_the_first_are_held(drawn: Any, noise: Any) -> None:
    names = [f"t{n}" for n in range(MOST_TARGETS + 2)]
    results = drawn({("trained", "a", t): noise(n) for n, t in enumerate(names)}, targets=names, boxes=())
    study, data = gathered(results)
    assert [target["id"] for target in study["targets"]] == names[:MOST_TARGETS]
    assert len(data.maps) == MOST_TARGETS
    assert data.left_out == ["Maps of 2 targets: figures, tables and ranges have them."]
    assert study["images"][0]["range"]["n_maps"] == len(names)  # a range takes in all


def test_models_that_see_an_image_differently_have_frames_of_their_own(
    small_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = small_study.variants.assign(model=["small", "large"])
    monkeypatch.setattr(small_study, "variants", models)
    pixels: Callable[..., np.ndarray] = small_study.pixels

    def seen(image_id: str, variant_id: str) -> np.ndarray:
        high = 16 if models.set_index("variant_id")["model"][variant_id] == "small" else 20
        return np.resize(pixels(image_id), (high, 24, 3))

    monkeypatch.setattr(small_study, "pixels", seen)
    study, _ = gathered(small_study)
    for image in study["images"]:
        assert [(f["model"], f["width"], f["height"]) for f in image["frames"]] == [
            ("small", 24, 16),
            ("large", 24, 20),
        ]


def test_trained_variants_are_shown_first(drawn: Any, noise: Any) -> None:
    ids = ["random-1", "random-2", "random-3", "trained", "random-4"]
    study, _ = gathered(drawn({(v, "a", "eagle"): noise(n) for n, v in enumerate(ids)}, targets=["eagle"]))
    assert [study["variants"][place]["id"] for place in study["first"]["variants"]] == [*ids[:2], "trained"]


def test_few_variants_are_all_shown(small_study: Any) -> None:
    assert gathered(small_study)[0]["first"] == {"variants": [], "targets": []}


def test_the_page_offers_every_choice_of_the_figures() -> None:
    offered = choices()
    assert [scope["kind"] for scope in offered["scopes"]] == list(SCOPES)
    assert [rule["rule"] for rule in offered["rules"]] == list(RULE_WORDS)
    assert [palette["name"] for palette in offered["palettes"]] == list(PALETTES)
    red = next(palette for palette in offered["palettes"] if palette["name"] == "red-white-blue")
    assert (red["colors"][0], red["colors"][63], red["colors"][-1]) == ("#870010", "#ffffff", "#003f7f")
    assert {len(palette["colors"]) for palette in offered["palettes"]} == {127}
