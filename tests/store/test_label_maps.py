"""Label maps on disk: one file for the images of a shard, read back as they were, refused where damaged."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from igbatch.errors import InputError
from igbatch.statistics.partitions import LabelMap
from igbatch.store.label_maps import (
    FOLDER,
    file_name,
    read_label_maps,
    unnamed_label_maps,
    write_label_maps,
)
from igbatch.store.output import Output


def maps_of(seed: int) -> tuple[LabelMap, ...]:
    rng = np.random.default_rng(seed)
    return (
        LabelMap("superpixels", rng.integers(0, 4000, (9, 7)).astype(np.uint16)),
        LabelMap("objects", rng.integers(0, 2, (9, 7)).astype(np.uint16), ("background", f"bird-{seed}")),
    )


def same(found: tuple[LabelMap, ...], expected: tuple[LabelMap, ...]) -> bool:
    return len(found) == len(expected) and all(
        (one.segments, one.names) == (other.segments, other.names)
        and one.labels.dtype == np.uint16
        and np.array_equal(one.labels, other.labels)
        for one, other in zip(found, expected, strict=True)
    )


def test_what_is_written_is_read_and_added_to(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    assert read_label_maps(output, "m", "f") == {}
    write_label_maps(output, "m", "f", {"a": maps_of(1), "b": maps_of(2)})
    write_label_maps(output, "m", "f", {"c": maps_of(3)})
    found = read_label_maps(output, "m", "f")
    assert all(same(found[name], maps_of(seed)) for name, seed in (("a", 1), ("b", 2), ("c", 3)))
    assert list(read_label_maps(output, "m", "f", ["b"])) == ["b"]


def test_a_damaged_file_is_refused_in_a_line(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    write_label_maps(output, "m", "f", {"a": maps_of(1)})
    path = tmp_path / "out" / FOLDER / "m" / "f.parquet"
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content.replace(b"IDAT", b"IDOT")):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="label maps cannot be read"):
            read_label_maps(output, "m", "f")


def test_files_that_no_committed_row_names_are_found(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    assert unnamed_label_maps(output) == []
    for name in ("named", "gone"):
        write_label_maps(output, "m", name, {"a": maps_of(1)})
    output.put_table(output.commit_path("v", "s"), pa.table({"label_maps": [None, "named"]}))
    output.put_table(output.commit_path("w", "of-before"), pa.table({"image_id": ["a"]}))
    assert unnamed_label_maps(output) == [output.path(FOLDER, "m", "gone.parquet")]


def test_another_image_etag_or_number_is_another_file() -> None:
    images, facts = [("a", "1"), ("b", "2")], {"superpixels": 64}
    names = {
        file_name(images, facts), file_name(images[:1], facts), file_name([("a", "1"), ("b", "3")], facts),
        file_name(images, {"superpixels": 32}),
    }  # fmt: skip
    assert len(names) == 4
    assert file_name(list(images), dict(facts)) in names
