"""The summary of a study against the whole table of its rows, however they were committed."""

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from igbatch.errors import InputError
from igbatch.reduce.study import reduce_study, update_tables
from igbatch.reduce.variant_scan import scan_variant
from igbatch.results import StudyResults
from igbatch.statistics.image_stats import allowed_error, convergence
from igbatch.store import provenance, schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.store.provenance import TABLES
from igbatch.store.reader import Reader

VARIANTS, TARGETS, IMAGES = ("ww", "v"), ("b", "a"), [f"image-{n}" for n in (2, 0, 1, 3)]
STUDY = {"name": "s", "images": {"root": "/images"}, "models": {"m": {}}, "targets": ["a"]}
ATTRIBUTION = {"tolerance": 0.02, "atol": 1e-6}


@pytest.fixture(scope="module")
def reduced(
    tmp_path_factory: pytest.TempPathFactory, lay_out: Callable[..., None], stats_row: Callable[..., Any]
) -> Output:
    """Rows of all kinds; some were computed again, and the study lists one image and target no longer."""
    output = Output(str(tmp_path_factory.mktemp("reduced") / "out"))
    rng = np.random.default_rng(0)

    def row(image: str, target: str, **changes: Any) -> dict[str, Any]:
        values = rng.normal(size=(4, 4)).astype(np.float32) * 10.0 ** -rng.integers(0, 9)
        score = float(values.sum(dtype=np.float64) * rng.uniform(0.9, 1.1))
        error = float(rng.uniform(0, 0.03)) if rng.random() < 0.7 else None
        found = stats_row(image, target, values)
        more = {"score": score, "score_baseline": 0.0, "map_error": error, "steps": int(rng.integers(5, 90))}
        judged = convergence({**found, **more}, **ATTRIBUTION)
        kind = {"precision": str(rng.choice(["float32", "bfloat16"])), "device": f"cuda:{rng.integers(2)}"}
        return {**found, **more, **judged, **kind, **changes}

    lay_out(output, {"gone": "1", **dict.fromkeys(IMAGES, "1")}, VARIANTS, (*TARGETS, "c"))
    for variant in VARIANTS:
        for number, images in enumerate((["gone", *IMAGES], IMAGES[1:2], IMAGES[3:])):
            with ShardWriter(output, variant, f"s{number}", "f") as writer:
                writer.add_image_stats([row(image, target) for image in images for target in (*TARGETS, "c")])
                if variant == "v":  # a map of zeros, whose output does not change
                    changes = {"abs_sum": 0.0, "score": 0.5, "score_baseline": 0.5}
                    writer.add_image_stats([row(IMAGES[0], "a", **changes)] if number == 2 else [])
                writer.commit()
    lay_out(output, dict.fromkeys(IMAGES, "1"), VARIANTS, TARGETS)
    record = output.read_json(output.path("study.json"))
    output.put_json(output.path("study.json"), {**record, "study": {**STUDY, "attribution": ATTRIBUTION}})
    reduce_study(output)
    return output


@pytest.fixture
def study(reduced: Output, local_output: Output) -> Output:
    """A copy of that study, to be changed."""
    shutil.copytree(reduced.path(), local_output.path())
    return local_output


def test_a_summary_counts_what_the_whole_table_says(study: Output) -> None:
    results = StudyResults(study.uri)
    assert study.read_table(study.path("summary.parquet")).schema.equals(schemas.SUMMARY)
    stats: pd.DataFrame = results.image_stats
    stats = stats.assign(ratio=allowed_error(stats, **ATTRIBUTION).ratio)
    assert len(stats) == results.totals.rows == 16
    assert not stats["converged"].all()
    for row in results.summary.to_dict("records"):
        mine = stats[(stats["variant_id"] == row["variant_id"]) & (stats["target"] == row["target"])]
        worst = mine.loc[mine["ratio"].idxmax()]
        assert (row["n_expected"], row["n_maps"]) == (4, len(mine))
        assert row["n_converged"] == mine["converged"].sum()
        assert row["n_negligible"] == mine["negligible"].sum()
        assert row["n_estimated"] == mine["map_error"].notna().sum()
        assert (row["steps_min"], row["steps_max"]) == (mine["steps"].min(), mine["steps"].max())
        assert row["largest_map_error"] == mine["map_error"].max()
        assert row["score_baseline_mean"] == pytest.approx(mine["score_baseline"].mean())
        assert (row["worst_image_id"], row["worst_ratio"]) == (worst["image_id"], worst["ratio"])
        assert (row["worst_steps"], row["worst_estimated"]) == (worst["steps"], pd.notna(worst["map_error"]))
        assert list(row["precisions"]) == sorted(set(mine["precision"]))
        assert list(row["devices"]) == sorted(set(mine["device"]))
    found = results.totals
    worst = stats.loc[stats["ratio"].idxmax()]
    assert found.worst_map is not None
    assert found.worst_map.key == (worst["variant_id"], worst["image_id"], worst["target"])
    assert found.largest_error == stats["map_error"].max()
    assert found.constant == {("v", "a"): 1}
    assert list(found.steps) == ["v", "ww"]
    assert list(found.baselines) == [("v", "a"), ("v", "b"), ("ww", "a"), ("ww", "b")]
    assert found.seen == {"precision": set(stats["precision"]), "device": set(stats["device"])}


