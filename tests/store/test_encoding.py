"""Maps in files: float32 bit for bit, int16 within its stated error, both of them side by side."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from igbatch.errors import InputError
from igbatch.results import open_study
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.encoding import LARGEST, RELATIVE_ERROR, from_int16, map_table, stored_maps, to_int16
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.study_file import load_study

LayOut = Callable[..., None]
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def back(maps: np.ndarray) -> np.ndarray:
    """Maps as they come back from 16-bit integers."""
    return from_int16(*to_int16(maps))


def errors(maps: np.ndarray) -> np.ndarray:
    """The largest error of each map in units of its largest absolute value."""
    exact = maps.astype(np.float64)
    return np.abs(back(maps) - exact).max(axis=(1, 2)) / np.abs(exact).max(axis=(1, 2))


@given(arrays.arrays(np.float32, (3, 2, 4), elements=finite))
def test_no_value_is_off_by_more_than_half_a_scale(maps: np.ndarray) -> None:
    values, scale = to_int16(maps)
    found = from_int16(values, scale)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    exact = maps.astype(np.float64)
    half = scale.astype(np.float64)[:, None, None] / 2
    rounding = np.maximum(np.abs(exact) * 2.0**-23, 1e-45)
    assert (np.abs(found - exact) <= half + rounding).all()
    peaks = np.abs(exact).max(axis=(1, 2))
    normal = peaks > 1e-33
    assert (np.abs(found - exact).max(axis=(1, 2))[normal] <= RELATIVE_ERROR * peaks[normal]).all()
    assert np.abs(values.astype(np.int32)).max(initial=0) <= LARGEST


@pytest.mark.parametrize("peak", [1e-30, 1e-12, 1e-7, 1.0, 3e38])
def test_the_error_is_relative_to_the_map_however_faint(peak: float) -> None:
    maps = np.random.default_rng(0).normal(size=(4, 20, 20))
    maps = (maps / np.abs(maps).max(axis=(1, 2), keepdims=True) * peak).astype(np.float32)
    assert (errors(maps) <= RELATIVE_ERROR).all()
    assert (errors(maps) > RELATIVE_ERROR / 10).all()  # it is no exact copy
    peaks = np.abs(maps).argmax(axis=None)
    assert back(maps).ravel()[peaks] == pytest.approx(maps.ravel()[peaks], rel=1e-6)


def test_a_bright_map_does_not_dim_a_faint_one_beside_it() -> None:
    faint = np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32) * np.float32(1e-12)
    maps = np.stack([np.ones((5, 5), np.float32), faint])
    assert (errors(maps) <= RELATIVE_ERROR).all()


def test_maps_of_zeros_stay_zeros() -> None:
    maps = np.zeros((2, 3, 3), np.float32)
    maps[1] = -0.0
    values, scale = to_int16(maps)
    assert not values.any()
    assert not scale.any()
    assert not back(maps).any()


def test_the_smallest_and_the_largest_numbers_survive() -> None:
    tiny, huge = np.float32(1e-45), np.finfo(np.float32).max
    np.testing.assert_array_equal(back(np.full((1, 2, 2), tiny)), np.full((1, 2, 2), tiny))
    found = back(np.array([[[huge, -huge, 0, 1]]], np.float32))
    np.testing.assert_allclose(found, [[[huge, -huge, 0, 0]]], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_maps_that_are_not_finite_are_refused(bad: float) -> None:
    maps = np.zeros((2, 3, 3), np.float32)
    maps[1, 0, 0] = bad
    with pytest.raises(InputError, match="NaN or infinity"):
        to_int16(maps)


def test_float32_maps_are_kept_bit_for_bit() -> None:
    maps = np.array([[[0.0, -0.0, 1e-45, 3e38, np.float32(1) / 3, np.nan]]], np.float32)
    table = map_table("v", ["x"], ["a"], maps)
    assert table.schema.equals(schemas.attributions(1, 6))
    assert stored_maps(table).tobytes() == maps.tobytes()


def write(output: Output, shard: str, images: list[str], maps: np.ndarray, rows: Any, how: Any) -> str:
    with ShardWriter(output, "v", shard, "f", encoding=how) as writer:
        writer.add_maps(images, ["a"] * len(images), maps)
        writer.add_image_stats([rows(image, "a", array) for image, array in zip(images, maps, strict=True)])
        writer.commit()
    return output.data_path("attributions", "v", shard, writer.attempt)


def test_a_study_may_hold_both_encodings(output: Output, lay_out: LayOut, stats_row: Any) -> None:
    lay_out(output, dict.fromkeys("wxyz", "1"), targets=["a"])
    maps = np.random.default_rng(0).normal(size=(4, 6, 6)).astype(np.float32)
    write(output, "s", ["w", "x"], maps[:2], stats_row, "float32")
    write(output, "t", ["y", "z"], maps[2:], stats_row, "int16")
    reader = Reader(output)
    for image, exact in zip("wx", maps[:2], strict=True):
        np.testing.assert_array_equal(reader.attribution("v", image, "a"), exact)
    for image, exact in zip("yz", maps[2:], strict=True):
        found = reader.attribution("v", image, "a")
        assert found.dtype == np.float32
        assert 0 < np.abs(found - exact).max() <= RELATIVE_ERROR * np.abs(exact).max()
    stats = reader.image_stats(["image_id", "maximum"]).to_pylist()
    assert {row["image_id"]: row["maximum"] for row in stats} == {
        image: array.max() for image, array in zip("wxyz", maps, strict=True)
    }


def test_int16_files_are_canonical_tensors_with_a_scale(
    local_output: Output, lay_out: LayOut, stats_row: Any
) -> None:
    lay_out(local_output, {"x": "1", "y": "1"}, targets=["a"])
    maps = np.random.default_rng(0).normal(size=(2, 6, 6)).astype(np.float32) * np.float32(1e-9)
    path = write(local_output, "s", ["x", "y"], maps, stats_row, "int16")
    table = pq.read_table(path, partitioning=None)
    assert table.schema.equals(schemas.attributions(6, 6, "int16"))
    assert table.schema.field("attribution").type == pa.fixed_shape_tensor(pa.int16(), [6, 6])
    frame = pd.read_parquet(path, partitioning=None)
    by_hand = np.stack(frame["attribution"]).reshape(2, 6, 6) * frame["scale"].to_numpy()[:, None, None]
    np.testing.assert_allclose(by_hand, maps, atol=np.abs(maps).max() * RELATIVE_ERROR)
    assert np.abs(maps).max() > 0


@pytest.mark.parametrize("group", [1, 3])
def test_a_map_is_found_in_whatever_row_group(
    local_output: Output, lay_out: LayOut, stats_row: Any, group: int
) -> None:
    images = [f"image-{number}" for number in (3, 1, 2, 0)]
    lay_out(local_output, dict.fromkeys(images, "1"), targets=["a"])
    maps = np.random.default_rng(1).normal(size=(4, 6, 6)).astype(np.float32)
    with ShardWriter(local_output, "v", "s", "f") as writer:
        for start in range(0, 4, group):
            part = slice(start, start + group)
            writer.add_maps(images[part], ["a"] * len(images[part]), maps[part])
        writer.add_image_stats(
            [stats_row(image, "a", each) for image, each in zip(images, maps, strict=True)]
        )
        writer.commit()
    for image, exact in zip(images, maps, strict=True):
        np.testing.assert_array_equal(Reader(local_output).attribution("v", image, "a"), exact)


@pytest.mark.slow
def test_a_study_chooses_the_encoding_and_its_statistics_do_not_change(
    small_study: Path, tmp_path: Path, compute_study: Callable[..., Output]
) -> None:
    trained = "variants=[{kind: trained}]"
    whole = compute_study(small_study, tmp_path / "whole", trained)
    out = compute_study(small_study, tmp_path / "out", trained, "store.encoding=int16")
    exact, kept = open_study(whole.uri), open_study(out.uri)
    names = ["variant_id", "image_id", "target", "minimum", "maximum", "sum", "abs_sum", "q50"]
    pd.testing.assert_frame_equal(kept.image_stats[names], exact.image_stats[names], check_exact=True)
    pd.testing.assert_frame_equal(kept.ranges, exact.ranges, check_exact=True)
    for key in exact.image_stats[names[:3]].to_numpy().tolist():
        one, other = kept.attribution(*key), exact.attribution(*key)
        assert 0 < np.abs(one - other).max() <= RELATIVE_ERROR * np.abs(other).max()
    assert {info.size > 0 for info in out.files("attributions")} == {True}
    assert sum(info.size for info in out.files("attributions")) < 0.7 * sum(
        info.size for info in whole.files("attributions")
    )


def test_another_encoding_is_refused(tiny_study: Path) -> None:
    with pytest.raises(InputError, match=r"store\.encoding: 'float16'"):
        load_study(tiny_study, ["store.encoding=float16"])
