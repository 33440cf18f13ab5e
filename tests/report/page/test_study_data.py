import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError

from igbatch.reduce.ranges import RangeSummary
from igbatch.report.color.wording import knobs
from igbatch.report.figures.image_data import ShownRows
from igbatch.report.page.packing import PERCENTILES, packed, page_range, unpacked
from igbatch.report.page.study_data import page_data
from igbatch.report.page.viewer_data import PageStudy, json_in_html
from igbatch.report.selection import MAX_TARGETS, select
from igbatch.statistics.blur import BLURRED
from igbatch.statistics.histogram import RELATIVE_ERROR, histogram
from igbatch.statistics.partitions import LabelMap
from igbatch.statistics.patches import PATCH_SIZES, patch_sums
from igbatch.store.encoding import LARGEST

SIZE = 16

MAPS = hnp.arrays(np.float32, (5, 7), elements=st.floats(-1, 1, width=32, allow_subnormal=False))


def gathered(results: Any) -> tuple[Any, PageStudy, dict[str, str]]:
    selection = select(results)
    study, maps = page_data(results, selection, ShownRows(results, selection.images))
    return json.loads(json_in_html(study)), study, maps


def test_numbers_are_those_of_the_statistics(small_study: Any) -> None:
    study, _, held = gathered(small_study)
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
    assert blocks == set(held)
    assert len(blocks) == len(stats)


def test_ranges_are_those_of_the_scopes(small_study: Any) -> None:
    study, _, _ = gathered(small_study)
    ends = lambda found: (found["minimum"], found["maximum"], found["n_maps"], found["complete"])  # noqa: E731
    expected = lambda *scope, **keys: ends(vars(small_study.scope_range(*scope, **keys)))  # noqa: E731
    assert ends(study["dataset"]) == expected("dataset")
    for variant in study["variants"]:
        assert ends(variant["range"]) == expected("variant", variant_id=variant["id"])
    for image in study["images"]:
        assert ends(image["range"]) == expected("models", image_id=image["id"])
        for each in image["variants"]:
            variant_id = study["variants"][each["variant"]]["id"]
            assert ends(each["range"]) == expected("targets", image_id=image["id"], variant_id=variant_id)
    raw = small_study.scope_range("raw")
    assert ends(study["raw"]) == (raw.minimum, raw.maximum, 8, True)


def test_maps_that_were_not_kept_keep_their_numbers_and_a_reason(drawn: Any, noise: Any) -> None:
    study, _, held = gathered(drawn({("trained", "a", t): noise(1) for t in ("eagle", "magpie")}, kept=False))
    (stored, _) = study["images"][0]["variants"][0]["maps"]
    assert held == {}
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
    study, _, _ = gathered(drawn({("trained", "a", "eagle"): noise(1)}, quarantine=lost))
    there, gone = study["images"][0]["variants"][0]["maps"]
    assert there["missing"] == ""
    assert gone["missing"] == reason
    assert gone["block"] == ""
    assert {gone[name] for name in ("minimum", "sum", "score", "gap", "steps", "converged")} == {None}


def test_marks_say_what_did_not_converge_and_what_is_nothing(drawn: Any, noise: Any) -> None:
    maps = {("trained", "a", "eagle"): noise(1), ("trained", "a", "magpie"): noise(2) * np.float32(1e-12)}
    study, _, _ = gathered(drawn(maps, gap=0.5))
    eagle, magpie = study["images"][0]["variants"][0]["maps"]
    assert eagle["converged"] is False
    assert len(eagle["marks"]) == 1
    assert any("negligible" in mark for mark in magpie["marks"])


def test_of_many_targets_the_first_are_held(drawn: Any, noise: Any) -> None:
    names = [f"t{n}" for n in range(MAX_TARGETS + 2)]
    results = drawn({("trained", "a", t): noise(n) for n, t in enumerate(names)}, targets=names, boxes=())
    study, _, held = gathered(results)
    assert [target["id"] for target in study["targets"]] == names[:MAX_TARGETS]
    assert len(held) == MAX_TARGETS
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
    study, _, _ = gathered(small_study)
    for image in study["images"]:
        assert [(f["model"], f["width"], f["height"]) for f in image["frames"]] == [
            ("small", 24, 16),
            ("large", 24, 20),
        ]


def test_trained_variants_are_shown_first(drawn: Any, noise: Any) -> None:
    ids = ["random-1", "random-2", "random-3", "trained", "random-4"]
    study, _, _ = gathered(drawn({(v, "a", "eagle"): noise(n) for n, v in enumerate(ids)}, targets=["eagle"]))
    assert [study["variants"][place]["id"] for place in study["first"]] == [*ids[:2], "trained"]


