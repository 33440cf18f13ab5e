"""The rows of a shard on their way to its writer: in order, whole, and no fault of their thread is lost."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.images.geometry import MappedBox
from igbatch.pipeline.messages import ShardReport
from igbatch.pipeline.plan import Plan, Shard, ShardImage
from igbatch.pipeline.prepare import PreparedImage, RefusedImage
from igbatch.pipeline.rows import MAP_GROUP_IMAGES, MAPS_WAITING, ShardRows, quarantine_row
from igbatch.statistics.box_stats import MeasuredMap, box_statistics, measure
from igbatch.statistics.image_stats import convergence, map_statistics
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.study import AttributionSection

SIDE = 4
BOXES = (
    MappedBox("b-1", "bird", 0, 0, 2, 2, 1.0),
    MappedBox("b-2", "bird", 1, 1, 4, 3, 0.5),
)
SETTINGS = AttributionSection(tolerance=0.01)


class Recorder:
    """A writer that keeps what it is given; `before` is called first with the name of what is added."""

    def __init__(self, before: Callable[[str], None] = lambda name: None) -> None:
        self.stats: list[dict[str, Any]] = []
        self.boxes: list[dict[str, Any]] = []
        self.lost: list[dict[str, Any]] = []
        self.maps: list[tuple[tuple[str, ...], tuple[str, ...], np.ndarray]] = []
        self.committed = False
        self.threads: set[threading.Thread] = set()
        self._before = before

    def _enter(self, name: str) -> None:
        assert not self.committed
        self.threads.add(threading.current_thread())
        self._before(name)

    def add_image_stats(self, rows: Sequence[dict[str, Any]]) -> None:
        self._enter("image_stats")
        self.stats += rows

    def add_box_stats(self, rows: Sequence[dict[str, Any]]) -> None:
        self._enter("box_stats")
        self.boxes += rows

    def add_quarantine(self, rows: Sequence[dict[str, Any]]) -> None:
        self._enter("quarantine")
        self.lost += rows

    def add_maps(self, ids: tuple[str, ...], names: tuple[str, ...], maps: np.ndarray) -> None:
        self._enter("maps")
        self.maps.append((ids, names, maps))

    def commit(self) -> None:
        self._enter("commit")
        self.committed = True


@pytest.fixture(scope="session")
def shard(many_variants: Callable[..., Plan]) -> Shard:
    """Some shard; all that counts of it is that it has two targets."""
    return next(many_variants(1, 2, 2).shards())


def rows_to(writer: Any, shard: Shard) -> ShardRows:
    return ShardRows(writer, shard, SETTINGS, ShardReport(shard.name, len(shard.images)))


def image(name: str, *, keep_map: bool = True, label: str | None = None) -> PreparedImage:
    entry = ShardImage(name, f"/{name}", f"etag of {name}", label, (), keep_map)
    return PreparedImage(entry, np.zeros((SIDE, SIDE, 3), np.float32), BOXES, label, "sha", 9, 8)


def some_map(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(SIDE, SIDE)).astype(np.float32)


def row(name: str, target: str = "a", **changes: Any) -> dict[str, Any]:
    """What is known of a map beside its own numbers."""
    return {
        "image_id": name, "label": None, "target": target, "target_index": 0, "other_index": None,
        "prediction": None,
        "prediction_index": 1, "prediction_probability": 0.5, "target_probability": 0.5, "score": 0.5,
        "score_baseline": 0.25, "steps": 4, "precision": "float32", "device": "cpu",
        "image_etag": f"etag of {name}", "image_sha256": "sha", "image_width": 9, "image_height": 8,
        "boxes_clipped": 0, "boxes_skipped": 0,
        "weights_sha256": "w", **changes,
    }  # fmt: skip


def add(rows: ShardRows, name: str, target: str = "a", seed: int = 0, **how: Any) -> None:
    rows.add(image(name, **how), row(name, target), some_map(seed), float("nan"))


# What reaches the writer


def test_a_row_is_what_was_given_and_what_its_map_says(shard: Shard) -> None:
    writer, given_row, attribution = Recorder(), row("x", score=0.75), some_map()
    with rows_to(writer, shard) as rows:
        rows.add(image("x"), given_row, attribution, 0.02)
        rows.commit()
    (found,) = writer.stats
    measured = map_statistics(attribution)
    expected = {**given_row, **measured, "map_error": 0.02, "spread": None}
    expected |= convergence(expected, 0.01, SETTINGS.atol)
    assert set(found) == set(expected)
    np.testing.assert_equal(found, expected)
    place = {"image_id": "x", "target": "a"}
    assert writer.boxes == [place | box for box in box_statistics(attribution, BOXES)]


def test_a_map_that_was_measured_is_not_measured_again_nor_needed_unless_kept(shard: Shard) -> None:
    writer, other = Recorder(), measure(some_map(1), BOXES)
    with rows_to(writer, shard) as rows:
        rows.add(image("x", keep_map=False), row("x"), None, 0.02, other)
        rows.add(image("y"), row("y"), some_map(0), 0.02, other)
        rows.add(image("z"), row("z"), None, 0.02, MeasuredMap(3, None, []))
        rows.commit()
    for found in writer.stats:
        assert other.statistics is not None
        assert found["sum"] == other.statistics["sum"]
    assert [found["image_id"] for found in writer.boxes] == ["x", "x", "y", "y"]
    ((ids, _, maps),) = writer.maps
    assert ids == ("y",)
    np.testing.assert_array_equal(maps, [some_map(0)])
    assert [lost["error"] for lost in writer.lost] == ["the map holds 3 values that are NaN or infinite"]


def test_a_row_has_all_columns_but_those_of_its_commit(shard: Shard) -> None:
    writer = Recorder()
    with rows_to(writer, shard) as rows:
        add(rows, "x")
        rows.commit()
    own = {
        "variant_id",
        "attempt",
        "fingerprint",
        "attributions_bytes",
        "box_stats_bytes",
        "quarantine_bytes",
        "label_maps",
    }
    assert set(writer.stats[0]) == set(schemas.IMAGE_STATS.names) - own


def test_an_error_that_was_not_estimated_is_null(shard: Shard) -> None:
    writer = Recorder()
    with rows_to(writer, shard) as rows:
        add(rows, "x")
        rows.commit()
    assert writer.stats[0]["map_error"] is None


kinds = st.sampled_from(["map", "not kept", "not finite", "refused", "missed"])


@given(st.lists(kinds, max_size=60))
def test_everything_arrives_once_and_in_order_and_is_counted(shard: Shard, given_kinds: list[str]) -> None:
    """Maps, unusable maps, refused images and missing labels, in any order; nothing overtakes its kind."""
    writer = Recorder()
    with rows_to(writer, shard) as rows:
        for number, kind in enumerate(given_kinds):
            name = f"i{number}"
            if kind == "refused":
                rows.refuse(RefusedImage(image(name).entry, "broken"))
            elif kind == "missed":
                rows.miss(image(name), ["label"])
            elif kind == "not finite":
                rows.add(image(name), row(name), np.full((SIDE, SIDE), np.nan, np.float32), 0.0)
            else:
                add(rows, name, seed=number, keep_map=kind == "map")
        rows.commit()
    names = [(f"i{number}", kind) for number, kind in enumerate(given_kinds)]
    computed = [name for name, kind in names if kind in ("map", "not kept")]
    assert [found["image_id"] for found in writer.stats] == computed
    assert [found["image_id"] for found in writer.boxes] == [name for name in computed for _ in BOXES]
    assert [found["image_id"] for found in writer.lost] == [
        name for name, kind in names if kind not in ("map", "not kept")
    ]
    kept = [(number, name) for number, (name, kind) in enumerate(names) if kind == "map"]
    assert list(itertools.chain(*(ids for ids, _, _ in writer.maps))) == [name for _, name in kept]
    for (number, _), array in zip(kept, itertools.chain(*(maps for _, _, maps in writer.maps)), strict=True):
        np.testing.assert_array_equal(array, some_map(number))
    assert rows.report.rows == len(computed)
    refused = given_kinds.count("refused")
    assert rows.report.quarantined == len(writer.lost) + refused  # a refused image lacks both its targets
    assert writer.committed


def test_maps_go_out_in_groups_of_images_and_the_rest_at_the_end(shard: Shard) -> None:
    writer, images = Recorder(), 2 * MAP_GROUP_IMAGES + 3
    with rows_to(writer, shard) as rows:
        for number in range(images):
            for target in shard.targets:
                add(rows, f"i{number}", target)
        rows.commit()
    assert [len(maps) for _, _, maps in writer.maps] == [16, 16, 6]
    assert all(names == shard.targets * (len(names) // 2) for _, names, _ in writer.maps)
    assert all(maps.dtype == np.float32 for _, _, maps in writer.maps)


def test_a_shard_without_a_kept_map_writes_none(shard: Shard) -> None:
    writer = Recorder()
    with rows_to(writer, shard) as rows:
        add(rows, "x", keep_map=False)
        rows.commit()
    assert (writer.maps, len(writer.stats)) == ([], 1)


# What is lost


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_no_number_is_in_quarantine_and_nowhere_else(shard: Shard, bad: float) -> None:
    writer, attribution = Recorder(), some_map()
    attribution[1, :3] = bad
    with rows_to(writer, shard) as rows:
        rows.add(image("x"), row("x", "b"), attribution, 0.0)
        rows.commit()
    assert writer.lost == [
        {
            "image_id": "x", "target": "b", "stage": "attribution", "image_etag": "etag of x",
            "error": "the map holds 3 values that are NaN or infinite",
        }
    ]  # fmt: skip
    assert (writer.stats, writer.boxes, writer.maps) == ([], [], [])
    assert (rows.report.rows, rows.report.quarantined) == (0, 1)


@pytest.mark.parametrize("name", ["score", "score_baseline", "target_probability", "prediction_probability"])
@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
def test_a_map_whose_scores_are_no_numbers_is_in_quarantine(shard: Shard, name: str, bad: float) -> None:
    writer = Recorder()
    with rows_to(writer, shard) as rows:
        rows.add(image("x"), row("x", **{name: bad}), some_map(), 0.0)
        rows.commit()
    assert [lost["error"] for lost in writer.lost] == [f"the model's {name} is {bad}"]
    assert (writer.stats, writer.maps) == ([], [])


def test_a_refused_image_is_one_row_that_stands_for_all_targets(shard: Shard) -> None:
    writer = Recorder()
    with rows_to(writer, shard) as rows:
        rows.refuse(RefusedImage(image("x").entry, "broken\n  in  two"))
        rows.commit()
    assert writer.lost == [quarantine_row("x", "etag of x", None, "image", "broken in two")]
    assert rows.report.quarantined == len(shard.targets) == 2


@pytest.mark.parametrize(
    ("label", "message"),
    [(None, "the image has no label"), ("dodo", "'dodo' is no class of the model")],
)
def test_a_missing_label_is_reported_as_missing_or_unknown(
    shard: Shard, label: str | None, message: str
) -> None:
    writer = Recorder()
    with rows_to(writer, shard) as rows:
        rows.miss(image("x", label=label), ["label"])
        rows.miss(image("y", label=label), [])
        rows.commit()
    (lost,) = writer.lost
    assert (lost["image_id"], lost["target"], lost["stage"]) == ("x", "label", "target")
    assert message in lost["error"]
    assert rows.report.quarantined == 1


def test_the_columns_of_a_quarantine_row_are_those_of_its_file() -> None:
    assert {"variant_id", *quarantine_row("x", "1", None, "image", "e")} == set(schemas.QUARANTINE.names)


# The thread


def failing(what: str) -> Recorder:
    def before(name: str) -> None:
        if name == what:
            raise OSError(f"no space for {what}")

    return Recorder(before)


@pytest.mark.parametrize("what", ["image_stats", "box_stats", "quarantine", "maps"])
def test_a_fault_of_the_writing_thread_comes_out_at_the_latest_with_the_commit(
    shard: Shard, what: str
) -> None:
    writer = failing(what)

    def write() -> None:
        with rows_to(writer, shard) as rows:
            add(rows, "x")
            rows.refuse(RefusedImage(image("y").entry, "broken"))
            rows.commit()

    with pytest.raises(OSError, match=f"no space for {what}"):
        write()
    assert not writer.committed


def test_a_fault_of_the_writing_thread_comes_out_while_more_is_added(shard: Shard) -> None:
    writer = failing("image_stats")

    def write() -> None:
        with rows_to(writer, shard) as rows:
            for number in range(MAPS_WAITING + 2):
                add(rows, f"i{number}")

    with pytest.raises(OSError, match="no space for image_stats"):
        write()


def test_nothing_of_a_shard_with_a_fault_is_committed(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real writer."""
    output = Output(f"memory://rows-{time.time_ns()}")
    monkeypatch.setattr("igbatch.pipeline.rows.measure", lambda attribution, boxes, label_maps: 1 / 0)

    def write() -> None:
        with ShardWriter(output, "v", "s", "f") as writer, rows_to(writer, shard) as rows:
            add(rows, "x")
            rows.commit()

    with pytest.raises(ZeroDivisionError):
        write()
    assert output.files("image_stats") == []


