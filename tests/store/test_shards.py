"""Rows of few images are read from the files that may hold them, and are those that a whole scan finds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from igbatch.reduce.study import StudyTables
from igbatch.store import reader as reader_module
from igbatch.store import row_index as row_index_module
from igbatch.store.commit import ShardWriter
from igbatch.store.fingerprint import texts_digest
from igbatch.store.output import Output
from igbatch.store.reader import Reader

IMAGES = [f"image-{(7 * number) % 24:02d}" for number in range(24)]  # in no order of names
FEW = [IMAGES[5], IMAGES[17]]
STUDY = {"name": "s", "images": {"root": "/images"}, "models": {"m": {}}, "targets": ["a"]}

WriteShard = Callable[..., ShardWriter]


@pytest.fixture(autouse=True)
def few_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "FEW", 8)
    monkeypatch.setattr(row_index_module, "FEW", 8)


@pytest.fixture
def study(local_output: Output, lay_out: Callable[..., None], write_shard: WriteShard) -> Output:
    """Eight shards of three images, one of them lost, and the table that says where their rows lie."""
    lay_out(local_output, dict.fromkeys(IMAGES, "1"))
    record = local_output.read_json(local_output.path("study.json"))
    local_output.put_json(local_output.path("study.json"), {**record, "study": STUDY})
    for number in range(8):
        images = IMAGES[3 * number : 3 * number + 3]
        lost = [(images[2], None)] if number == 5 else []
        write_shard(
            local_output, images[: 3 - len(lost)], shard=f"s{number}", version=number, quarantined=lost
        )
    note_shards(local_output)
    return local_output


def note_shards(output: Output) -> None:
    StudyTables.of(Reader(output)).write("shards")


def held(reader: Reader, images: list[str]) -> list[Any]:
    """Everything that is told of some images."""
    maps = []
    for image in images:
        try:
            maps.append(reader.attribution("v", image, "b").tolist())
        except KeyError:
            maps.append(None)
    return [
        reader.rows_of(images).to_pylist(),
        reader.boxes_of(images).to_pylist(),
        reader.quarantine_of("v").to_pylist(),
        maps,
    ]


def by_a_scan(output: Output, images: list[str]) -> list[Any]:
    reader = Reader(output)
    reader.row_index("v")  # known from here on, so that nothing else is asked
    return held(reader, images)


def scanned(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with the shards whose statistics are looked through."""
    paths: list[str] = []
    real = row_index_module.scan

    def scan(output: Output, files: list[str], *args: Any) -> Any:
        paths.extend(path.rsplit("/", 1)[-1].removesuffix(".parquet") for path in files)
        return real(output, files, *args)

    monkeypatch.setattr(row_index_module, "scan", scan)
    return paths


def test_only_the_files_that_hold_few_images_are_looked_through(
    study: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = by_a_scan(study, FEW)
    reader = Reader(study)
    paths = scanned(reader, monkeypatch)
    assert reader.reduced("shards")
    assert held(reader, FEW) == expected
    assert set(paths) == {"s1"}  # the other image has no row
    assert len(expected[2]) == 1
    assert expected[3] == [reader.attribution("v", FEW[0], "b").tolist(), None]
    paths.clear()
    reader.rows_of(IMAGES)  # too many: all are scanned
    assert len(paths) == 8
    with pytest.raises(KeyError, match="no map of variant 'v', image 'unknown'"):
        reader.attribution("v", "unknown", "b")


def test_what_was_committed_since_counts(study: Output, write_shard: WriteShard) -> None:
    before = by_a_scan(study, FEW)
    write_shard(study, [FEW[1], IMAGES[3]], shard="later", version=99)
    reader = Reader(study)
    assert not reader.reduced("shards")
    found = held(reader, FEW)
    assert found == by_a_scan(study, FEW) != before
    assert found[2] == []  # it is no longer lost
    note_shards(study)
    assert Reader(study).reduced("shards")
    assert held(Reader(study), FEW) == found
    study.delete(study.commit_path("v", "later"))
    assert not Reader(study).reduced("shards")
    assert held(Reader(study), FEW) == before


@pytest.mark.parametrize("change", ["etag", "order", "images", "target", "subset"])
def test_a_table_of_another_list_is_not_believed(
    study: Output, lay_out: Callable[..., None], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, targets, subsets = dict.fromkeys(IMAGES, "1"), ["a", "b"], None
    if change == "etag":
        images[FEW[0]] = "2"
    if change == "order":
        images = dict.fromkeys(sorted(IMAGES), "1")
    if change == "images":
        images |= {"one-more": "1"}
    if change == "target":
        targets = ["b"]
    if change == "subset":
        subsets = {"v": IMAGES[:6]}
    lay_out(study, images, ["v"], targets, subsets)
    record = study.read_json(study.path("study.json"))
    study.put_json(study.path("study.json"), {**record, "study": STUDY})
    reader = Reader(study)
    paths = scanned(reader, monkeypatch)
    assert not reader.reduced("shards")
    found = held(reader, FEW)
    assert len(set(paths)) == 8
    note_shards(study)
    assert held(Reader(study), FEW) == found == by_a_scan(study, FEW)


def test_a_digest_of_texts_tells_their_order_and_their_ends_apart() -> None:
    texts = [["a", "b"], ["b", "a"], ["ab"], ["a", "", "b"], []]
    assert len({texts_digest(pa.array(each, pa.string())) for each in texts}) == len(texts)
    whole = pa.array(["x", "a", "b"])
    assert texts_digest(whole.slice(1)) == texts_digest(pa.array(["a", "b"]))


def test_places_of_few_names_are_those_of_many(study: Output) -> None:
    listing = Reader(study).listing
    names = [FEW[1], "unknown", FEW[0], FEW[1]]
    few = [listing.places_of(names[:2]).tolist(), listing.places_of(names[1:3]).tolist()]
    many = listing.places_of([*names, *IMAGES])
    assert few == [many[:2].tolist(), many[1:3].tolist()] == [[17, -1], [-1, 5]]
    np.testing.assert_array_equal(many[4:], np.arange(24))