def test_few_variants_are_all_shown(small_study: Any) -> None:
    assert gathered(small_study)[0]["first"] == []


def test_the_page_offers_every_choice_of_the_figures(small_study: Any) -> None:
    offered = gathered(small_study)[0]["knobs"]
    for palette in (every := knobs((*PATCH_SIZES, BLURRED)))["palettes"]:
        del palette["line"]
    lacking = offered["sentences"].pop("lacking")
    assert lacking.startswith("No superpixels: set images.superpixels")
    assert "No patches" not in lacking
    assert every["sentences"].pop("lacking") == ""
    assert offered == every
    red = next(palette for palette in offered["palettes"] if palette["palette"] == "red-white-blue")
    assert (red["colors"][0], red["colors"][63], red["colors"][-1]) == ("#870010", "#ffffff", "#003f7f")
    assert {len(palette["colors"]) for palette in offered["palettes"]} == {127}


def test_the_study_on_the_page_is_whole(drawn: Any, noise: Any) -> None:
    maps = {("trained", i, t): noise(n) for n, i in enumerate("ab") for t in ("eagle", "magpie")}
    maps |= {("random-1", "a", "eagle"): noise(9) * 0}
    lost = [{"variant_id": "random-1", "image_id": "b", "target": None, "stage": "image", "error": "no"}]
    study, model, _ = gathered(drawn(maps, images=["a", "b", "c"], quarantine=lost))
    assert PageStudy.model_validate(study) == model
    del study["images"][0]["name"]
    with pytest.raises(ValidationError, match=r"images.0.name"):
        PageStudy.model_validate(study)


def summary_of(values: np.ndarray) -> RangeSummary:
    return RangeSummary(float(values.min()), float(values.max()), histogram(values).astype(np.int64), 1)


def test_quantiles_are_those_of_the_magnitudes() -> None:
    values = np.random.default_rng(0).standard_t(2, size=20_000) * 1e-3
    found = page_range(summary_of(values), 1)
    assert found is not None
    expected = np.quantile(np.abs(values), np.array(PERCENTILES) / 100, method="lower")
    assert np.abs(np.array(found.quantiles) / expected - 1).max() <= RELATIVE_ERROR * (1 + 1e-9)
    assert found.quantiles == sorted(found.quantiles)


@pytest.mark.parametrize("values", [[-3.0, 1, 2], [-1.0, 2, 5], [1.0, 2, 3], [-3.0, -2, -1], [0.0, 0, 0]])
def test_all_magnitudes_are_within_the_last_quantile(values: list[float]) -> None:
    found = page_range(summary_of(np.array(values)), 1)
    assert found is not None
    assert found.quantiles[-1] == np.abs(values).max()


def test_percentiles_run_from_90_to_100_in_tenths() -> None:
    assert (PERCENTILES[0], PERCENTILES[1], PERCENTILES[95], PERCENTILES[-1]) == (90, 90.1, 99.5, 100)
    assert len(PERCENTILES) == 101


def test_a_range_that_lacks_a_map_is_incomplete_and_one_of_none_is_none() -> None:
    one = summary_of(np.array([1.0]))
    assert page_range(one, 1).model_copy(update={"complete": False}) == page_range(one, 2)
    assert page_range(RangeSummary(), 2) is None


@given(values=MAPS, exponent=st.integers(-30, 30))
def test_the_error_is_at_most_a_65534th_of_the_largest_magnitude(values: np.ndarray, exponent: int) -> None:
    largest = float(np.abs(values).max())
    values = (values.astype(np.float64) / (largest or 1) * 10.0**exponent).astype(np.float32)
    text, scale = packed(values)
    errors = np.abs(unpacked(text, scale, (5, 7)) - values)
    assert errors.max() <= float(np.abs(values).max()) / 65534 * (1 + 1e-9)


@given(exponent=st.floats(-40, -30))
def test_the_smallest_maps_are_nearly_kept(exponent: float) -> None:
    values = np.float32(10.0**exponent) * np.linspace(-1, 1, 35, dtype=np.float32).reshape(5, 7)
    text, scale = packed(values)
    error = np.abs(unpacked(text, scale, (5, 7)) - values).max()
    assert error <= max(float(np.abs(values).max()) / 65534, 1e-40) * (1 + 1e-9)


@given(values=MAPS)
def test_the_scale_is_a_float32_that_rounds_towards_zero(values: np.ndarray) -> None:
    largest = float(np.abs(values).max())
    assume(
        largest == 0 or largest > 1e-33
    )  # below, steps of float32 are coarse, and a scale below would clip
    _, scale = packed(values)
    assert float(np.float32(scale)) == scale
    assert scale * LARGEST <= largest
    if largest:
        assert float(np.nextafter(np.float32(scale), np.float32(np.inf))) * LARGEST > largest


