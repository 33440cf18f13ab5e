"""Schemas: what must be there, and maps that every reader of Arrow understands."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from igbatch.images.geometry import MappedBox
from igbatch.statistics.box_stats import box_statistics
from igbatch.statistics.image_stats import convergence, map_statistics
from igbatch.store import schemas


@pytest.mark.parametrize(
    ("schema", "columns"),
    [
        (schemas.IMAGES, "image_id uri size etag label sha256 width height"),
        (schemas.VARIANTS, "variant_id model kind direction seed layers weights_sha256"),
        (
            schemas.IMAGE_STATS,
            "variant_id image_id label target target_index prediction prediction_index score score_baseline "
            "prediction_probability target_probability minimum maximum sum abs_sum positive_sum negative_sum "
            "q01 q50 q99 histogram convergence_delta relative_delta map_error steps converged negligible "
            "precision device",
        ),
        (
            schemas.BOX_STATS,
            "variant_id image_id target box_id box_label x_min y_min x_max y_max visible_fraction pixels sum "
            "positive_sum negative_sum abs_sum share density_ratio contains_peak",
        ),
        (schemas.QUARANTINE, "variant_id image_id target stage error"),
        (schemas.RANGES, "scope minimum maximum n_maps complete"),
    ],
)
def test_the_columns_of_the_design_are_there(schema: pa.Schema, columns: str) -> None:
    assert set(columns.split()) <= set(schema.names)


def test_what_statistics_return_has_its_column() -> None:
    attribution = np.ones((3, 4), dtype=np.float32)
    row = {**map_statistics(attribution), "score": 1.0, "score_baseline": 0.0, "map_error": None}
    assert {*row, *convergence(row, 0.01)} <= set(schemas.IMAGE_STATS.names)
    (box,) = box_statistics(attribution, [MappedBox("a", "eagle", 0, 0, 2, 2, 1.0)])
    assert box.keys() <= set(schemas.BOX_STATS.names)


def test_keys_are_never_null() -> None:
    for schema in (schemas.IMAGE_STATS, schemas.BOX_STATS):
        for name in ("variant_id", "image_id", "target"):
            assert not schema.field(name).nullable
    assert schemas.QUARANTINE.field("target").nullable


def test_statistics_are_plain_columns() -> None:
    """So that pandas, polars and DuckDB need to know no extension type."""
    for schema in (schemas.IMAGES, schemas.VARIANTS, schemas.IMAGE_STATS, schemas.BOX_STATS, schemas.RANGES):
        assert not any(isinstance(field.type, pa.BaseExtensionType) for field in schema)


def test_a_null_where_none_may_be_is_refused_by_the_file_format() -> None:
    row = {"variant_id": "v", "image_id": None, "target": "a", "stage": "s", "error": "e", "image_etag": ""}
    table = pa.Table.from_pylist([row], schema=schemas.QUARANTINE)
    with pytest.raises(pa.ArrowInvalid, match="image_id"):
        pq.write_table(table, pa.BufferOutputStream())


def test_maps_are_the_canonical_tensor_of_their_size() -> None:
    tensor = schemas.attributions(5, 7).field("attribution").type
    assert isinstance(tensor, pa.FixedShapeTensorType)
    assert tensor.extension_name == "arrow.fixed_shape_tensor"
    assert tensor.shape == [5, 7]
    assert tensor.value_type == pa.float32()
    maps = np.arange(70, dtype=np.float32).reshape(2, 5, 7)
    array = pa.FixedShapeTensorArray.from_numpy_ndarray(maps)
    assert array.type == tensor
    np.testing.assert_array_equal(array.to_numpy_ndarray(), maps)