def test_the_real_writer_commits_what_was_added(shard: Shard) -> None:
    output = Output(f"memory://rows-{time.time_ns()}")
    with ShardWriter(output, "v", "s", "f") as writer, rows_to(writer, shard) as rows:
        for number in range(20):
            add(rows, f"i{number}", seed=number)
        rows.refuse(RefusedImage(image("x").entry, "broken"))
        rows.commit()
    stats = output.read_table(output.commit_path("v", "s"))
    assert stats["image_id"].to_pylist() == [f"i{number}" for number in range(20)]
    assert stats["sum"].to_pylist() == [map_statistics(some_map(number))["sum"] for number in range(20)]
    maps = output.read_table(output.data_path("attributions", "v", "s", writer.attempt))
    stored = maps["attribution"].combine_chunks().to_numpy_ndarray()
    np.testing.assert_array_equal(stored, [some_map(number) for number in range(20)])


def test_rows_are_measured_by_one_other_thread_that_ends_with_the_block(shard: Shard) -> None:
    writer = Recorder()
    with rows_to(writer, shard) as rows:
        for number in range(5):
            add(rows, f"i{number}", keep_map=False)
        deadline = time.monotonic() + 10
        while len(writer.stats) < 5:  # it goes on by itself
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert len(writer.threads) == 1
        assert threading.current_thread() not in writer.threads
    assert not any(thread.is_alive() for thread in writer.threads)
    assert not writer.committed


