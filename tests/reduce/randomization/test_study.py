"""A whole randomization study: what is written, what is measured again, and what is not."""

import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from igbatch.errors import UnfinishedError
from igbatch.reduce.randomization import planning
from igbatch.reduce.randomization.study import compared_images, reduce_randomization
from igbatch.reduce.randomization.tasks import TABLES
from igbatch.statistics.similarity import map_features, similarity
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.study import Randomization, SeededSample

ALL = {**TABLES, "randomization": schemas.RANDOMIZATION, "significance": schemas.SIGNIFICANCE}


def table(output: Output, name: str) -> pd.DataFrame:
    frame: pd.DataFrame = output.read_table(output.path(f"{name}.parquet")).to_pandas()
    return frame


def again(output: Output, settings: Randomization | None = None, **how: Any) -> Any:
    ranges = table(output, "ranges").set_index("scope").loc["dataset"]
    how.setdefault("dataset", {"": (float(ranges["minimum"]), float(ranges["maximum"]))})
    return reduce_randomization(Reader(output), settings or Randomization(), **how)


@pytest.mark.parametrize("name", list(ALL))
def test_tables_have_their_schemas(randomized: Output, name: str) -> None:
    assert randomized.read_table(randomized.path(f"{name}.parquet")).schema.equals(ALL[name])


def test_every_comparison_is_there_once(randomized: Output) -> None:
    rows = table(randomized, "similarity")
    images, targets, others = 3, 2, len(Reader(randomized).variant_ids) - 1
    assert rows["comparison"].value_counts().to_dict() == {
        "between_targets": images * (others + 1),
        "to_trained": images * targets * others,
        "between_random": images * targets * (1 + 2),
    }
    keys = ["comparison", "variant_id", "other_variant_id", "image_id", "target", "other_target"]
    assert not rows.duplicated(keys).any()
    assert len(table(randomized, "map_measures")) == images * targets * (others + 1)


def test_rows_are_those_of_the_stored_maps_under_the_ranges_of_their_scopes(randomized: Output) -> None:
    reader = Reader(randomized)
    stats = reader.image_stats(["variant_id", "image_id", "minimum", "maximum"]).to_pandas()
    whole = table(randomized, "ranges").set_index("scope").loc["dataset"]
    rows = table(randomized, "similarity").groupby("comparison").head(3)
    assert len(rows) == 9
    for row in rows.to_dict("records"):
        one = reader.attribution(row["variant_id"], row["image_id"], row["target"])
        other = reader.attribution(row["other_variant_id"], row["image_id"], row["other_target"])
        of_image = stats[stats["image_id"] == row["image_id"]]
        ranges = {
            "pair": (float(min(one.min(), other.min())), float(max(one.max(), other.max()))),
            "models": (of_image["minimum"].min(), of_image["maximum"].max()),
            "dataset": (whole["minimum"], whole["maximum"]),
        }
        expected = similarity(map_features(one), map_features(other), ranges)
        for name in schemas.MEASURES:
            assert row[name] == pytest.approx(expected[name], rel=1e-12), name


def test_means_are_over_images_of_means_within_them(randomized: Output) -> None:
    rows = table(randomized, "similarity").query("comparison == 'to_trained' and variant_id == 'random-2'")
    found = table(randomized, "randomization").query(
        "of == 'variant' and table == 'similarity' and comparison == 'to_trained' and "
        "variant_id == 'random-2'"
    )
    means = found.set_index("measure")["mean"]
    for name in schemas.MEASURES:
        assert means[name] == pytest.approx(rows.groupby("image_id")[name].mean().mean()), name
    assert (found["low"] <= found["mean"]).all()
    assert (found["mean"] <= found["high"]).all()
    assert (found["n_images"] == 3).all()


def test_nothing_is_measured_twice(copy: Output) -> None:
    before = {name: copy.read_table(copy.path(f"{name}.parquet")) for name in ALL}
    parts = {info.path: info.mtime for info in copy.files("measures")}
    found = again(copy)
    assert found.comparisons == 0
    assert found.new_parts == 0
    assert found.parts == len(Reader(copy).variant_ids)
    assert {info.path: info.mtime for info in copy.files("measures")} == parts
    for name, expected in before.items():
        assert copy.read_table(copy.path(f"{name}.parquet")).equals(expected), name


