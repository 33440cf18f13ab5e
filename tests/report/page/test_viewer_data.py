import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from igbatch.report.color.wording import knobs
from igbatch.report.figures.image_data import ShownRows
from igbatch.report.page.study_data import MAX_TARGETS, PageData, page_data
from igbatch.report.page.viewer_data import PageStudy, Sentences, StoredBox, finite, json_in_html
from igbatch.report.selection import select

VIEWER = Path(__file__).parents[3] / "igbatch/report/viewer"
SCHEMA = runpy.run_path(str(VIEWER / "schema.py"))
NAMES = st.text(st.characters(codec=None), max_size=8) | st.just("</script><!--<script>&\u2028\u2029\ud800")


def gathered(results: Any) -> tuple[Any, PageData]:
    selection = select(results)
    data = page_data(results, selection, ShownRows(results, selection.images))
    return json.loads(json_in_html(data.study)), data


@given(name=NAMES)
def test_json_is_safe_in_a_script_element_and_reads_back(name: str) -> None:
    text = json_in_html(Sentences(missing=name, histogram=""))
    assert json.loads(text) == {"missing": name, "histogram": ""}
    assert text.isascii()
    assert not re.search("[<>&]", text)


def test_json_has_no_number_that_is_not_finite() -> None:
    assert [finite(value) for value in (None, np.nan, np.inf, np.float32(0.5), 2)] == [
        None,
        None,
        None,
        0.5,
        2,
    ]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_the_page_refuses_what_no_browser_reads(number: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        StoredBox(box=0, pixels=1, sum=number, share=None)


def test_the_schema_that_the_types_of_the_script_are_generated_from_is_current() -> None:
    committed = SCHEMA["PATH"].read_text("utf-8")
    assert committed == SCHEMA["schema"](), "run `python igbatch/report/viewer/schema.py`"


def test_every_type_of_the_script_is_that_of_a_model() -> None:
    names = set(json.loads(SCHEMA["schema"]())["$defs"]) | {"PageStudy"}
    assert (
        set(re.findall(r"export interface (\w+)", (VIEWER / "src/study_types.ts").read_text("utf-8")))
        == names
    )


def test_the_study_on_the_page_is_whole(drawn: Any, noise: Any) -> None:
    maps = {("trained", i, t): noise(n) for n, i in enumerate("ab") for t in ("eagle", "magpie")}
    maps |= {("random-1", "a", "eagle"): noise(9) * 0}
    lost = [{"variant_id": "random-1", "image_id": "b", "target": None, "stage": "image", "error": "no"}]
    study, data = gathered(drawn(maps, images=["a", "b", "c"], quarantine=lost))
    assert PageStudy.model_validate(study) == data.study
    del study["images"][0]["name"]
    with pytest.raises(ValidationError, match=r"images.0.name"):
        PageStudy.model_validate(study)


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
                    found = boxes.loc[(*key, box["box_id"])]
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
    names = [f"t{n}" for n in range(MAX_TARGETS + 2)]
    results = drawn({("trained", "a", t): noise(n) for n, t in enumerate(names)}, targets=names, boxes=())
    study, data = gathered(results)
    assert [target["id"] for target in study["targets"]] == names[:MAX_TARGETS]
    assert len(data.maps) == MAX_TARGETS
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
    assert [study["variants"][place]["id"] for place in study["first"]] == [*ids[:2], "trained"]


def test_few_variants_are_all_shown(small_study: Any) -> None:
    assert gathered(small_study)[0]["first"] == []


def test_the_page_offers_every_choice_of_the_figures(small_study: Any) -> None:
    offered = gathered(small_study)[0]["knobs"]
    for palette in (every := knobs())["palettes"]:
        del palette["line"]
    assert offered == every
    red = next(palette for palette in offered["palettes"] if palette["palette"] == "red-white-blue")
    assert (red["colors"][0], red["colors"][63], red["colors"][-1]) == ("#870010", "#ffffff", "#003f7f")
    assert {len(palette["colors"]) for palette in offered["palettes"]} == {127}
