"""Verifying an output: nothing is found in a good one, and each kind of damage is found and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from igbatch.errors import InputError
from igbatch.store import schemas, verify_sums
from igbatch.store.commit import ShardWriter
from igbatch.store.commits import read_commits
from igbatch.store.fingerprint import digest
from igbatch.store.histograms import merge_patches
from igbatch.store.output import Output
from igbatch.store.removals import wrong_removals
from igbatch.store.verification import MAX_NAMED, Verification, as_json, as_text
from igbatch.store.verify import verify

SETTINGS = {"tolerance": 0.01, "atol": 1e-6, "rule": "midpoint"}
IMAGES, VARIANTS, TARGETS = ("x", "y", "z"), ("v", "w"), ("a", "b")
Write = Callable[..., ShardWriter]


@pytest.fixture(scope="module")
def write(made_up_map: Callable[..., np.ndarray], stats_row: Callable[..., dict[str, Any]]) -> Write:
    """Commit a shard whose rows fit each other, one image a shard; `changes` are put into its rows."""

    def commit(
        output: Output,
        variant: str,
        image: str,
        *,
        shard: str | None = None,
        targets: tuple[str, ...] = TARGETS,
        maps: tuple[str, ...] = TARGETS,
        boxes: tuple[str, ...] = ("box-1", "box-2"),
        quarantined: tuple[str | None, ...] = (),
        fingerprint: str = digest(SETTINGS),
        **changes: Any,
    ) -> ShardWriter:
        with ShardWriter(output, variant, shard or f"shard-{image}", fingerprint) as writer:
            for target in targets:
                array = made_up_map(variant, image, target)
                row = stats_row(image, target, array)
                row |= {"score_baseline": 0.25, "score": 0.25 + row["sum"]}
                row["convergence_delta"] = row["sum"] - (row["score"] - 0.25)
                writer.add_image_stats([{**row, **changes}])
                box = {
                    "image_id": image, "target": target, "box_label": "bird", "x_min": 0, "y_min": 0,
                    "x_max": 2, "y_max": 2, "visible_fraction": 1.0, "pixels": 4,
                }  # fmt: skip
                writer.add_box_stats([{**box, "box_id": name} for name in boxes])
            for target in maps:
                writer.add_maps([image], [target], made_up_map(variant, image, target)[None])
            place = {"image_id": image, "stage": "image", "error": "e", "image_etag": "1"}
            writer.add_quarantine([{**place, "target": target} for target in quarantined])
            writer.commit()
        return writer

    return commit


def lay_out(output: Output, maps: Any = "all", subset: list[str] | None = None) -> None:
    """`subset`: the images of the variant `w`."""
    study = {
        "format": schemas.FORMAT,
        "target_names": list(TARGETS),
        "fingerprint": dict.fromkeys(VARIANTS, SETTINGS),
        "study": {"attribution": SETTINGS, "store": {"maps": maps}},
    }
    output.put_json(output.path("study.json"), study)
    rows = [{"image_id": name, "uri": name, "etag": "1"} for name in IMAGES]
    output.put_table(output.path("images.parquet"), pa.Table.from_pylist(rows, schema=schemas.IMAGES))
    rows = [{"variant_id": name, "model": "m", "kind": "trained"} for name in VARIANTS]
    rows[1]["images"] = subset  # type: ignore[assignment]
    output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, write: Write) -> Output:
    """A whole study of three images, two variants and two targets; `w/z` is in quarantine."""
    output = Output(str(tmp_path_factory.mktemp("whole")))
    lay_out(output)
    for variant in VARIANTS:
        for image in IMAGES:
            if (variant, image) == ("w", "z"):
                write(output, variant, image, targets=(), maps=(), quarantined=(None,))
            else:
                write(output, variant, image)
    return output


@pytest.fixture
def good(whole: Output, local_output: Output) -> Output:
    """A copy of that study, to be changed."""
    shutil.copytree(whole.uri, local_output.uri)
    return local_output


def found_in(output: Output, **how: bool) -> set[tuple[str, str]]:
    return {(problem.kind, problem.where) for problem in verify(output, **how).problems}


def data_file(output: Output, kind: str = "attributions", image: str = "x") -> str:
    (commit,) = [each for each in read_commits(output, ["v"]) if each.shard == f"shard-{image}"]
    return str(commit.files[kind]["path"])


def change(output: Output, path: str, **columns: Any) -> None:
    """Rewrite a Parquet file with other values in the first row of some columns."""
    table = output.read_table(output.path(path))
    for name, value in columns.items():
        values = [value, *table[name].to_pylist()[1:]]
        column = pa.array(values, table.schema.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    output.put_table(output.path(path), table)


def write_ranges(output: Output, **changes: Any) -> None:
    rows = []
    for scope, variant, count in (("variant", "v", 6), ("variant", "w", 4), ("dataset", None, 10)):
        tables = [
            output.read_table(info.path, ["minimum", "maximum", "patches"])
            for info in output.files("image_stats", *([variant] if variant else []))
        ]
        values = pa.concat_tables(tables)
        row = {
            "scope": scope, "variant_id": variant, "minimum": min(values["minimum"].to_pylist()),
            "maximum": max(values["maximum"].to_pylist()), "q01": 0.0, "q50": 0.0, "q99": 0.0,
            "n_maps": count, "complete": variant == "v", "patches": merge_patches(values["patches"]),
        }  # fmt: skip
        rows.append({**row, **changes} if scope == "dataset" else row)
    output.put_table(output.path("ranges.parquet"), pa.Table.from_pylist(rows, schema=schemas.RANGES))


def test_a_good_study_is_good(good: Output) -> None:
    write_ranges(good)
    for quick in (False, True):
        found = verify(good, quick=quick)
        assert found.problems == []
        assert (found.expected, found.committed, found.quarantined) == (12, 10, 2)
        assert (found.shards, found.maps, found.leftovers) == (6, 10, 0)
    size = sum(path.stat().st_size for path in Path(good.uri).rglob("*/*/*.parquet"))
    assert found.size == size
    line = f"good: 10 of 12 rows committed, 2 in quarantine, 6 shards, 10 maps, {size / 1e6:.1f} MB"
    assert as_text(found) == line


def test_it_works_on_every_store(output: Output, write: Write) -> None:
    lay_out(output)
    for variant in VARIANTS:
        for image in IMAGES:
            write(output, variant, image)
    assert verify(output).problems == []
    output.delete(output.path(data_file(output)))
    output.delete(output.commit_path("w", "shard-y"))
    path = next(info.path for info in output.files("attributions", "v"))
    output.put(path, output.read(path)[:-1])
    assert {problem.kind for problem in verify(output).problems} == {"file", "lost"}


def test_where_no_study_is_there_is_nothing_to_verify(local_output: Output) -> None:
    with pytest.raises(InputError, match=r"study\.json is missing"):
        verify(local_output)


def test_rows_that_are_superseded_or_not_listed_any_more_are_counted_only(good: Output, write: Write) -> None:
    write(good, "v", "x", shard="again")
    write(good, "v", "unknown")
    write(good, "w", "y", shard="etag", image_etag="2")
    write(good, "w", "x", shard="targets", targets=("a", "c"), maps=("a", "c"))
    found = verify(good)
    assert found.problems == []
    assert (found.committed, found.superseded, found.unlisted) == (10, 3, 5)
    assert "3 superseded rows, 5 rows that the study no longer lists" in as_text(found)


def test_a_variant_is_whole_with_the_images_that_it_is_computed_on(good: Output, write: Write) -> None:
    """Rows of others, left by a larger subset, are counted and neither expected nor in a range."""
    lay_out(good, subset=["x"])
    found = verify(good)
    assert found.problems == []
    assert (found.expected, found.committed, found.quarantined, found.unlisted) == (8, 8, 0, 2)
    write_ranges(good)
    assert {problem.kind for problem in verify(good).problems} == {"ranges"}  # they count `w/y`
    good.delete(good.commit_path("w", "shard-x"))
    good.delete(good.path("ranges.parquet"))
    assert found_in(good) == {("lost", "w/x")}


def test_files_that_no_commit_names_are_counted_only(good: Output) -> None:
    good.put(good.path("attributions", "v", "shard-x.1.parquet"), b"left over")
    assert verify(good).problems == []
    assert "1 files that no commit names" in as_text(verify(good))


@pytest.mark.parametrize("kind", ["attributions", "box_stats"])
def test_a_data_file_that_is_missing_cut_or_changed_is_named(good: Output, kind: str) -> None:
    path = data_file(good, kind)
    whole = good.read(good.path(path))
    for quick in (False, True):
        good.put(good.path(path), whole[:-7])
        assert found_in(good, quick=quick) == {("file", path)}
        good.delete(good.path(path))
        assert found_in(good, quick=quick) == {("file", path)}
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 1
    good.put(good.path(path), bytes(flipped))
    (problem,) = verify(good).problems
    assert (problem.kind, problem.where) == ("file", path)
    assert "SHA-256" in problem.what
    assert found_in(good, quick=True) in (set(), {("file", path)})


def test_a_data_file_of_another_number_of_rows_is_named(good: Output) -> None:
    path = good.path(data_file(good, "box_stats"))
    commit = "image_stats/v/shard-x.parquet"
    good.put_table(path, good.read_table(path).slice(1))
    change_commit(
        good, commit, lambda record: record["files"]["box_stats"].update(bytes=len(good.read(path)))
    )
    assert ("rows", data_file(good, "box_stats")) in found_in(good, quick=True)


def change_commit(output: Output, path: str, change_record: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite the record of a commit."""
    table = output.read_table(output.path(path))
    record = json.loads(table.schema.metadata[b"igbatch"])
    change_record(record)
    metadata = {b"igbatch": json.dumps(record).encode()}
    output.put_table(output.path(path), table.replace_schema_metadata(metadata))


