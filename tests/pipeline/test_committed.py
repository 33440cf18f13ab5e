"""What is committed, from one scan: all of it, whatever the batches, and nothing that cannot be believed."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers import ZEROS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from igbatch.errors import InputError
from igbatch.pipeline import committed
from igbatch.pipeline.committed import CommitScan, Committed, DamagedCommit, PairSet, digest_of
from igbatch.store import commit as store_commit
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output

TARGETS = ("a", "b", "predicted")
INDICES = {"a": 0, "b": 1, "predicted": None}
ETAGS = {f"i{n}": "1" for n in range(7)}
CUT = "it is cut short, or no commit of igbatch"
Pair = tuple[str, str]


@pytest.fixture(params=["local", "memory"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Output:
    return Output(str(tmp_path / "out")) if request.param == "local" else memory()


def memory() -> Output:
    return Output(f"memory://committed-{uuid.uuid4()}")


def commit(
    output: Output,
    done: Sequence[Pair] = (),
    quarantined: Sequence[tuple[str, str | None]] = (),
    *,
    shard: str = "s",
    etag: str = "1",
    fingerprint: str = "f",
    maps: bool = False,
    **changes: Any,
) -> ShardWriter:
    """Commit a shard of the variant `v` with nothing but keys in its rows; return its writer."""
    with ShardWriter(output, "v", shard, fingerprint) as writer:
        for image, target in done:
            index = INDICES.get(target) or 0
            key = {"image_id": image, "target": target, "image_etag": etag, "target_index": index}
            writer.add_image_stats([{**ZEROS, **key, **changes}])
        if maps:
            ids, names = zip(*done, strict=True)
            writer.add_maps(ids, names, np.zeros((len(done), 2, 2), np.float32))
        for image, target in quarantined:
            row = {"image_id": image, "target": target, "image_etag": etag, "stage": "image", "error": "e"}
            writer.add_quarantine([row])
        writer.commit()
    return writer


def scan(
    output: Output, etags: Mapping[str, str] = ETAGS, targets: Sequence[str] = TARGETS, **how: Any
) -> Committed:
    rows = [{"image_id": name, "uri": f"/{name}", "etag": etag} for name, etag in etags.items()]
    images = pa.Table.from_pylist(rows, schema=schemas.IMAGES)
    return CommitScan(output, images, targets, **how).variant("v", "f", INDICES)


def pairs(found: Committed, etags: Mapping[str, str] = ETAGS, targets: Sequence[str] = TARGETS) -> set[Pair]:
    """The pairs that are done."""
    assert found.done.shape == (len(etags), len(targets))
    return {(list(etags)[row], targets[column]) for row, column in np.argwhere(found.done)}


def data_path(output: Output, kind: str, writer: ShardWriter) -> str:
    return output.data_path(kind, "v", writer.shard, writer.attempt)


def cut(output: Output, path: str) -> None:
    """Leave the first half of a file."""
    data = output.read(path)
    output.put(path, data[: len(data) // 2])


# PairSet


@given(arrays.arrays(bool, st.tuples(st.integers(0, 20), st.integers(1, 20))))
def test_packed_cells_are_the_matrix_and_its_counts(matrix: np.ndarray) -> None:
    cells = PairSet.of(matrix)
    np.testing.assert_array_equal(cells.matrix(), matrix)
    assert cells.matrix().shape == matrix.shape
    assert cells.count == matrix.sum()
    assert cells.images == sum(map(any, matrix))
    assert cells.bits.nbytes <= matrix.size // 8 + 1


# What counts


@given(
    shards=st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from(sorted(ETAGS)), st.sampled_from(TARGETS)), max_size=9),
            st.lists(
                st.tuples(st.sampled_from(sorted(ETAGS)), st.none() | st.sampled_from(TARGETS)), max_size=3
            ),
        ),
        max_size=4,
    ),
    group=st.integers(1, 4),
    at_a_time=st.integers(1, 12),
)
def test_whatever_the_row_groups_and_batches_all_pairs_are_found(
    shards: list[tuple[list[Pair], list[tuple[str, str | None]]]], group: int, at_a_time: int
) -> None:
    """Among the shards are some without any row, and some that lie in several groups and batches."""
    output, done, lost = memory(), set(), set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_commit, "STATS_GROUP_ROWS", group)
        patch.setattr(committed, "ROWS_AT_A_TIME", at_a_time)
        for number, (rows, quarantined) in enumerate(shards):
            commit(output, rows, quarantined, shard=f"s{number}")
            done |= set(rows)
            for image, target in quarantined:
                lost |= {(image, name) for name in (TARGETS if target is None else [target])}
        assert pairs(scan(output)) == done | lost
        retried = scan(output, retry_quarantined=True)
        assert pairs(retried) == done
        assert len(retried.attempts) == len(shards)


def test_nothing_is_committed_of_a_variant_without_files(output: Output) -> None:
    commit(output, [("i1", "a")])
    output.put(output.path("image_stats", "w", "notes.txt"), b"no commit")
    images = pa.Table.from_pylist([{"image_id": "i1", "uri": "/", "etag": "1"}], schema=schemas.IMAGES)
    for variant in ("w", "x"):
        found = CommitScan(output, images, TARGETS).variant(variant, "f", INDICES)
        assert not found.done.any()
        assert (found.damaged, found.attempts) == ([], [])


def test_a_commit_without_any_row_counts_by_its_quarantine(output: Output) -> None:
    commit(output, quarantined=[("i1", None), ("i2", "b")])
    found = scan(output)
    assert pairs(found) == {("i1", "a"), ("i1", "b"), ("i1", "predicted"), ("i2", "b")}
    retried = scan(output, retry_quarantined=True)
    assert pairs(retried) == set()
    assert digest_of(retried.attempts) == digest_of(found.attempts) != digest_of([])


def test_rows_of_changed_images_do_not_count_computed_or_not(output: Output) -> None:
    commit(output, [("i1", "a"), ("i2", "a")], [("i3", None), ("i4", None)])
    changed = {**ETAGS, "i1": "2", "i3": "2"}
    targets = ("a",)
    assert pairs(scan(output, changed, targets), changed, targets) == {("i2", "a"), ("i4", "a")}
    commit(output, [("i1", "a")], [("i3", "a")], shard="t", etag="2")
    assert pairs(scan(output, changed, targets), changed, targets) == {
        (image, "a") for image in ("i1", "i2", "i3", "i4")
    }


def test_images_and_targets_that_are_no_longer_listed_are_passed_over(output: Output) -> None:
    commit(output, [("i1", "a"), ("gone", "a"), ("i1", "dropped")], [("lost", None), ("i2", "dropped")])
    assert pairs(scan(output)) == {("i1", "a")}


def test_an_output_below_a_hidden_folder_is_read_and_hidden_files_of_it_are_not(tmp_path: Path) -> None:
    output = Output(str(tmp_path / ".cache" / "out"))
    commit(output, [("i1", "a")])
    output.put(output.commit_path("v", ".s").replace(".parquet", ".1234.tmp"), b"half a file")
    output.put(output.commit_path("v", ".t"), b"half a file")
    found = scan(output)
    assert pairs(found) == {("i1", "a")}
    assert found.damaged == []


# What cannot be believed


def test_a_commit_that_was_cut_short_is_damaged_and_the_others_count(output: Output) -> None:
    for number, shard in enumerate("rst"):
        commit(output, [(f"i{number}", "a")], shard=shard)
    path = output.commit_path("v", "s")
    cut(output, path)
    found = scan(output)
    assert found.damaged == [DamagedCommit(path, CUT)]
    assert pairs(found) == {("i0", "a"), ("i2", "a")}
    assert len(found.attempts) == 2
    output.delete(path)
    assert digest_of(scan(output).attempts) == digest_of(found.attempts)


@pytest.mark.parametrize("content", [b"", b"no Parquet", bytes(400)])
def test_a_file_that_is_no_commit_is_damaged(content: bytes) -> None:
    output = memory()
    commit(output, [("i1", "a")])
    path = output.commit_path("v", "t")
    output.put(path, content)
    found = scan(output)
    assert found.damaged == [DamagedCommit(path, CUT)]
    assert pairs(found) == {("i1", "a")}


@pytest.mark.parametrize("kind", ["attributions", "quarantine"])
@pytest.mark.parametrize("how", ["gone", "shortened"])
def test_a_commit_without_one_of_its_data_files_is_damaged_and_the_others_count(
    output: Output, kind: str, how: str
) -> None:
    commit(output, [("i1", "a")], [("i1", "b")], shard="r", maps=True)
    writer = commit(output, [("i2", "a")], [("i2", "b")], maps=True)
    path = data_path(output, kind, writer)
    size = len(output.read(path))
    if how == "gone":
        output.delete(path)
        reason = f"{path} is gone"
    else:
        cut(output, path)
        reason = f"{path} has {size // 2} bytes of {size}"
    found = scan(output)
    assert found.damaged == [DamagedCommit(output.commit_path("v", "s"), reason)]
    assert pairs(found) == {("i1", "a"), ("i1", "b")}
    assert len(found.attempts) == 1


def test_a_commit_without_rows_or_its_quarantine_is_damaged(output: Output) -> None:
    writer = commit(output, quarantined=[("i1", None)])
    path = data_path(output, "quarantine", writer)
    output.delete(path)
    found = scan(output)
    assert found.damaged == [DamagedCommit(output.commit_path("v", "s"), f"{path} is gone")]
    assert (pairs(found), found.attempts) == (set(), [])


def test_a_pair_that_another_commit_holds_is_done_whatever_is_damaged(output: Output) -> None:
    writer = commit(output, [("i1", "a"), ("i2", "a")], maps=True)
    commit(output, [("i1", "a")], shard="t")
    output.delete(data_path(output, "attributions", writer))
    assert pairs(scan(output)) == {("i1", "a")}


# The state


def test_the_digest_changes_with_every_commit_and_not_with_their_order() -> None:
    output = memory()
    seen = [digest_of(scan(output).attempts)]
    for shard in "ab":
        commit(output, [("i1", "a")], shard=shard)
        seen.append(digest_of(scan(output).attempts))
    commit(output, [("i1", "a")], shard="a")  # a later attempt takes its place
    seen.append(digest_of(scan(output).attempts))
    output.delete(output.commit_path("v", "b"))
    seen.append(digest_of(scan(output).attempts))
    assert len(set(seen)) == len(seen)
    assert digest_of(scan(output).attempts) == seen[-1]


@given(st.lists(st.text("ab 01", max_size=4), unique=True, max_size=5), st.randoms(use_true_random=False))
def test_the_digest_is_of_a_set_of_attempts(attempts: list[str], random: Any) -> None:
    shuffled = random.sample(attempts, len(attempts))
    assert digest_of(shuffled) == digest_of(attempts)
    assert digest_of([*attempts, "another"]) != digest_of(attempts)


# What is refused


@pytest.mark.parametrize("rows", [[("i1", "a")], []])
def test_a_commit_of_another_study_is_refused_whether_it_has_rows_or_not(
    output: Output, rows: list[Pair]
) -> None:
    commit(output, [("i1", "a")], shard="r")
    commit(output, rows, [("i2", None)], fingerprint="g")
    with pytest.raises(InputError) as caught:
        scan(output)
    assert str(caught.value) == (
        f"{output.commit_path('v', 's')}: was computed under another study (fingerprint g, this one is f); "
        "choose another --out"
    )


def refuse_other_class(output: Output) -> None:
    with pytest.raises(InputError) as caught:
        scan(output)
    assert str(caught.value) == (
        f"{output.uri}: variant v: target 'b' was computed for class 7, the study now says 1; choose another "
        "--out, or another name for the target"
    )


def test_a_target_that_was_another_class_is_refused(output: Output) -> None:
    commit(output, [("i1", "a"), ("i2", "a")])
    commit(output, [("i1", "b")], shard="t", target_index=7)
    refuse_other_class(output)


def test_another_class_is_found_behind_other_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committed, "ROWS_AT_A_TIME", 2)
    monkeypatch.setattr(store_commit, "STATS_GROUP_ROWS", 1)
    output = memory()
    commit(output, [(f"i{n}", "a") for n in range(5)])
    commit(output, [("i1", "b")], shard="t", target_index=7)
    refuse_other_class(output)


def test_targets_that_are_found_for_each_image_may_be_any_class(output: Output) -> None:
    commit(output, [("i1", "predicted"), ("i2", "predicted")], target_index=7)
    assert pairs(scan(output)) == {("i1", "predicted"), ("i2", "predicted")}


@pytest.mark.parametrize("batch", [1, 500_000])
def test_no_more_rows_are_compared_at_once_than_requested(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(committed, "ROWS_AT_A_TIME", batch)
    monkeypatch.setattr(store_commit, "STATS_GROUP_ROWS", 2)
    output, seen = memory(), []
    mark: Callable[..., None] = CommitScan.mark

    def spy(scan: CommitScan, rows: pa.Table, done: np.ndarray) -> None:
        seen.append(len(rows))
        mark(scan, rows, done)

    monkeypatch.setattr(CommitScan, "mark", spy)
    commit(output, [(f"i{n}", target) for n in range(6) for target in TARGETS])
    scan(output)
    assert sum(seen) == 18
    assert max(seen) == (2 if batch == 1 else 18)