@pytest.mark.parametrize("values", [[[0.0, 0.0]], [[0.0, -0.0]]])
def test_a_map_of_nothing_has_the_scale_0(values: list[list[float]]) -> None:
    text, scale = packed(np.array(values, dtype=np.float32))
    assert scale == 0
    assert not unpacked(text, scale, (1, 2)).any()


def test_the_bytes_are_low_ones_then_high_ones() -> None:
    text, scale = packed(np.array([[LARGEST, -1], [256, 0]], dtype=np.float32))
    assert scale == 1
    assert zlib.decompress(base64.b64decode(text)) == bytes([0xFF, 0xFF, 0, 0, 0x7F, 0xFF, 1, 0])


def test_the_sign_and_the_order_of_values_are_kept() -> None:
    values = np.array([[-3e-9, 2e-9], [0, 1e-9]], dtype=np.float32)
    read = unpacked(*packed(values), (2, 2))
    assert (np.sign(read) == np.sign(values)).all()
    assert (read.argsort(axis=None) == values.argsort(axis=None)).all()


def test_ranges_of_patches_are_on_the_page_where_the_study_has_them(drawn: Any, noise: Any) -> None:
    maps = {("trained", "a", target): noise(n) for n, target in enumerate(("eagle", "magpie"))}
    results = drawn(maps)
    study, _, _ = gathered(results)
    for size in PATCH_SIZES:
        every = np.stack([patch_sums(values, size) for values in maps.values()])
        image = study["images"][0]
        for found in (study["dataset"], image["range"], image["variants"][0]["range"]):
            of = found["patches"][str(size)]
            assert (of["minimum"], of["maximum"], of["n_maps"]) == (every.min(), every.max(), 2)
            assert of["quantiles"][-1] == np.abs(every).max()
        for stored, sums in zip(image["variants"][0]["maps"], every, strict=True):
            assert stored["patches"][str(size)] == {"minimum": sums.min(), "maximum": sums.max()}
        raw = results.scope_range("raw", regions=f"patch {size}")
        assert study["raw"]["patches"][str(size)]["maximum"] == raw.maximum
    before, _, _ = gathered(drawn(maps, patches=False))
    why = before["knobs"]["sentences"]["lacking"]
    assert why.startswith("No patches, no blurred maps: 2 of 2 maps were computed by a version that ")
    assert before["first_regions"] == 1
    assert [each["size"] for each in before["knobs"]["regions"]] == [1]
    assert before["dataset"]["patches"] == before["images"][0]["variants"][0]["maps"][0]["patches"] == {}


def test_label_maps_are_on_the_page_and_cut_its_maps_as_the_study_does(drawn: Any, noise: Any) -> None:
    maps = {("trained", "a", target): noise(n) for n, target in enumerate(("eagle", "magpie"))}
    labels = np.random.default_rng(3).integers(0, 300, (SIZE, SIZE))
    labels = np.unique(labels, return_inverse=True)[1].reshape(SIZE, SIZE).astype(np.uint16)
    halves = np.repeat([0, 1], SIZE * SIZE // 2).reshape(SIZE, SIZE).astype(np.uint16)
    label_maps = [LabelMap("superpixels", labels), LabelMap("objects", halves, ("background", "<b>-1"))]
    results = drawn(maps, label_maps=label_maps)
    study, _, blocks = gathered(results)
    assert [each["size"] for each in study["knobs"]["regions"]] == [1, *PATCH_SIZES, 0, -1, -2]
    assert study["knobs"]["sentences"]["lacking"] == ""
    frame = study["images"][0]["frames"][0]["labels"]
    assert frame["-1"]["names"] == ["background", "<b>-1"]
    for code, expected in (("0", labels), ("-1", halves)):
        text = blocks[frame[code]["block"]]
        planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8).reshape(2, -1)
        found = planes[0].astype(np.uint16) + 256 * planes[1].astype(np.uint16)
        np.testing.assert_array_equal(found.reshape(SIZE, SIZE), expected)
        assert frame[code]["regions"] == expected.max() + 1
        for (_, _, target), values in maps.items():
            sums = np.bincount(expected.ravel(), weights=values.ravel())
            regions: Any = "superpixels" if code == "0" else "objects"
            np.testing.assert_array_equal(results.region_sums("trained", "a", target, regions), sums)
            stored = next(
                each for each in study["images"][0]["variants"][0]["maps"]
                if study["targets"][each["target"]]["id"] == target
            )  # fmt: skip
            assert stored["patches"][code] == {"minimum": sums.min(), "maximum": sums.max()}