def test_a_lost_row_is_named(good: Output) -> None:
    good.delete(good.commit_path("v", "shard-y"))
    found = verify(good)
    (problem,) = found.problems
    assert (problem.kind, problem.where) == ("lost", "v/y")
    assert "a, b" in problem.what
    assert as_text(found).splitlines()[-1].startswith("incomplete: 8 of 12 rows committed")
    assert not found.passes(quality=False)


def test_a_commit_that_cannot_be_read_is_named_and_its_rows_are_lost(good: Output) -> None:
    path = good.commit_path("v", "shard-y")
    good.put(path, good.read(path)[:-7])
    assert found_in(good) == {("commit", "image_stats/v/shard-y.parquet"), ("lost", "v/y")}


def test_a_row_that_one_attempt_has_twice_is_named(good: Output, write: Write) -> None:
    write(good, "v", "y", targets=("a", "b", "b"))
    assert ("twice", "v/y/b") in found_in(good)


def test_a_row_that_is_also_in_quarantine_is_named(good: Output, write: Write) -> None:
    write(good, "v", "y", quarantined=("b",))
    assert found_in(good) == {("twice", "v/y/b")}


def test_what_a_retry_computed_is_in_quarantine_no_more(good: Output, write: Write) -> None:
    write(good, "w", "z", shard="retried")
    found = verify(good)
    assert found.problems == []
    assert (found.committed, found.quarantined) == (12, 0)