def held_by(gate: threading.Event) -> None:
    assert gate.wait(20)


def test_the_device_waits_where_too_many_maps_do(shard: Shard) -> None:
    """The writer is held; no more than the limit can be added to what it has in hand."""
    gate, added = threading.Event(), []
    writer = Recorder(lambda name: held_by(gate))

    def fill(rows: ShardRows) -> None:
        for number in range(MAPS_WAITING + 5):
            add(rows, f"i{number}", keep_map=False)
            added.append(number)

    with rows_to(writer, shard) as rows:
        device = threading.Thread(target=fill, args=(rows,))
        device.start()
        deadline = time.monotonic() + 10
        while len(added) < MAPS_WAITING and time.monotonic() < deadline:
            time.sleep(0.001)
        device.join(0.1)
        assert device.is_alive()
        assert len(added) == MAPS_WAITING
        gate.set()
        device.join(20)
        rows.commit()
    assert len(added) == len(writer.stats) == MAPS_WAITING + 5


def test_what_waits_is_dropped_where_the_device_fails(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer is held by the first map until the others were dropped."""
    gate = threading.Event()
    writer = Recorder(lambda name: held_by(gate))

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            gate.set()
            super().shutdown(wait=wait)

    monkeypatch.setattr("igbatch.pipeline.rows.ThreadPoolExecutor", Pool)
    with suppress(KeyboardInterrupt), rows_to(writer, shard) as rows:
        for number in range(MAPS_WAITING):
            add(rows, f"i{number}")
        raise KeyboardInterrupt
    assert gate.is_set()
    assert len(writer.stats) <= 1
    assert not writer.committed
