"""One scan of a variant gives what its rows give, whatever of its shards counts."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from igbatch.reduce.image_ranges import IMAGE_SCOPES, SCHEMA, image_ranges
from igbatch.reduce.ranges import COLUMNS, RangeSummary, summarise
from igbatch.reduce.variant_scan import grids, scan_variant
from igbatch.results import open_study
from igbatch.statistics.histogram import N_BINS
from igbatch.statistics.patches import PATCH_SIZES
from igbatch.store import schemas
from igbatch.store.commit import stats_bytes
from igbatch.store.output import Output
from igbatch.store.reader import Reader

EVERY = (*COLUMNS, "patches")
IMAGES = [f"image-{number}" for number in range(6)]
TARGETS = ["b", "a", "c"]


def shard(output: Output, name: str, attempt: int, images: list[str], variant: str = "v") -> None:
    """Commit rows of random numbers; the weights tell the attempt."""
    rng = np.random.default_rng([attempt, len(variant)])
    rows = []
    for image in images:
        for target in TARGETS:
            plain: dict[str, Any] = {
                field.name: {pa.string(): "t", pa.bool_(): True, pa.float64(): rng.normal()}.get(
                    field.type, 1
                )
                for field in schemas.IMAGE_STATS
            }
            counts = rng.integers(0, 1000, N_BINS)
            rows.append(plain | {
                "variant_id": variant, "image_id": image, "target": target, "image_etag": "1",
                "histogram": counts, "patches": patches(rng),
                "weights_sha256": f"w{attempt}", "attempt": f"{attempt:03d}",
                "box_stats_bytes": None, "quarantine_bytes": None, "other_index": None,
            })  # fmt: skip
    data = stats_bytes(pa.Table.from_pylist(rows, schema=schemas.IMAGE_STATS), {})
    output.put(output.commit_path(variant, name), data)


def patches(rng: np.random.Generator) -> list[dict[str, Any]]:
    return [
        {
            "size": size, "minimum": -rng.random(), "maximum": rng.random(),
            "histogram": rng.integers(0, 1000, N_BINS), "n_maps": 1,
        }
        for size in PATCH_SIZES
    ]  # fmt: skip


@pytest.fixture
def listed(local_output: Output, lay_out: Callable[..., None]) -> Callable[..., Output]:
    """List images, targets and variants in a new output."""

    def write(
        images: list[str],
        targets: list[str] = TARGETS,
        variants: tuple[str, ...] = ("v",),
        subsets: dict[str, list[str]] | None = None,
    ) -> Output:
        lay_out(local_output, dict.fromkeys(images, "1"), variants, targets, subsets)
        return local_output

    return write


def assert_same(one: RangeSummary, other: RangeSummary) -> None:
    assert (one.minimum, one.maximum, one.n_maps) == (other.minimum, other.maximum, other.n_maps)
    np.testing.assert_array_equal(one.counts, other.counts)
    assert one.patches.keys() == other.patches.keys()
    for size in one.patches:
        assert_same(one.patches[size], other.patches[size])


CASES = {
    "all count": (IMAGES, TARGETS, [("s", 1, IMAGES[:3]), ("t", 2, IMAGES[3:])]),
    "some was computed again": (IMAGES, TARGETS, [("s", 1, IMAGES[:4]), ("t", 2, IMAGES[2:])]),
    "all was computed again": (IMAGES, TARGETS, [("s", 2, IMAGES), ("t", 1, IMAGES), ("u", 3, IMAGES[:1])]),
    "an image is gone": (IMAGES[1:], TARGETS, [("s", 1, IMAGES[:3]), ("t", 2, IMAGES[3:])]),
    "a target is gone": (IMAGES, ["c", "b"], [("s", 1, IMAGES[:3]), ("t", 2, IMAGES[3:])]),
    "nothing is there": (IMAGES, TARGETS, []),
    "nothing counts": (IMAGES[:1], TARGETS, [("s", 1, IMAGES[1:])]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_scan_is_the_summary_of_the_rows_that_count(listed: Callable[..., Output], case: str) -> None:
    images, targets, shards = CASES[case]
    output = listed(images, targets)
    for name, attempt, listed in shards:
        shard(output, name, attempt, listed)
    reader = Reader(output)
    stats = reader.image_stats(["image_id", "target", *COLUMNS, "patches", "weights_sha256"])
    found = scan_variant(Reader(output), "v")
    assert_same(found.ranges, summarise(stats))
    assert found.weights_sha256 == sorted(set(stats["weights_sha256"].to_pylist()))
    expected = np.full((len(images), len(targets)), np.nan)
    for row in stats.to_pylist():
        expected[images.index(row["image_id"]), targets.index(row["target"])] = row["minimum"]
    np.testing.assert_array_equal(found.columns["minimum"], expected)
    np.testing.assert_array_equal(found.present, ~np.isnan(expected))


def test_where_all_of_a_shard_counts_no_histogram_is_read(
    listed: Callable[..., Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = listed(IMAGES)
    shard(output, "s", 1, IMAGES)
    expected = summarise(Reader(output).image_stats(EVERY))
    read: list[str] = []
    real = Reader.current_rows

    def current_rows(self: Reader, columns: Any, index: Any, files: Any) -> Any:
        read.extend(str(file) for file in files)
        return real(self, columns, index, files)

    monkeypatch.setattr(Reader, "current_rows", current_rows)
    assert_same(scan_variant(Reader(output), "v").ranges, expected)
    assert read == []


def test_files_without_a_sum_are_read_row_by_row(listed: Callable[..., Output]) -> None:
    output = listed(IMAGES)
    shard(output, "s", 1, IMAGES[:3])
    shard(output, "t", 2, IMAGES[3:])
    expected = scan_variant(Reader(output), "v").ranges
    path = output.commit_path("v", "s")
    output.put_table(path, output.read_table(path).drop_columns("shard_histogram"))
    assert_same(scan_variant(Reader(output), "v").ranges, expected)


def test_histograms_are_read_some_at_a_time(listed: Callable[..., Output]) -> None:
    """Forty shards of 48 rows hold 3.7 MB of histograms; no more than a part of them is there at once."""
    many = [f"image-{number:04d}" for number in range(640)]
    output = listed(many[1:])
    for start in range(0, 640, 16):
        shard(output, f"s{start:04d}", start + 1, many[start : start + 16])
    whole = 640 * len(TARGETS) * N_BINS * 4
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    peak = 0
    for batch in Reader(output).batches(COLUMNS, "v"):
        peak = max(peak, pa.total_allocated_bytes() - before)
        assert len(batch) <= 48
    assert tracemalloc.get_traced_memory()[1] < whole
    tracemalloc.stop()
    assert peak < 0.7 * whole


def test_ranges_of_all_images_are_those_of_one_at_a_time(computed: Output) -> None:
    study = open_study(computed.uri)
    for scope in IMAGE_SCOPES:
        frame = study.image_ranges(scope)
        assert len(frame) == {"image": 12, "pair": 6, "targets": 6, "models": 3}[scope]
        assert frame["complete"].all()
        for row in frame.to_dict("records"):
            keys = {"image_id": row["image_id"], "variant_id": row["variant_id"], "targets": row["targets"]}
            one = study.scope_range(scope, **keys)
            assert (row["minimum"], row["maximum"]) == (one.minimum, one.maximum)


def test_ranges_with_a_map_missing_are_incomplete(listed: Callable[..., Output]) -> None:
    output = listed(IMAGES[:3], TARGETS, ("v", "ww"))
    shard(output, "s", 1, IMAGES[:3])
    shard(output, "s", 2, IMAGES[:2], "ww")
    reader = Reader(output)
    (models,) = image_ranges(reader, "models")
    assert models.schema.equals(SCHEMA)
    assert models["complete"].to_pylist() == [True, True, False]
    one, other = image_ranges(reader, "pair")
    assert (len(one), len(other)) == (9, 6)
    assert one["complete"].to_pylist() == [True] * 9
    assert {tuple(targets) for targets in one["targets"].to_pylist()} == {("b", "a"), ("b", "c"), ("a", "c")}
    assert [len(table) for table in image_ranges(reader, "targets", "ww")] == [2]
    for wrong in ({"scope": "dataset"}, {"scope": "models", "variant_id": "v"}):
        with pytest.raises(ValueError, match="use one of image, pair, targets, models"):
            list(image_ranges(reader, **wrong))


def test_a_range_of_all_models_lacks_no_map_of_variants_that_are_not_computed_on_its_image(
    listed: Callable[..., Output],
) -> None:
    output = listed(IMAGES[:3], TARGETS, ("v", "ww"), {"ww": IMAGES[1:3]})
    shard(output, "s", 1, IMAGES[:3])
    shard(output, "s", 2, IMAGES[:2], "ww")
    (models,) = image_ranges(Reader(output), "models")
    assert models["complete"].to_pylist() == [True, True, False]
    alone = grids(Reader(output), "v", ["minimum"])["minimum"]
    assert models["minimum"][0].as_py() == alone[0].min()  # the row of `ww` does not count


def test_a_writer_leaves_sums_that_a_scan_takes(computed: Output) -> None:
    reader = Reader(computed)
    for variant_id in reader.variant_ids:
        expected = summarise(reader.image_stats(EVERY, variant_id))
        assert_same(scan_variant(reader, variant_id).ranges, expected)