def test_a_shard_of_another_study_is_named(good: Output, write: Write) -> None:
    write(good, "v", "y", fingerprint="of another study")
    assert found_in(good) == {("fingerprint", "image_stats/v/shard-y.parquet")}


@pytest.mark.parametrize(
    ("column", "value"),
    [("attempt", "another"), ("fingerprint", "another"), ("variant_id", "w"), ("box_stats_bytes", 7)],
)
def test_a_row_that_does_not_agree_with_its_commit_is_named(good: Output, column: str, value: Any) -> None:
    change(good, "image_stats/v/shard-y.parquet", **{column: value})
    assert found_in(good) == {("column", "image_stats/v/shard-y.parquet")}


def test_a_commit_of_another_number_of_rows_is_named(good: Output) -> None:
    change_commit(good, "image_stats/v/shard-y.parquet", lambda record: record.update(rows=3))
    assert found_in(good) == {("rows", "image_stats/v/shard-y.parquet")}


@pytest.mark.parametrize(
    "column",
    ["score", "score_baseline", "sum", "abs_sum", "positive_sum", "negative_sum", "convergence_delta"],
)
def test_a_changed_number_is_named_from_the_row_alone(good: Output, column: str) -> None:
    before = good.read_table(good.commit_path("v", "shard-y"))[column][0].as_py()
    change(good, "image_stats/v/shard-y.parquet", **{column: before + 0.001})
    assert ("numbers", "v/y/a") in found_in(good, quick=True)


