"""Stored rankings: found again whatever the shard, and a file that cannot be believed is as none."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from igbatch.store import schemas
from igbatch.store.output import Output, table_bytes
from igbatch.store.rankings import Ranking, RankingStore, model_digest, parse_rankings, ranking_bytes

RECORD = {"architecture": "swin", "weights": "sha256:1", "classes": 3, "data_config": {"mean": [0.5]}}
MODEL = model_digest(RECORD)
X, Y = ("x", "sha-x"), ("y", "sha-y")
RANKINGS = {X: Ranking([2, 0], [0.75, 0.25]), Y: Ranking([1, 2], [0.5, 0.5])}


def store(output: Output, model: str = MODEL) -> RankingStore:
    return RankingStore(output, "m", model)


def test_what_is_kept_is_found_by_its_shard(output: Output) -> None:
    store(output).keep(["x", "z", "y"], RANKINGS)
    assert store(output).of_shard(["x", "z", "y"], 2) == RANKINGS
    assert store(output).of_shard(["y", "z", "x"], 1) == {}
    assert store(output).of_shard(["x"], 1) == {}


def test_other_shards_find_it_too_and_what_was_written_meanwhile(output: Output) -> None:
    store(output).keep(["x", "y"], RANKINGS)
    reader = store(output)
    assert reader.of_others(["w", "x"], 1) == {X: RANKINGS[X]}
    added = Ranking([0, 1], [0.9, 0.1])
    store(output).keep(["w"], {("w", "sha-w"): added})
    assert reader.of_others(["w", "x"], 1) == {X: RANKINGS[X], ("w", "sha-w"): added}


def test_rankings_of_too_few_classes_do_not_count_until_they_are_replaced(output: Output) -> None:
    reader = store(output)
    reader.keep(["x"], {X: Ranking([2], [0.75])})
    assert reader.of_shard(["x"], 2) == reader.of_others(["x"], 2) == {}
    assert reader.of_shard(["x"], 1) == reader.of_others(["x"], 1) == {X: Ranking([2], [0.75])}
    store(output).keep(["x"], {X: RANKINGS[X]})
    assert reader.of_shard(["x"], 2) == reader.of_others(["x"], 2) == {X: RANKINGS[X]}


def test_nothing_is_there_at_first(output: Output) -> None:
    assert store(output).of_shard(["x"], 1) == {}
    assert store(output).of_others(["x"], 1) == {}


def test_models_and_their_weights_keep_apart(output: Output) -> None:
    store(output).keep(["x", "y"], RANKINGS)
    other = model_digest({**RECORD, "weights": "sha256:2"})
    assert RankingStore(output, "n", MODEL).of_shard(["x", "y"], 1) == {}
    assert RankingStore(output, "n", MODEL).of_others(["x", "y"], 1) == {}
    assert store(output, other).of_shard(["x", "y"], 1) == {}
    assert store(output, other).of_others(["x", "y"], 1) == {}


@pytest.mark.parametrize("name", RECORD)
def test_the_digest_of_a_model_follows_all_that_decides_its_rankings(name: str) -> None:
    assert model_digest({**RECORD, name: "another"}) != MODEL
    assert model_digest({**RECORD, "class_names": {"eagle": 0}}) == MODEL


def foreign(data: bytes) -> bytes:
    return ranking_bytes([], model_digest({**RECORD, "classes": 4}))


def edited(data: bytes) -> bytes:
    """A row says another class, under the digest of before."""
    table = pq.read_table(pa.BufferReader(data))
    first, *others = table.to_pylist()
    changed = pa.Table.from_pylist([{**first, "classes": [0, 2]}, *others], schema=schemas.RANKINGS)
    return table_bytes(changed.replace_schema_metadata(table.schema.metadata))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "no Parquet": lambda data: b"rankings" * 40,
    "another table": lambda data: table_bytes(pa.table({"image_id": ["x"]})),
    "of nobody": lambda data: table_bytes(parse_rankings(data)[1]),
    "edited": edited,
    "another model's": foreign,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_file_that_cannot_be_believed_is_as_none(
    local_output: Output, damage: Callable[[bytes], bytes]
) -> None:
    whole = store(local_output)
    whole.keep(["x", "y"], RANKINGS)
    path = whole.path(["x", "y"])
    local_output.put(path, damage(local_output.read(path)))
    reader = store(local_output)
    assert reader.of_shard(["x", "y"], 1) == reader.of_others(["x", "y"], 1) == {}
    reader.keep(["x", "y"], RANKINGS)
    assert reader.of_shard(["x", "y"], 1) == reader.of_others(["x", "y"], 1) == RANKINGS


def test_no_flipped_bit_changes_a_ranking(local_output: Output) -> None:
    whole = store(local_output)
    whole.keep(["x", "y"], RANKINGS)
    path = whole.path(["x", "y"])
    data = local_output.read(path)
    for place in range(0, len(data), 7):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        local_output.put(path, bytes(flipped))
        assert store(local_output).of_shard(["x", "y"], 1) in ({}, RANKINGS)


def test_two_that_write_at_once_write_the_same(local_output: Output) -> None:
    found: list[Any] = []
    for _ in range(2):
        store(local_output).keep(["x", "y"], RANKINGS)
        found.append(local_output.read(store(local_output).path(["x", "y"])))
    assert found[0] == found[1]


def test_a_store_that_is_away_is_no_missing_file(
    local_output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str) -> bytes:
        raise OSError("the store is away")

    monkeypatch.setattr(local_output, "read", fail)
    with pytest.raises(OSError, match="away"):
        store(local_output).of_shard(["x"], 1)
