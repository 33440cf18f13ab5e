"""Maps deleted on purpose: what stays whole, and how readers tell them from lost ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from igbatch.errors import InputError
from igbatch.pipeline.committed import CommitScan
from igbatch.store.output import Output
from igbatch.store.pruned import KIND, MARKER, inside, prune_maps, pruned_at
from igbatch.store.reader import Reader

NOW = "2026-11-26T02:00:00+00:00"


@pytest.fixture
def written(output: Output, lay_out: Callable[..., None], write_shard: Callable[..., None]) -> Output:
    lay_out(output, {"x": "1", "y": "1"})
    write_shard(output, ["x", "y"])
    return output


def test_statistics_stay_and_the_map_says_when_it_went(written: Output) -> None:
    assert pruned_at(written) is None
    before = Reader(written)
    rows, boxes = before.image_stats(), before.box_stats()
    assert before.attribution("v", "x", "a").shape == (6, 6)
    files = written.files(KIND)
    prune_maps(written, files, NOW)
    after = Reader(written)
    assert after.image_stats() == rows
    assert after.box_stats() == boxes
    assert not written.files(KIND)
    assert pruned_at(written) == NOW
    with pytest.raises(KeyError, match="pruned on 2026-11-26"):
        after.attribution("v", "x", "a")
    marker = written.read_json(written.path(MARKER))
    assert (marker["files"], marker["bytes"]) == (1, files[0].size)


def test_a_run_does_not_compute_pruned_maps_again_but_lost_ones(written: Output) -> None:
    images, files = Reader(written).images, written.files(KIND)
    prune_maps(written, files, NOW)
    found = CommitScan(written, images, ["a", "b"]).variant("v", "f", {"a": 0, "b": 0})
    assert found.done.all()
    assert not found.damaged
    written.delete(written.path(MARKER))
    lost = CommitScan(written, images, ["a", "b"]).variant("v", "f", {"a": 0, "b": 0})
    assert not lost.done.any()
    assert "is gone" in lost.damaged[0].reason


def test_boxes_that_are_gone_are_lost_whatever_was_pruned(written: Output) -> None:
    prune_maps(written, written.files(KIND), NOW)
    written.delete(written.files("box_stats")[0].path)
    found = CommitScan(written, Reader(written).images, ["a", "b"]).variant("v", "f", {"a": 0, "b": 0})
    assert "is gone" in found.damaged[0].reason


def test_an_interrupted_prune_goes_on(written: Output, write_shard: Callable[..., None]) -> None:
    first = written.files(KIND)
    prune_maps(written, first, NOW)
    write_shard(written, ["z"], shard="later")
    more = written.files(KIND)
    prune_maps(written, [*more, *first], "2027-01-01T00:00:00+00:00")
    assert not written.files(KIND)
    assert pruned_at(written) == NOW


def test_a_damaged_marker_is_named(written: Output) -> None:
    written.put(written.path(MARKER), b"[1]")
    with pytest.raises(InputError, match=MARKER):
        pruned_at(written)


def test_links_out_of_an_output_are_not_inside(local_output: Output, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.parquet").write_bytes(b"1")
    local_output.put(local_output.path(KIND, "v", "b.parquet"), b"2")
    Path(local_output.path(KIND, "linked")).symlink_to(elsewhere)
    Path(local_output.path(KIND, "v", "c.parquet")).symlink_to(elsewhere / "a.parquet")
    is_inside = {Path(info.path).name: inside(local_output, info) for info in local_output.files(KIND)}
    assert is_inside == {"a.parquet": False, "b.parquet": True, "c.parquet": False}