@pytest.mark.parametrize("column", ["minimum", "maximum"])
def test_a_changed_extreme_is_named_from_the_map(good: Output, column: str) -> None:
    before = good.read_table(good.commit_path("v", "shard-y"))[column][0].as_py()
    change(good, "image_stats/v/shard-y.parquet", **{column: before * 1.001})
    assert found_in(good) == {("numbers", "v/y/a")}
    assert found_in(good, quick=True) == set()


def set_shard_histogram(output: Output, path: str, values: list[list[int] | None]) -> None:
    table = output.read_table(output.path(path))
    place = table.schema.get_field_index("shard_histogram")
    column = pa.array(values, pa.list_(pa.int64()))
    output.put_table(output.path(path), table.set_column(place, table.schema.field(place), column))


@pytest.mark.parametrize("end", ["minimum", "maximum"])
@pytest.mark.parametrize(("place", "name"), [(0, "the blurred map"), (4, "patches of 32")])
def test_a_changed_extreme_of_regions_is_named_from_the_map(
    good: Output, end: str, place: int, name: str
) -> None:
    table = good.read_table(good.commit_path("v", "shard-y"))
    patches = table["patches"][0].as_py()
    patches[place][end] *= 1.001
    change(good, "image_stats/v/shard-y.parquet", patches=patches)
    found = verify(good).problems
    assert ("numbers", "v/y/a") in {(problem.kind, problem.where) for problem in found}
    assert any(f"{end} of {name} is " in problem.what for problem in found)
    assert found_in(good, quick=True) == set()


@pytest.mark.parametrize("at_once", [1, 2, 512])
def test_a_sum_of_histograms_that_is_not_that_of_the_rows_is_named(
    good: Output, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_sums, "HISTOGRAMS_AT_ONCE", at_once)
    path = "image_stats/v/shard-y.parquet"
    table = good.read_table(good.path(path))
    true = table["shard_histogram"][0].as_py()
    assert true == np.sum(table["histogram"].to_pylist(), axis=0).tolist()
    assert verify(good).problems == []
    one_more = [true[0] + 1, *true[1:]]
    for values, what in (
        ([one_more, None], "is not the sum of the histograms of its rows"),
        ([true[:-1], None], "is not the sum of the histograms of its rows"),
        ([None, true], "is not in its first row"),
        ([true, true], "is in another row than the first"),
    ):
        set_shard_histogram(good, path, values)
        (problem,) = verify(good).problems
        assert (problem.kind, problem.where) == ("numbers", path)
        assert what in problem.what
        assert found_in(good, quick=True) == set()
    set_shard_histogram(good, path, [true, None])
    first = table["histogram"][0].as_py()
    change(good, path, histogram=[first[0] + 1, *first[1:]])
    assert found_in(good) == {("numbers", path)}
    good.put_table(good.path(path), table.drop_columns(["shard_histogram"]))
    assert verify(good).problems == []