def test_an_output_that_moved_is_not_measured_again(copy: Output, tmp_path: Path) -> None:
    shutil.move(copy.path(), tmp_path / "elsewhere")
    assert again(Output(str(tmp_path / "elsewhere"))).comparisons == 0


def test_a_lost_part_is_measured_again_to_the_same_bits(copy: Output) -> None:
    before = copy.read_table(copy.path("similarity.parquet"))
    victim = next(
        info for info in copy.files("measures", "random-2") if info.path.endswith("similarity.parquet")
    )
    copy.delete(victim.path)
    found = again(copy)
    assert found.new_parts == 1
    assert found.comparisons == 3 + 6 + 6
    assert copy.read_table(copy.path("similarity.parquet")).equals(before)


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_where_it_was(
    copy: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "GROUP", 2)
    before = copy.read_table(copy.path("similarity.parquet"))
    shutil.rmtree(copy.path("measures"))

    def one_task(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        yield function(next(iter(tasks)))
        raise UnfinishedError("the cluster was lost")

    with pytest.raises(UnfinishedError):
        again(copy, map_shards=one_task)
    assert copy.read_table(copy.path("similarity.parquet")).equals(before)
    found = again(copy)
    assert (found.parts, found.new_parts) == (4, 2)
    assert copy.read_table(copy.path("similarity.parquet")).equals(before)


@pytest.mark.slow
def test_adding_seeds_measures_the_new_variants_alone(
    copy: Output, compute_study: Callable[..., Output]
) -> None:
    study = Path(copy.path()).parent / "study.yaml"
    before = {info.path for info in copy.files("measures")}
    rows = table(copy, "similarity")
    variants = "variants=[{kind: trained}, {kind: random, seeds: [1, 2, 3, 9]}]"  # 9 widens no range
    compute_study(study, copy.path(), variants)
    after = {info.path for info in copy.files("measures")}
    assert before < after, "a range changed with the new seed"
    assert {path.split("/")[-2] for path in after - before} == {"random-9"}
    grown = table(copy, "similarity")
    old = grown[grown["variant_id"] != "random-9"].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, rows)
    new = grown[grown["variant_id"] == "random-9"]
    partners = new.query("comparison == 'between_random'")["other_variant_id"]
    assert set(partners) == {"random-2", "random-3"}


@pytest.mark.slow
def test_a_wider_range_measures_all_again_through_any_door(copy: Output) -> None:
    before = {info.path for info in copy.files("measures")}
    called = []

    def elsewhere(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        """As a cluster does it: everything is pickled on its way."""
        for task in tasks:
            function, task = pickle.loads(pickle.dumps((function, task)))
            called.append(function.__name__)
            yield pickle.loads(pickle.dumps(function(task)))

    found = again(copy, dataset={"": (-100.0, 100.0)}, map_shards=elsewhere)
    assert found.new_parts == found.parts == len(Reader(copy).variant_ids)
    assert set(called) == {"measure_slice", "summary_of", "values_of"}
    after = {info.path for info in copy.files("measures")}
    assert len(after) == len(before)
    kept = {path.split(".")[-2] for path in before & after}
    assert kept == {"values", "signs"}  # no range decides them
    rows = table(copy, "similarity")
    np.testing.assert_allclose(rows["difference_dataset"], rows["difference"] / 200)


@pytest.mark.slow
def test_a_sample_of_the_images_is_compared(copy: Output) -> None:
    settings = Randomization(images=SeededSample(sample=1, seed=1))
    chosen = compared_images(Reader(copy), settings)
    assert len(chosen) == 1
    again(copy, settings)
    ids = Reader(copy).listing.image_ids.take(pa.array(chosen)).to_pylist()
    assert set(table(copy, "similarity")["image_id"]) == set(ids)
    assert table(copy, "randomization")["n_images"].max() == 1


def test_without_kept_maps_there_are_tests_and_no_measures(copy: Output) -> None:
    record = copy.read_json(copy.path("study.json"))
    record["study"]["store"]["maps"] = "none"
    copy.put_json(copy.path("study.json"), record)
    again(copy)
    assert len(table(copy, "similarity")) == len(table(copy, "randomization")) == 0
    assert len(table(copy, "significance"))
    assert not [info for info in copy.files("measures") if "similarity" in info.path]
