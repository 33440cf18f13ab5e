"""Reading back: committed rows of what the study still lists, each once."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.store import reader as reader_module
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.commits import latest, read_commits
from igbatch.store.output import Output
from igbatch.store.reader import KEY, Reader
from igbatch.store.study_lists import read_study

WriteShard = Callable[..., ShardWriter]
LayOut = Callable[..., None]
MakeMap = Callable[..., np.ndarray]


def keys(table: pa.Table) -> list[tuple[str, str, str]]:
    return [tuple(row[name] for name in KEY) for row in table.to_pylist()]


def plain(frame: pd.DataFrame) -> dict[str, list[object]]:
    return frame.astype(object).where(frame.notna(), None).to_dict("list")


@pytest.fixture
def study(local_output: Output, lay_out: LayOut, write_shard: WriteShard) -> Output:
    """Two variants, two images and two targets, each variant in two shards."""
    lay_out(local_output, {"x": "1", "y": "1"}, ["v", "w"])
    for variant in ("v", "w"):
        for shard, image in (("s", "x"), ("t", "y")):
            write_shard(local_output, [image], variant=variant, shard=shard, boxes=["box-1", "box-2"])
    return local_output


def test_all_rows_once_in_the_order_of_their_keys(study: Output) -> None:
    reader = Reader(study)
    expected = [(v, i, t) for v in "vw" for i in "xy" for t in "ab"]
    assert keys(reader.image_stats()) == expected
    assert keys(reader.box_stats()) == [key for key in expected for _ in range(2)]
    assert reader.image_stats().schema.equals(schemas.IMAGE_STATS)
    assert reader.box_stats().schema.equals(schemas.BOX_STATS)
    assert reader.quarantine().schema.equals(schemas.QUARANTINE)
    assert (reader.variant_ids, reader.target_names) == (["v", "w"], ["a", "b"])


def test_one_variant_and_some_columns(study: Output) -> None:
    reader = Reader(study)
    table = reader.image_stats(["histogram", "sum"], "w")
    assert table.column_names == ["histogram", "sum"]
    whole = reader.image_stats()
    assert table == whole.filter(pa.compute.equal(whole["variant_id"], "w")).select(["histogram", "sum"])
    assert set(reader.box_stats("v")["variant_id"].to_pylist()) == {"v"}


def test_every_map_is_found_by_its_names(study: Output, made_up_map: MakeMap) -> None:
    reader = Reader(study)
    for variant, image, target in keys(reader.image_stats(list(KEY))):
        found = reader.attribution(variant, image, target)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, made_up_map(variant, image, target, 0))
    for missing in (("u", "x", "a"), ("v", "z", "a"), ("v", "x", "c")):
        with pytest.raises(KeyError, match="not in the study, not computed yet"):
            reader.attribution(*missing)


def test_duckdb_polars_and_pandas_read_statistics_with_plain_globs(study: Output) -> None:
    reader = Reader(study)
    for kind, table in (("image_stats", reader.image_stats()), ("box_stats", reader.box_stats())):
        columns = [name for name in table.column_names if name not in ("histogram", "patches")]
        order = [*KEY, "box_id"] if "box_id" in columns else list(KEY)
        expected = table.select(columns).to_pandas().sort_values(order, ignore_index=True)
        pattern = f"{study.path(kind)}/*/*.parquet"
        by_duckdb = duckdb.sql(f"select * from read_parquet('{pattern}') order by {', '.join(order)}").df()
        by_polars = pl.read_parquet(pattern).sort(order).to_pandas()
        by_pandas = pd.read_parquet(study.path(kind)).sort_values(order, ignore_index=True)
        for frame in (by_duckdb, by_polars, by_pandas):
            assert set(frame.columns) - {"shard_histogram", "shard_patches"} == set(table.column_names)
            assert plain(frame[columns]) == plain(expected)
    sql = (
        f"select sum(len(histogram)), sum(list_sum(histogram)) from '{study.path('image_stats')}/*/*.parquet'"
    )
    rows = len(reader.image_stats())
    assert duckdb.sql(sql).fetchall() == [(rows * 481, rows * 36)]


def test_overlapping_shards_give_no_row_twice(
    output: Output, lay_out: LayOut, write_shard: WriteShard, made_up_map: MakeMap
) -> None:
    lay_out(output, dict.fromkeys("xyz", "1"))
    write_shard(output, ["x", "y"], shard="s", version=1)
    write_shard(output, ["y", "z"], shard="r", version=2)
    reader = Reader(output)
    assert keys(reader.image_stats()) == [("v", i, t) for i in "xyz" for t in "ab"]
    boxes = reader.box_stats()
    assert dict(zip(boxes["image_id"].to_pylist(), boxes["sum"].to_pylist(), strict=True)) == {
        "x": 1,
        "y": 2,
        "z": 2,
    }
    assert len(boxes) == 6
    for image, version in (("x", 1), ("y", 2), ("z", 2)):
        np.testing.assert_array_equal(
            reader.attribution("v", image, "a"), made_up_map("v", image, "a", version)
        )


def test_boxes_come_from_the_attempt_of_their_map(
    output: Output, lay_out: LayOut, write_shard: WriteShard
) -> None:
    lay_out(output, {"x": "1"})
    write_shard(output, ["x"], shard="s", version=1, boxes=["old", "both"])
    write_shard(output, ["x"], shard="r", version=2, boxes=["both", "new"])
    found = {(row["box_id"], row["sum"]) for row in Reader(output).box_stats().to_pylist()}
    assert found == {("both", 2.0), ("new", 2.0)}
    write_shard(output, ["x"], shard="q", version=3, boxes=[])
    assert len(Reader(output).box_stats()) == 0


def test_a_map_is_not_that_of_an_earlier_attempt(
    output: Output, lay_out: LayOut, write_shard: WriteShard
) -> None:
    lay_out(output, {"x": "1"})
    write_shard(output, ["x"], shard="s", version=1)
    write_shard(output, ["x"], shard="r", version=2, maps=False)
    with pytest.raises(KeyError, match="not kept"):
        Reader(output).attribution("v", "x", "a")


def test_what_the_study_no_longer_lists_is_dropped(
    output: Output, lay_out: LayOut, write_shard: WriteShard
) -> None:
    lay_out(output, {"x": "1", "y": "1"}, ["v", "w"])
    for variant in ("v", "w"):
        write_shard(output, ["x", "y"], variant=variant, quarantined=[("z", None), ("z", "a"), ("z", "b")])
    lay_out(output, {"y": "1", "z": "1"}, ["w"], ["b"])
    reader = Reader(output)
    assert keys(reader.image_stats()) == keys(reader.box_stats()) == [("w", "y", "b")]
    assert [(row["variant_id"], row["target"]) for row in reader.quarantine().to_pylist()] == [
        ("w", None),
        ("w", "b"),
    ]
    assert [found.variant_id for found in read_commits(output, reader.variant_ids)] == ["w"]
    for dropped in (("v", "y", "b"), ("w", "x", "b"), ("w", "y", "a")):
        with pytest.raises(KeyError):
            reader.attribution(*dropped)


def test_rows_outside_a_variants_images_are_dropped(
    output: Output, lay_out: LayOut, write_shard: WriteShard
) -> None:
    """As after a subset was made smaller: rows, boxes, maps and quarantine of other images do not count."""
    images = dict.fromkeys("xyz", "1")
    for variant in ("v", "w"):
        write_shard(output, ["x", "y"], variant=variant, quarantined=[("z", None), ("z", "a")])
    lay_out(output, images, ["v", "w"], subsets={"w": ["y"]})
    reader = Reader(output)
    assert [reader.expected(each).tolist() for each in ("v", "w")] == [[True] * 3, [False, True, False]]
    assert [reader.expected_images(each) for each in ("v", "w")] == [3, 1]
    assert [reader.variants_of(image) for image in ("x", "y", "gone")] == [["v"], ["v", "w"], []]
    expected = [("v", i, t) for i in "xy" for t in "ab"] + [("w", "y", t) for t in "ab"]
    assert (
        keys(reader.image_stats()) == keys(reader.box_stats()) == keys(reader.rows_of(["x", "y"])) == expected
    )
    assert set(reader.quarantine()["variant_id"].to_pylist()) == {"v"}
    with pytest.raises(KeyError):
        reader.attribution("w", "x", "a")
    lay_out(output, images, ["v", "w"], subsets={"w": ["x", "z"]})
    assert keys(Reader(output).image_stats(variant_id="w")) == [("w", "x", t) for t in "ab"]
    assert Reader(output).quarantine_of("w")["target"].to_pylist() == ["a", None]


def test_variants_of_an_earlier_igbatch_are_computed_on_all_images(study: Output) -> None:
    path = study.path("variants.parquet")
    study.put_table(path, study.read_table(path).drop_columns(["images"]))
    reader = Reader(study)
    assert reader.expected_images("v") == 2
    assert len(reader.image_stats()) == 8


def test_rows_of_an_image_that_changed_are_dropped_until_it_is_computed_again(
    output: Output, lay_out: LayOut, write_shard: WriteShard, made_up_map: MakeMap
) -> None:
    lay_out(output, {"x": "1", "y": "1", "z": "1"})
    write_shard(output, ["x", "y"], version=1, quarantined=[("z", None)])
    lay_out(output, {"x": "2", "y": "1", "z": "2"})
    reader = Reader(output)
    assert (
        set(keys(reader.image_stats())) == set(keys(reader.box_stats())) == {("v", "y", "a"), ("v", "y", "b")}
    )
    assert len(reader.quarantine()) == 0
    with pytest.raises(KeyError):
        reader.attribution("v", "x", "a")
    write_shard(output, ["x"], shard="r", version=2, etag="2")
    reader = Reader(output)
    assert len(reader.image_stats()) == len(reader.box_stats()) == 4
    np.testing.assert_array_equal(reader.attribution("v", "x", "a"), made_up_map("v", "x", "a", 2))


def test_quarantine_with_a_null_target_and_with_named_ones(
    output: Output, lay_out: LayOut, write_shard: WriteShard
) -> None:
    lay_out(output, dict.fromkeys("xyz", "1"))
    write_shard(output, ["x"], targets=["a"], quarantined=[("x", "b"), ("y", None), ("z", None)])
    found = [
        (row["image_id"], row["target"], row["error"]) for row in Reader(output).quarantine().to_pylist()
    ]
    assert found == [("y", None, "v0"), ("z", None, "v0"), ("x", "b", "v0")]


def test_what_was_quarantined_and_computed_later_is_not_listed(
    output: Output, lay_out: LayOut, write_shard: WriteShard
) -> None:
    lay_out(output, dict.fromkeys("xyz", "1"))
    write_shard(output, [], shard="s", quarantined=[("x", None), ("y", "a"), ("y", "b"), ("z", None)])
    write_shard(output, ["x", "y"], shard="r", targets=["a"], version=1, quarantined=[("z", None)])
    found = [
        (row["image_id"], row["target"], row["error"]) for row in Reader(output).quarantine().to_pylist()
    ]
    assert found == [("z", None, "v1"), ("y", "b", "v0")]


def test_an_output_without_rows_reads_as_empty(output: Output, lay_out: LayOut) -> None:
    lay_out(output, {"x": "1"})
    reader = Reader(output)
    for table, schema in (
        (reader.image_stats(), schemas.IMAGE_STATS),
        (reader.box_stats(), schemas.BOX_STATS),
        (reader.quarantine(), schemas.QUARANTINE),
    ):
        assert len(table) == 0
        assert table.schema.equals(schema)


@pytest.mark.parametrize(
    "damage", ["cut", "empty", "no footer", "other parquet", "other json", "no json", "noise"]
)
def test_a_damaged_commit_is_named(
    local_output: Output, lay_out: LayOut, write_shard: WriteShard, damage: str
) -> None:
    lay_out(local_output, {"x": "1"})
    write_shard(local_output, ["x"])
    path = Path(local_output.commit_path("v", "s"))
    whole = path.read_bytes()
    table = pa.table({"a": [1]})
    if damage == "other parquet":
        local_output.put_table(str(path), table)
    elif damage == "other json":
        local_output.put_table(str(path), table.replace_schema_metadata({b"igbatch": b"{}"}))
    elif damage == "no json":
        local_output.put_table(str(path), table.replace_schema_metadata({b"igbatch": b"{"}))
    else:
        path.write_bytes(
            {
                "cut": whole[: len(whole) // 2],
                "empty": b"",
                "no footer": whole[:-8],
                "noise": bytes(400) + whole[-8:],
            }[damage]
        )
    with pytest.raises(InputError, match="not a whole commit of igbatch") as caught:
        read_commits(local_output, ["v"])
    assert str(caught.value).startswith(str(path))
    assert "delete the file and run again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no study here"),
        (b"{", "study.json is damaged"),
        (b"\xff\xfe", "study.json is damaged"),
        (b"[1]", "has format None, this igbatch reads"),
        (b"{}", "has format None, this igbatch reads"),
        (b'{"format": 99}', "has format 99, this igbatch reads"),
    ],
)
def test_what_is_no_study_of_this_igbatch_is_refused(
    output: Output, content: bytes | None, message: str
) -> None:
    if content is None:
        assert read_study(output) is None
    else:
        output.put(output.path("study.json"), content)
    with pytest.raises(InputError, match=message) as caught:
        Reader(output)
    assert str(caught.value).startswith(output.uri)


@pytest.mark.parametrize("name", ["calibrations", "settled"])
def test_calibrations_are_read_under_their_earlier_name_too(output: Output, name: str) -> None:
    output.put_json(output.path("study.json"), {"format": schemas.FORMAT, name: {"cpu": {"threads": 2}}})
    study = read_study(output)
    assert study is not None
    assert study == {"format": schemas.FORMAT, "calibrations": {"cpu": {"threads": 2}}}


def test_temporary_files_are_no_commits(local_output: Output, write_shard: WriteShard) -> None:
    write_shard(local_output, ["x"])
    local_output.put(local_output.path("image_stats", "v", ".s.parquet.1.tmp"), b"half")
    local_output.put(local_output.path("image_stats", "v", ".t.parquet"), b"half")
    local_output.put(local_output.path("image_stats", "v", "notes.txt"), b"mine")
    assert [found.shard for found in read_commits(local_output, ["v", "w"])] == ["s"]


names = st.sampled_from(["a", "b", None])
rows = st.lists(
    st.tuples(names, names, st.integers(0, 9)), unique_by=lambda row: (row[:2], row[2]), max_size=12
)


@given(rows)
def test_latest_keeps_the_last_attempt_of_every_key(rows: list[tuple[str | None, str | None, int]]) -> None:
    schema = pa.schema(
        [("one", pa.string()), ("two", pa.string()), ("attempt", pa.string()), ("n", pa.int64())]
    )
    content = [
        {"one": one, "two": two, "attempt": str(attempt), "n": n}
        for n, (one, two, attempt) in enumerate(rows)
    ]
    expected: dict[tuple[str | None, str | None], dict[str, object]] = {}
    for row in sorted(content, key=lambda row: str(row["attempt"])):
        expected[row["one"], row["two"]] = row
    found = latest(pa.Table.from_pylist(content, schema=schema), ["one", "two"]).to_pylist()
    assert sorted(found, key=lambda row: row["n"]) == sorted(expected.values(), key=lambda row: row["n"])


def test_rows_of_some_images_are_those_of_the_whole_tables(
    output: Output, lay_out: LayOut, write_shard: WriteShard
) -> None:
    lay_out(output, {"x": "1", "y": "1", "z": "1"}, ["v", "w"])
    for variant in ("v", "w"):
        write_shard(output, ["x", "y", "z"], variant=variant, shard="s", boxes=["box-1", "box-2"])
    write_shard(output, ["y"], variant="v", shard="again", boxes=["box-3"])
    reader = Reader(output)
    stats, boxes = reader.image_stats(), reader.box_stats()
    for images in (["y"], ["z", "x"], ["y", "not listed"], []):
        chosen = pa.array(images, pa.string())
        for variant in (None, "v"):
            found = reader.rows_of(images, variant_id=variant)
            mine = stats.filter(pa.compute.is_in(stats["image_id"], chosen))
            if variant:
                mine = mine.filter(pa.compute.equal(mine["variant_id"], variant))
            assert found == mine
        held = boxes.filter(pa.compute.is_in(boxes["image_id"], chosen))
        assert reader.boxes_of(images) == held
        assert reader.listed(images)["image_id"].to_pylist() == [name for name in images if name in "xyz"]
    assert {row["box_id"] for row in reader.boxes_of(["y"], variant_id="v").to_pylist()} == {"box-3"}
    assert reader.rows_of(["x"], ["sum"], "w").column_names == ["sum"]


def test_where_rows_lie_is_kept_of_the_variants_that_were_asked_for_last(
    study: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Reader(study).image_stats()
    monkeypatch.setattr(reader_module, "KEPT_KEYS", 0)
    reader = Reader(study)
    first = reader.row_index("v")
    assert reader.row_index("v") is first
    reader.row_index("w")
    assert reader.row_index("v") is not first
    assert reader.image_stats() == whole
