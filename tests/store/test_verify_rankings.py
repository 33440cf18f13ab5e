"""Verifying rankings: files that cannot be believed, and rows that explain another class than they say."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output
from igbatch.store.rankings import (
    FOLDER,
    RANKED,
    Ranking,
    RankingStore,
    misranked,
    model_digest,
    ranked_rows,
    stored_rankings,
)
from igbatch.store.verify import verify

RECORD = {"architecture": "swin", "weights": "w", "classes": 5, "data_config": {}}
TARGETS = ["predicted", "top-1", "top-2", "label", "top-hat"]
INDICES = dict(zip(TARGETS, [3, 3, 4, 0, 1], strict=True))
RANKING = {("x", "sha-x"): Ranking([3, 4], [0.6, 0.4])}


@pytest.fixture
def store(local_output: Output) -> RankingStore:
    """Of a study whose rows explain 3 and 4 as the likeliest classes of image `x`."""
    return RankingStore(local_output, "m", model_digest(RECORD))


@pytest.fixture
def commit(
    local_output: Output, made_up_map: Callable[..., Any], stats_row: Callable[..., dict[str, Any]]
) -> Callable[..., None]:
    """Lay out a study of one image and commit its rows, some with another class."""

    def write(**indices: int) -> None:
        settings = {"tolerance": 0.5, "atol": 1e9}
        local_output.put_json(
            local_output.path("study.json"),
            {
                "format": schemas.FORMAT, "target_names": TARGETS, "fingerprint": {"v": settings},
                "study": {"attribution": settings, "store": {"maps": "none"}}, "models": {"m": RECORD},
            },
        )  # fmt: skip
        for name, schema, row in (
            ("images", schemas.IMAGES, {"image_id": "x", "uri": "/x", "etag": "1"}),
            ("variants", schemas.VARIANTS, {"variant_id": "v", "model": "m", "kind": "random"}),
        ):
            table = pa.Table.from_pylist([row], schema=schema)
            local_output.put_table(local_output.path(f"{name}.parquet"), table)
        with ShardWriter(local_output, "v", "s", digest(settings)) as writer:
            for target, index in {
                **INDICES,
                **{"-".join(k.split("_")): v for k, v in indices.items()},
            }.items():
                row = stats_row("x", target, made_up_map(target), target_index=index)
                row |= {"score_baseline": 0.25, "score": 0.25 + row["sum"]}
                row["convergence_delta"] = row["sum"] - (row["score"] - 0.25)
                writer.add_image_stats([row])
            writer.commit()

    return write


def problems(output: Output, **how: Any) -> list[tuple[str, str, str]]:
    return [(found.kind, found.where, found.what) for found in verify(output, **how).problems]


def test_rows_that_follow_their_rankings_are_good(
    local_output: Output, store: RankingStore, commit: Callable[..., None]
) -> None:
    commit()
    assert problems(local_output) == []
    store.keep(["x"], RANKING)
    assert problems(local_output) == []


def test_a_row_of_another_class_is_named(
    local_output: Output, store: RankingStore, commit: Callable[..., None]
) -> None:
    commit(top_2=2, label=9)
    store.keep(["x"], RANKING)
    found = ("ranking", "v/x/top-2", "explains class 2, its image's ranking says 4")
    assert problems(local_output) == [found]
    assert problems(local_output, quick=True) == []


def test_rankings_of_another_image_or_of_too_few_classes_say_nothing(
    local_output: Output, store: RankingStore, commit: Callable[..., None]
) -> None:
    commit(top_2=2)
    store.keep(["x"], {("x", "of other bytes"): Ranking([1, 1], [0.5, 0.5])})
    store.keep(["x", "y"], {("x", "sha-x"): Ranking([3], [0.6])})
    assert problems(local_output) == []
    store.keep(["w", "x"], RANKING)
    assert [where for _, where, _ in problems(local_output)] == ["v/x/top-2"]


@pytest.mark.parametrize("what", ["not a whole file of rankings", "is of another model"])
def test_a_file_that_cannot_be_believed_is_named_with_what_to_do(
    local_output: Output, store: RankingStore, commit: Callable[..., None], what: str
) -> None:
    commit(predicted=1)
    other = RankingStore(local_output, "m", model_digest({**RECORD, "weights": "others"}))
    writer = other if "another" in what else store
    writer.keep(["x"], RANKING)
    (info,) = local_output.files(FOLDER)
    if writer is store:
        local_output.put(info.path, local_output.read(info.path)[:50])
    ((kind, where, message),) = problems(local_output)
    assert (kind, where) == ("ranking", info.path.removeprefix(local_output.path() + "/"))
    assert message.startswith(what)
    assert message.endswith("; delete it: a run ranks its images again where it needs them")
    local_output.delete(info.path)
    assert problems(local_output) == []


def test_there_may_be_no_rows_and_no_rankings(local_output: Output, store: RankingStore) -> None:
    nothing = stored_rankings(local_output, "m", RECORD, [])
    rows = pa.table({"image_id": ["x"], "image_sha256": ["sha-x"], "target": ["top-2"], "target_index": [4]})
    assert list(misranked(rows.cast(RANKED), nothing)) == []
    store.keep(["x"], RANKING)
    some = stored_rankings(local_output, "m", RECORD, [])
    assert list(misranked(RANKED.empty_table(), some)) == list(misranked(RANKED.empty_table(), nothing)) == []
    assert list(misranked(rows.cast(RANKED), some)) == []


def test_only_targets_that_follow_a_ranking_are_looked_at(
    local_output: Output, commit: Callable[..., None]
) -> None:
    commit()
    (info,) = local_output.files("image_stats")
    rows = ranked_rows(local_output.read_table(info.path))
    assert rows["target"].to_pylist() == ["predicted", "top-1", "top-2"]
