"""Reducing a study: its ranges are those of the stored maps, and nothing is read but statistics."""

import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from igbatch.errors import InputError
from igbatch.reduce.study import reduce_study, reduce_variant
from igbatch.statistics.aggregates import aggregate_box_sums
from igbatch.statistics.histogram import RELATIVE_ERROR
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.output import Output
from igbatch.store.reader import Reader

TABLES = ("ranges", "aggregates", "images", "variants")


def table(output: Output, name: str) -> pd.DataFrame:
    frame: pd.DataFrame = output.read_table(output.path(f"{name}.parquet")).to_pandas()
    return frame


def stored_pixels(output: Output, variant_id: str | None = None) -> np.ndarray:
    """All attributions that are stored, of one variant or of all."""
    reader = Reader(output)
    rows = reader.image_stats(["variant_id", "image_id", "target"], variant_id).to_pylist()
    return np.concatenate([reader.attribution(*row.values()).ravel() for row in rows])


def test_ranges_are_those_of_the_stored_maps(computed: Output) -> None:
    ranges = table(computed, "ranges")
    assert computed.read_table(computed.path("ranges.parquet")).schema.equals(schemas.RANGES)
    assert ranges["scope"].tolist() == ["variant", "variant", "dataset"]
    assert ranges["variant_id"].tolist()[:2] == Reader(computed).variant_ids
    assert ranges["variant_id"].isna().tolist() == [False, False, True]
    assert ranges["n_maps"].tolist() == [6, 6, 12]
    assert ranges["complete"].all()
    for row in ranges.to_dict("records"):
        pixels = stored_pixels(computed, row["variant_id"] if row["scope"] == "variant" else None)
        assert (row["minimum"], row["maximum"]) == (pixels.min(), pixels.max())
        for name, q in (("q01", 0.01), ("q50", 0.5), ("q99", 0.99)):
            exact = float(np.quantile(pixels.astype(np.float64), q, method="lower"))
            assert abs(row[name] - exact) <= max(RELATIVE_ERROR * abs(exact), 1e-13)
            assert row[name] != 0


def test_aggregates_are_those_of_all_boxes(computed: Output) -> None:
    expected = aggregate_box_sums(Reader(computed).box_stats().to_pandas())
    found = table(computed, "aggregates")
    keys = ["variant_id", "target", "box_label"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True).astype({"expected_sign": "Int8"}),
        expected.sort_values(keys, ignore_index=True),
        check_dtype=False,
    )
    assert len(found)


def test_variants_get_the_digest_of_their_weights(computed: Output) -> None:
    variants = table(computed, "variants")
    rows = Reader(computed).image_stats(["variant_id", "weights_sha256"]).to_pandas().drop_duplicates()
    assert dict(zip(variants["variant_id"], variants["weights_sha256"], strict=True)) == dict(
        rows.to_numpy().tolist()
    )
    assert variants["weights_sha256"].nunique() == 2
    assert computed.read_table(computed.path("variants.parquet")).schema.equals(schemas.VARIANTS)


def test_images_get_what_the_workers_saw(computed: Output) -> None:
    images = computed.read_table(computed.path("images.parquet"))
    assert images.schema.equals(schemas.IMAGES)
    assert images["image_id"].to_pylist() == ["double-00001", "double-00002", "single-magpie-00005"]
    assert images["width"].to_pylist() == images["height"].to_pylist() == [224, 224, 224]
    assert images["label"].to_pylist()[2] == "magpie"
    assert images["label"].null_count == 0
    assert len(set(images["sha256"].to_pylist()) - {None}) == 3


def test_reducing_again_changes_nothing(copy: Output) -> None:
    before = {name: copy.read_table(copy.path(f"{name}.parquet")) for name in TABLES}
    reduce_study(copy)
    for name, expected in before.items():
        assert copy.read_table(copy.path(f"{name}.parquet")) == expected


def test_no_map_is_read(copy: Output) -> None:
    before = table(copy, "ranges")
    shutil.rmtree(copy.path("attributions"))
    copy.delete(copy.path("ranges.parquet"))
    reduce_study(copy)
    pd.testing.assert_frame_equal(table(copy, "ranges"), before)


def test_a_missing_map_makes_its_scopes_incomplete_and_no_other(copy: Output) -> None:
    victim = next(info for info in copy.files("image_stats", "trained"))
    copy.delete(victim.path)
    reduce_study(copy)
    ranges = table(copy, "ranges").set_index("variant_id", drop=False)
    assert ranges["complete"].tolist() == [False, True, False]
    assert ranges["n_maps"].tolist() == [4, 6, 10]
    assert ranges.loc["trained", "maximum"] == stored_pixels(copy, "trained").max()


def test_a_study_without_a_single_row_is_reduced_to_empty_tables(copy: Output) -> None:
    for info in copy.files("image_stats"):
        copy.delete(info.path)
    with ShardWriter(copy, "trained", "s", "f") as writer:
        etag = table(copy, "images")["etag"][0]
        writer.add_quarantine(
            [{"image_id": "double-00001", "target": None, "stage": "image", "error": "e", "image_etag": etag}]
        )
        writer.commit()
    reduce_study(copy)
    assert len(table(copy, "ranges")) == len(table(copy, "aggregates")) == 0
    plain = copy.read_table(copy.path("aggregates.parquet")).schema
    assert plain.remove_metadata() == schemas.AGGREGATES  # texts too, of which there are none
    assert table(copy, "variants")["weights_sha256"].isna().all()
    assert copy.read_table(copy.path("images.parquet"))["sha256"].null_count == 3


def test_parts_come_through_any_door(copy: Output) -> None:
    expected = {name: table(copy, name) for name in TABLES}

    def elsewhere(function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        """As a cluster does it: everything is pickled on its way."""
        for task in tasks:
            function, task = pickle.loads(pickle.dumps((function, task)))
            yield pickle.loads(pickle.dumps(function(task)))

    for name in ("ranges", "aggregates"):
        copy.delete(copy.path(f"{name}.parquet"))
    reduce_study(copy, elsewhere)
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(table(copy, name), frame)


def test_a_part_knows_its_variant(computed: Output) -> None:
    part, images = reduce_variant((computed, "random-3"))
    assert part.variant_id == "random-3"
    assert part.ranges.n_maps == 6
    assert set(part.aggregates["variant_id"]) == {"random-3"}
    assert len(part.weights_sha256) == 1
    assert images.maps.tolist() == [2, 2, 2]


def test_where_no_study_is_there_is_nothing_to_reduce(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no study here"):
        reduce_study(Output(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