def test_a_map_that_misses_its_sum_by_more_than_is_allowed_has_not_converged_and_is_no_damage(
    good: Output, write: Write, made_up_map: Callable[..., np.ndarray]
) -> None:
    array = made_up_map("v", "y", "a").astype(np.float64)
    total, absolute = array.sum(), np.abs(array).sum()
    for gap, map_error, is_found in (
        (0.9 * 0.01 * total, None, False),
        (1.1 * 0.01 * total, None, True),
        (0.9 * 0.01 * absolute, 0.001, False),  # where the error was estimated, against the absolute sum
        (1.1 * 0.01 * absolute, 0.001, True),
        (0.0, 0.009, False),
        (0.0, 0.011, True),
    ):
        good_sum = float(np.maximum(array, 0).sum() + np.minimum(array, 0).sum())
        score = 0.25 + good_sum - gap
        changes = {"convergence_delta": good_sum - (score - 0.25), "score": score, "map_error": map_error}
        write(good, "v", "y")
        change(good, "image_stats/v/shard-y.parquet", **changes, converged=not is_found)
        for quick in (False, True):
            found = verify(good, quick=quick)
            assert found.problems == []
            assert found.unconverged == is_found, (gap, map_error)
            assert found.passes(quality=False)
            assert found.passes(quality=True) is not is_found
        if is_found:
            (worst,) = found.worst
            assert (worst.variant_id, worst.image_id, worst.target) == ("v", "y", "a")
            norm = absolute if map_error else abs(score - 0.25)
            assert worst.allowed == pytest.approx(0.01 * norm + 1e-6)
            assert worst.error == pytest.approx(max(abs(gap), (map_error or 0) * absolute))
        change(good, "image_stats/v/shard-y.parquet", **changes, converged=is_found)
        (problem,) = verify(good).problems  # a row that contradicts itself is damage
        assert (problem.kind, problem.where) == ("numbers", "v/y/a")
        assert problem.what.startswith(f"converged is {str(is_found).lower()}, but its numbers say")


def not_converged(output: Output, variant: str, image: str, miss: float) -> None:
    """Rewrite the first row of a shard as one whose map misses its sum."""
    path = f"image_stats/{variant}/shard-{image}.parquet"
    row = output.read_table(output.path(path)).to_pylist()[0]
    change(
        output, path, score=row["score"] - miss, converged=False,
        convergence_delta=row["sum"] - (row["score"] - miss - row["score_baseline"]),
    )  # fmt: skip


def test_the_worst_maps_are_named_first_and_others_counted(good: Output, write: Write) -> None:
    for image, miss in (("x", 20.0), ("y", 50.0), ("z", 30.0)):
        not_converged(good, "v", image, miss)
    not_converged(good, "w", "x", 40.0)
    found = verify(good)
    assert found.unconverged == 4
    assert [each.times for each in found.worst] == sorted((each.times for each in found.worst), reverse=True)
    lines = as_text(found).splitlines()
    assert len(lines) == 5
    assert lines[0].startswith(f"not converged: {'/'.join(named(found.worst[0]))}: off by ")
    assert f"{found.worst[0].times:.3g} times what is allowed (4 steps)" in lines[0]
    assert lines[-1].startswith("whole, but 4 of 10 maps have not converged: 10 of 12 rows committed, ")
    found.add_unconverged(2 * MAX_NAMED, [found.worst[-1]] * 2 * MAX_NAMED)
    assert len(found.worst) == MAX_NAMED
    assert f"not converged: and {4 + MAX_NAMED} more" in as_text(found)
    write(good, "v", "x", shard="again")  # computed again, with steps enough
    assert verify(good).unconverged == 3
    content = json.loads(as_json(verify(good)))
    assert content["whole"] is True
    assert content["shortcomings"] == ["3 of 10 maps have not converged"]
    assert content["problems"] == []
    assert set(content["worst"][0]) == {"variant_id", "image_id", "target", "steps", "error", "allowed"}
    good.delete(good.path(data_file(good)))
    found = verify(good)
    assert as_text(found).splitlines()[-1].startswith("damaged, 1 problem, and 3 of 10 maps have not")
    assert not found.passes(quality=False)


def named(worst: Any) -> tuple[str, str, str]:
    return worst.variant_id, worst.image_id, worst.target


def test_more_in_quarantine_than_the_study_allows_falls_short_and_is_no_damage(good: Output) -> None:
    study = good.read_json(good.path("study.json"))
    for allowance, short in ((1, ["2 rows are in quarantine, 1 allowed"]), (2, [])):
        study["study"]["quarantine"] = {"allowance": allowance}
        good.put_json(good.path("study.json"), study)
        found = verify(good)
        assert found.problems == []
        assert found.shortcomings == short
        assert found.passes(quality=False)
        assert found.passes(quality=True) is (not short)
        assert as_text(found).startswith("whole, but 2 rows are in quarantine" if short else "good: ")


def test_a_missing_map_is_named(good: Output, write: Write) -> None:
    write(good, "v", "y", maps=("a",))
    assert found_in(good) == found_in(good, quick=True) == {("maps", "v/y/b")}
    write(good, "v", "y", maps=())
    assert found_in(good) == {("maps", "image_stats/v/shard-y.parquet")}


