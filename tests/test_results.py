"""Reading a study: frames, maps, and the range of every scope, as a notebook asks for them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import igbatch
from igbatch import open_study
from igbatch.birds.scenes import render_scene
from igbatch.errors import InputError
from igbatch.reduce.study import reduce_study
from igbatch.results import ROW_COLUMNS, StudyResults
from igbatch.statistics.histogram import RELATIVE_ERROR
from igbatch.statistics.patches import patch_sums
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.study import Report

KEY = ["variant_id", "image_id", "target"]


@pytest.fixture(scope="module")
def results(computed: Output) -> StudyResults:
    return open_study(computed.uri)


def test_names_of_the_package_are_looked_up_when_they_are_asked_for() -> None:
    assert igbatch.open_study is open_study
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = igbatch.nothing


def test_grids_are_the_columns_by_places_of_images_and_targets(results: StudyResults) -> None:
    columns = ["score", "target_index", "converged", "map_error"]
    for variant_id in results.variants["variant_id"]:
        grids = results.scans.grids(variant_id, columns)
        rows = results.image_stats.query("variant_id == @variant_id").set_index(["image_id", "target"])
        order = pd.MultiIndex.from_product([results.listing.image_ids.to_pylist(), results.target_names])
        for name in columns:
            expected = rows[name].reindex(order).to_numpy(np.float64).reshape(results.n_images, -1)
            np.testing.assert_array_equal(grids[name], expected)


def test_boxes_come_with_the_places_of_their_images_and_targets(results: StudyResults) -> None:
    for keys, rows in results.reader.keyed_boxes(["image_id", "target"], "trained"):
        images, targets = np.divmod(keys, len(results.target_names))
        assert results.listing.ids(images) == rows["image_id"].to_pylist()
        assert [results.target_names[target] for target in targets] == rows["target"].to_pylist()


TABLES = ("similarity", "map_measures", "localization", "randomization", "significance")


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_a_randomization_study_are_refused_where_there_is_none(
    results: StudyResults, copy: Output, name: str, change_study: Callable[..., None]
) -> None:
    assert not results.randomized
    with pytest.raises(InputError, match=f"no `randomization` section, so there is no {name}.parquet"):
        getattr(results, name)
    copied = open_study(copy.uri)
    change_study(copied, randomization={})
    assert not copied.randomized
    with pytest.raises(InputError, match=f"not reduced yet \\({name}.parquet is missing"):
        getattr(copied, name)


@pytest.mark.parametrize("name", ["faithfulness", "curves"])
def test_tables_of_a_sample_are_refused_without_their_section(
    copy: Output, name: str, change_study: Callable[..., None]
) -> None:
    """They stay in the output where the section was removed, as they were of an earlier study."""
    copy.put_table(copy.path(f"{name}.parquet"), getattr(schemas, name.upper()).empty_table())
    results = open_study(copy.uri)
    assert not results.has(name)
    with pytest.raises(InputError, match=f"add `audit: {{{name}: {{}}}}` to the study file and run it again"):
        getattr(results, name)
    change_study(results, audit={name: {}})
    assert results.has(name)
    assert getattr(results, name).empty


def test_similarity_is_scanned_by_columns(copy: Output, change_study: Callable[..., None]) -> None:
    copied = open_study(copy.uri)
    change_study(copied, randomization={})
    texts = ("comparison", "variant_id", "other_variant_id", "image_id", "target", "other_target")
    rows = [{**dict.fromkeys(texts, "x"), "image_id": str(n), "spearman": n / 8} for n in range(5)]
    copy.put_table(copy.path("similarity.parquet"), pa.Table.from_pylist(rows, schema=schemas.SIMILARITY))
    scanned = pa.concat_tables(copied.scan_table("similarity", ["image_id", "spearman"])).to_pandas()
    pd.testing.assert_frame_equal(scanned, copied.similarity[["image_id", "spearman"]])


def test_tables_of_a_randomization_study_are_read(copy: Output, change_study: Callable[..., None]) -> None:
    copied = open_study(copy.uri)
    change_study(copied, randomization={})
    for name in TABLES:
        schema: pa.Schema = getattr(schemas, name.upper())
        copy.put_table(copy.path(f"{name}.parquet"), schema.empty_table())
        assert list(getattr(copied, name)) == schema.names
    assert copied.randomized


@pytest.mark.slow
def test_reading_needs_neither_torch_nor_ray(computed: Output) -> None:
    code = (
        "import sys, igbatch; study = igbatch.open_study(sys.argv[1]);"
        "row = study.image_stats.iloc[0]; study.attribution(row.variant_id, row.image_id, row.target);"
        "study.ranges, study.box_stats, study.quarantine, study.pixels(row.image_id);"
        "print(*{'torch', 'ray', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, computed.uri], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_frames_hold_all_rows_of_the_study(results: StudyResults) -> None:
    assert list(results.image_stats.columns) == [
        name for name in schemas.IMAGE_STATS.names if name not in ("patches", "label_maps")
    ]
    assert list(results.box_stats.columns) == schemas.BOX_STATS.names
    assert len(results.image_stats) == results.expected_rows == 2 * 3 * 2
    assert not results.image_stats.duplicated(KEY).any()
    assert results.variants["variant_id"].tolist() == ["trained", "random-3"]
    assert results.target_names == ["eagle", "magpie"]
    assert len(results.images) == 3
    assert set(results.ranges["scope"]) == {"variant", "dataset"}
    assert set(results.aggregates["variant_id"]) == {"trained", "random-3"}
    assert results.complete


def test_some_images_and_scans_give_the_rows_of_the_whole_frames(results: StudyResults) -> None:
    images = ["single-magpie-00005", "double-00001"]
    rows = results.image_stats[results.image_stats["image_id"].isin(images)].reset_index(drop=True)
    pd.testing.assert_frame_equal(results.rows_of(images), rows[list(ROW_COLUMNS)])
    histograms = results.rows_of(images, ["histogram"], "trained")["histogram"]
    expected = rows.loc[rows["variant_id"] == "trained", "histogram"]
    np.testing.assert_array_equal(np.stack(list(histograms)), np.stack(list(expected)))
    boxes = results.box_stats[results.box_stats["image_id"].isin(images)].reset_index(drop=True)
    pd.testing.assert_frame_equal(results.boxes_of(images), boxes)
    for variant in results.variants["variant_id"]:
        for scan, whole in (
            (results.scans.rows, results.image_stats),
            (results.scans.boxes, results.box_stats),
        ):
            columns = ["image_id", "target", "sum"]
            found = pa.concat_tables(list(scan(variant, columns))).to_pandas()
            mine = whole.loc[whole["variant_id"] == variant, columns]
            assert sorted(map(tuple, found.to_numpy())) == sorted(map(tuple, mine.to_numpy()))
        assert results.scans.summary(variant).n_maps == results.range_of(variant).n_maps == 6
    assert results.n_rows == 12
    assert results.image_summary["n_maps"].tolist() == [4] * 3
    assert results.listing.places_of([*images, "nothing"]).tolist() == [
        *(results.images["image_id"].tolist().index(name) for name in images),
        -1,
    ]


def test_every_box_belongs_to_a_map(results: StudyResults) -> None:
    boxes = results.box_stats.merge(
        results.image_stats, on=KEY, suffixes=("", "_map"), validate="many_to_one"
    )
    assert len(boxes) == len(results.box_stats) >= len(results.image_stats)
    for box in boxes.itertuples():
        stored = results.attribution(box.variant_id, box.image_id, box.target)
        inside = stored[box.y_min : box.y_max, box.x_min : box.x_max]
        assert box.sum == pytest.approx(inside.sum(dtype=np.float64), abs=1e-9)
        assert box.share == pytest.approx(box.abs_sum / box.abs_sum_map)


def test_an_empty_quarantine_is_a_frame_with_its_columns(results: StudyResults) -> None:
    assert list(results.quarantine.columns) == schemas.QUARANTINE.names
    assert len(results.quarantine) == 0


def test_maps_are_float32_of_the_models_input(results: StudyResults) -> None:
    found = results.attribution("trained", "double-00001", "eagle")
    assert (found.dtype, found.shape) == (np.float32, (224, 224))
    with pytest.raises(KeyError, match="no map of variant 'untrained'"):
        results.attribution("untrained", "double-00001", "eagle")


@pytest.mark.parametrize(
    ("scope", "arguments", "expected"),
    [
        ("image", {"variant_id": "trained", "image_id": "double-00001", "targets": ["eagle"]}, 1),
        ("pair", {"variant_id": "random-3", "image_id": "double-00002", "targets": ["eagle", "magpie"]}, 2),
        ("targets", {"variant_id": "trained", "image_id": "double-00001"}, 2),
        ("models", {"image_id": "single-magpie-00005"}, 4),
        ("variant", {"variant_id": "random-3"}, 6),
        ("dataset", {}, 12),
    ],
)
def test_the_range_of_a_scope_is_that_of_its_maps(
    results: StudyResults, scope: str, arguments: dict[str, Any], expected: int
) -> None:
    rows = results.image_stats
    for key in ("variant_id", "image_id"):
        rows = rows[rows[key] == arguments[key]] if key in arguments else rows
    rows = rows[rows["target"].isin(arguments["targets"])] if "targets" in arguments else rows
    pixels = np.concatenate([results.attribution(*key).ravel() for key in rows[KEY].to_numpy()])
    found = results.scope_range(scope, **arguments)
    assert (found.scope, found.n_maps, found.complete) == (scope, expected, True)
    assert (found.minimum, found.maximum) == (pixels.min(), pixels.max())
    for name, q in (("q01", 0.01), ("q50", 0.5), ("q99", 0.99)):
        exact = float(np.quantile(pixels.astype(np.float64), q, method="lower"))
        assert abs(getattr(found, name) - exact) <= max(RELATIVE_ERROR * abs(exact), 1e-13)


def test_the_readers_ranges_are_the_reducers(results: StudyResults) -> None:
    for row in results.ranges.to_dict("records"):
        variant = row["variant_id"] if row["scope"] == "variant" else None
        found = results.scope_range(row["scope"], variant_id=variant)
        for name in ("minimum", "maximum", "q01", "q50", "q99", "n_maps", "complete"):
            assert getattr(found, name) == row[name]


def test_a_missing_map_makes_its_scopes_incomplete(copy: Output) -> None:
    whole = open_study(copy.uri).image_stats
    copy.delete(copy.files("image_stats", "trained")[0].path)
    results = open_study(copy.uri)
    assert not results.complete
    gone = whole.merge(results.image_stats[KEY], on=KEY, how="left", indicator=True)
    image = gone.loc[gone["_merge"] == "left_only", "image_id"].iloc[0]
    assert not results.scope_range("dataset").complete
    assert not results.scope_range("variant", variant_id="trained").complete
    assert not results.scope_range("models", image_id=image).complete
    assert results.scope_range("variant", variant_id="random-3").complete
    assert results.scope_range("targets", variant_id="random-3", image_id=image).complete
    with pytest.raises(KeyError, match="no map for scope 'targets'"):
        results.scope_range("targets", variant_id="trained", image_id=image)


def test_a_variant_of_some_images_is_complete_with_these(copy: Output) -> None:
    """And rows that an earlier, larger subset has left count nowhere."""
    path = copy.path("variants.parquet")
    images = open_study(copy.uri).images["image_id"].tolist()
    rows = copy.read_table(path).to_pylist()
    rows[1]["images"] = images[:1]
    copy.put_table(path, pa.Table.from_pylist(rows, schema=schemas.VARIANTS))
    reduce_study(copy)
    results = open_study(copy.uri)
    assert results.reader.expected("random-3").tolist() == [True, False, False]
    assert [results.reader.variants_of(image) for image in images[:2]] == [
        ["trained", "random-3"],
        ["trained"],
    ]
    assert len(results.image_stats) == results.expected_rows == results.n_rows == 3 * 2 + 2
    assert results.complete
    assert results.ranges["n_maps"].tolist() == [6, 2, 8]
    assert results.ranges["complete"].all()
    for scope, keys, n_maps in (
        ("dataset", {}, 8),
        ("variant", {"variant_id": "random-3"}, 2),
        ("models", {"image_id": images[0]}, 4),
        ("models", {"image_id": images[1]}, 2),
    ):
        found = results.scope_range(scope, **keys)
        assert (found.n_maps, found.complete) == (n_maps, True)
    assert results.image_ranges("models")["complete"].all()
    with pytest.raises(KeyError):
        results.attribution("random-3", images[1], "eagle")
    for info in copy.files("image_stats", "random-3"):
        copy.delete(info.path)
    lost = open_study(copy.uri)
    assert not lost.complete
    assert not lost.scope_range("models", image_id=images[0]).complete
    assert lost.scope_range("models", image_id=images[1]).complete


def test_a_scope_without_its_keys_is_refused(results: StudyResults) -> None:
    with pytest.raises(ValueError, match="needs image_id"):
        results.scope_range("models")
    with pytest.raises(ValueError, match="unknown"):
        results.scope_range("joint")


def test_pixels_are_what_the_model_saw(results: StudyResults) -> None:
    pixels = results.pixels("double-00002")
    np.testing.assert_array_equal(
        pixels, render_scene(2, "double").image.astype(np.float32) / np.float32(255)
    )
    np.testing.assert_array_equal(results.pixels("double-00002", "random-3"), pixels)
    with pytest.raises(KeyError):
        results.pixels("double-99999")
    with pytest.raises(KeyError):
        results.pixels("double-00002", "untrained")


def test_an_unreduced_study_says_so(copy: Output) -> None:
    for name in ("ranges", "aggregates"):
        copy.delete(copy.path(f"{name}.parquet"))
    results = open_study(copy.uri)
    for name in ("ranges", "aggregates"):
        with pytest.raises(
            InputError, match=f"not reduced yet \\({name}.parquet is missing\\); run `igbatch reduce`"
        ):
            getattr(results, name)
    assert results.complete


def test_studies_of_other_versions_are_opened(copy: Output) -> None:
    """One of before lacks the keys that came since; one may have keys that have gone, at any depth."""
    record = copy.read_json(copy.path("study.json"))
    study = {key: record["study"][key] for key in ("name", "images", "models", "targets")}
    study |= {"attribution": {"steps": 4, "gone": True}, "gone": {"a": 1}, "report": {"gone": None}}
    copy.put_json(copy.path("study.json"), {**record, "study": study})
    results = open_study(copy.uri)
    assert results.record["study"] == study
    assert results.study.name == "tiny"
    assert (results.study.attribution.steps, results.study.attribution.tolerance) == (4, 0.01)
    assert results.study.report == Report()
    assert results.complete
    copy.put_json(copy.path("study.json"), {**record, "study": {**study, "store": {"maps": "some"}}})
    results = open_study(copy.uri)
    assert results.complete
    with pytest.raises(InputError, match=r"study.json: store.maps: 'some'"):
        _ = results.study


def test_where_no_study_is_there_is_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no study here"):
        open_study(str(tmp_path / "nowhere"))


def test_quarantined_rows_have_none_where_all_targets_are_meant(
    scene_folder: Path, tmp_path: Path, compute_study: Callable[..., Output]
) -> None:
    (scene_folder / "scene-41.png").write_bytes(b"no picture")
    study = tmp_path / "study.yaml"
    study.write_text(
        "{name: s, images: {root: scenes}, models: {m: {}}, targets: [eagle, label], attribution: {steps: 1}}"
    )
    results = open_study(compute_study(study, tmp_path / "out").uri)
    quarantine = results.quarantine.set_index(["image_id"])
    assert quarantine.loc["scene-41.png", "target"] is None
    assert quarantine.loc["scene-41.png", "stage"] == "image"
    assert quarantine.loc["scene-40.png", "target"] == "label"
    assert len(quarantine) == 4
    assert results.image_stats["target"].tolist() == ["eagle"] * 3
    assert not results.complete
    assert isinstance(results.quarantine, pd.DataFrame)


def test_maps_of_many_images_are_those_of_each(results: StudyResults) -> None:
    images = results.listing.ids(range(2))
    for variant in results.reader.variant_ids:
        found = {(image, target): values for image, target, values in results.maps_of(variant, images)}
        rows = results.rows_of(images, ["image_id", "target"], variant)
        assert set(found) == set(rows.itertuples(index=False, name=None))
        for (image, target), values in found.items():
            np.testing.assert_array_equal(values, results.attribution(variant, image, target))


def test_maps_of_what_the_study_has_not_are_refused(results: StudyResults) -> None:
    variant, image = results.reader.variant_ids[0], results.listing.ids(range(1))[0]
    with pytest.raises(InputError, match="image 'nope' is not in the study; `images` lists its ids"):
        results.maps_of(variant, [image, "nope"])
    with pytest.raises(InputError, match="variant 'nope' is not in the study; it has "):
        results.maps_of("nope", [image])


def test_a_mean_map_is_numpys_and_its_patches_are_means_of_sums(results: StudyResults) -> None:
    variant, target = results.reader.variant_ids[0], results.target_names[0]
    rows = results.rows_of(results.listing.image_ids.to_pylist(), ["image_id", "target"], variant)
    images = list(rows.loc[rows["target"] == target, "image_id"])
    maps = np.stack([results.attribution(variant, image, target) for image in images])
    mean, n = results.mean_map(variant, target)
    assert n == len(images)
    np.testing.assert_allclose(mean, maps.mean(axis=0, dtype=float), rtol=1e-12, atol=1e-18)
    patches, _ = results.mean_map(variant, target, images, regions="patch 8")
    np.testing.assert_allclose(patches, patch_sums(mean, 8), rtol=1e-9, atol=1e-15)
    with pytest.raises(KeyError, match="no map of variant"):
        results.mean_map(variant, target, [])
    one = results.rows_of(images[0], "steps")  # a name is no list of letters
    pd.testing.assert_frame_equal(one, results.rows_of(images[:1], ["steps"]))
    np.testing.assert_array_equal(
        results.mean_map(variant, target, images[0])[0], results.attribution(variant, images[0], target)
    )
    assert results.scope_range("dataset", targets=target) == results.scope_range("dataset", targets=[target])