def test_images_have_their_maps_and_their_worst_one(study: Output) -> None:
    results = StudyResults(study.uri)
    stats: pd.DataFrame = results.image_stats
    stats = stats.assign(ratio=allowed_error(stats, **ATTRIBUTION).ratio)
    table = results.image_summary.set_index("image_id")
    assert table.index.tolist() == IMAGES
    for image, row in table.iterrows():
        mine = stats[stats["image_id"] == image]
        worst = mine.loc[mine["ratio"].idxmax()]
        assert (row["n_maps"], row["convergence_ratio"]) == (len(mine), worst["ratio"])
        found = row["convergence_variant_id"], row["convergence_target"]
        assert found == (worst["variant_id"], worst["target"])


def test_of_maps_that_are_equally_far_off_the_first_is_named(
    local_output: Output, lay_out: Callable[..., None], stats_row: Callable[..., Any]
) -> None:
    lay_out(local_output, {"z": "1", "b": "1"}, ("trained", "a"), TARGETS)
    record = local_output.read_json(local_output.path("study.json"))
    local_output.put_json(local_output.path("study.json"), {**record, "study": STUDY})
    reduce_study(local_output)
    empty = StudyResults(local_output.uri).totals
    assert (empty.rows, empty.worst_map, empty.steps, empty.baselines) == (0, None, {}, {})
    assert np.isnan(empty.largest_error)
    for variant in ("trained", "a"):
        with ShardWriter(local_output, variant, "s", "f") as writer:
            rows = [stats_row(i, t, np.ones((4, 4), np.float32)) for i in "zb" for t in TARGETS]
            writer.add_image_stats([{**row, "convergence_delta": 0.5} for row in rows])
            writer.commit()
    reduce_study(local_output)
    worst = StudyResults(local_output.uri).totals.worst_map
    assert worst is not None
    assert worst.key == ("a", "b", "a")


def test_tables_of_a_version_before_are_made_as_they_would_be_now(study: Output) -> None:
    expected = {name: study.read_table(study.path(f"{name}.parquet")) for name in TABLES}
    assert not update_tables(study)
    study.delete(study.path("summary.parquet"))
    before = expected["ranges"].drop_columns("histogram").replace_schema_metadata(None)
    study.put_table(study.path("ranges.parquet"), before)
    assert StudyResults(study.uri).scope_range("dataset").n_maps == 16  # from a scan
    assert update_tables(study)
    for name, table in expected.items():
        assert study.read_table(study.path(f"{name}.parquet")).equals(table)
    assert not update_tables(study)


def each_table_twice() -> list[tuple[str, str]]:
    """Two faults of each table, each fault of several; `shards` may be late, and counted rows are read."""
    faults = {
        "shards": ["gone", "of another study"], "ranges": ["of another study", "footer"],
        "summary": ["truncated", "footer"], "aggregates": ["truncated", "footer"],
    }  # fmt: skip
    return [(name, fault) for name in TABLES for fault in faults.get(name, ["gone", "of another study"])]


@pytest.mark.parametrize(("name", "fault"), each_table_twice())
def test_a_table_that_is_not_of_these_rows_is_told_and_made_again(
    study: Output, name: str, fault: str
) -> None:
    path = study.path(f"{name}.parquet")
    expected = study.read_table(path)
    now = Reader(study).state
    assert not list(provenance.faults(study, now))
    if fault == "gone":
        study.delete(path)
    elif fault in ("truncated", "footer"):
        whole = study.read(path)
        footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
        damaged = whole[:-20] if fault == "truncated" else whole[:footer] + b"\xea" + whole[footer + 1 :]
        study.put(path, damaged)
        if name in ("summary", "aggregates"):
            with pytest.raises(InputError, match="run `igbatch reduce`"):
                getattr(StudyResults(study.uri), name)
    else:
        study.put_table(
            path,
            expected.replace_schema_metadata(None)
            if name == "ranges"
            else provenance.marked(expected, "another"),
        )
    found = [file for file, _ in provenance.faults(study, now)]
    late = name == "shards" and fault in (
        "gone",
        "of another study",
    )  # as if interrupted
    assert found == ([] if late else [f"{name}.parquet"])
    assert StudyResults(study.uri).range_of("v").n_maps == 8
    assert update_tables(study)
    assert study.read_table(path).equals(expected, check_metadata=True)
    assert not list(provenance.faults(study, now))


def test_tables_follow_a_commit_that_is_lost(study: Output) -> None:
    before = StudyResults(study.uri).totals.rows
    study.delete(study.files("image_stats/v")[0].path)
    assert not list(provenance.faults(study, Reader(study).state))  # `verify` names the rows
    assert update_tables(study)
    assert StudyResults(study.uri).totals.rows < before


def test_ranges_come_from_the_table_until_a_shard_is_committed(
    study: Output, stats_row: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = StudyResults(study.uri)
    summaries = {each: whole.range_of(each) for each in VARIANTS}
    scans: list[str] = []

    def scan(reader: Any, name: str) -> Any:
        scans.append(name)
        return scan_variant(reader, name)

    monkeypatch.setattr("igbatch.results.study_results.scan_variant", scan)
    for name, summary in summaries.items():
        found = StudyResults(study.uri).range_of(name)
        assert (found.minimum, found.maximum, found.n_maps) == (summary.minimum, summary.maximum, 8)
        np.testing.assert_array_equal(found.counts, summary.counts)
    assert not scans
    with ShardWriter(study, "v", "new", "f") as writer:
        writer.add_image_stats([stats_row(IMAGES[0], "a", np.ones((4, 4), np.float32))])
        writer.commit()
    StudyResults(study.uri).range_of("v")
    assert scans == ["v"]