def test_a_map_without_a_row_and_a_map_kept_twice_are_named(good: Output, write: Write) -> None:
    write(good, "v", "y", targets=("a",), maps=("a", "b"), quarantined=("b",))
    assert found_in(good) == {("maps", data_file(good, image="y"))}
    write(good, "v", "y", maps=("a", "b", "b"))
    assert found_in(good) == {("maps", data_file(good, image="y"))}


def test_maps_are_there_as_the_study_keeps_them(good: Output) -> None:
    lay_out(good, maps={"sample": 1, "seed": 0})
    assert verify(good).problems == []
    lay_out(good, maps="none")
    assert {kind for kind, _ in found_in(good)} == {"maps"}


def test_a_box_row_without_a_row_and_one_twice_are_named(good: Output, write: Write) -> None:
    write(good, "v", "y", boxes=("box-1", "box-1"))
    assert found_in(good) == {("boxes", data_file(good, "box_stats", "y"))}


@pytest.mark.parametrize(
    "wrong", [{"minimum": -9.0}, {"maximum": 9.0}, {"n_maps": 9}, {"complete": True}, {"scope": "nothing"}]
)
def test_ranges_that_are_not_those_of_the_rows_are_named(good: Output, wrong: dict[str, Any]) -> None:
    write_ranges(good, **wrong)
    assert found_in(good) == {("ranges", "ranges.parquet")}
    assert next(iter(wrong)) in str(verify(good).problems) or "no range" in str(verify(good).problems)


@pytest.mark.parametrize("scope", [0, 2])
def test_ranges_of_patches_that_are_not_those_of_the_rows_are_named(good: Output, scope: int) -> None:
    write_ranges(good)
    rows = good.read_table(good.path("ranges.parquet")).to_pylist()
    rows[scope]["patches"][2]["maximum"] *= 2
    good.put_table(good.path("ranges.parquet"), pa.Table.from_pylist(rows, schema=schemas.RANGES))
    (problem,) = verify(good).problems
    assert (problem.kind, problem.where) == ("ranges", "ranges.parquet")
    assert "maximum of patches of 8 is " in problem.what
    assert verify(good, quick=True).problems == []


def test_many_problems_are_cut_in_print_and_whole_in_json(good: Output) -> None:
    for index in range(70):
        change_path = good.path("image_stats", "v", f"broken-{index:02d}.parquet")
        good.put(change_path, b"x")
    found = verify(good)
    lines = as_text(found).splitlines()
    assert len(lines) == 52
    assert lines[50] == "and 20 more (--json prints all)"
    assert lines[51].startswith("damaged, 70 problems: 10 of 12 rows committed")
    content = json.loads(as_json(found))
    assert len(content["problems"]) == 70
    assert set(content["problems"][0]) == {"kind", "where", "what"}
    assert content["whole"] is False
    assert set(content) == {*vars(Verification()), "whole", "shortcomings"}


def test_deletions_that_contradict_each_other_are_counted() -> None:
    both = {"deletion": 0.1, "deletion_blurred": 0.2, "true_effect": 0.3, "sum": 1.0}
    rows = [
        both, dict.fromkeys(both), {**dict.fromkeys(both), "sum": 1.0}, {**both, "true_effect": None},
        {**both, "sum": None}, {**both, "deletion": None}, {**both, "deletion_blurred": None},
        {**both, "deletion_blurred": float("nan")},
        {**dict.fromkeys(both), "sum": 1.0, "true_effect": 0.3},
    ]  # fmt: skip
    what = "deletions that are not finite, not whole or of no pixel"
    for wanted, names in ((4, list(both)), (0, ["sum", "deletion"])):
        table = pa.Table.from_pylist([{name: row[name] for name in names} for row in rows])
        sink = pa.BufferOutputStream()
        pq.write_table(table.cast(pa.schema([(name, pa.float64()) for name in names])), sink)
        found = wrong_removals(pq.ParquetFile(pa.BufferReader(sink.getvalue())))
        assert found == (f"{wanted} of its rows have {what}" if wanted else "")
