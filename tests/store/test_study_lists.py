"""Which images a variant is computed on: those that its row lists, in whatever order, or all."""

import pyarrow as pa

from igbatch.store import schemas
from igbatch.store.study_lists import requested_images

IDS = pa.array(["x", "y", "z"])


def test_a_variant_is_computed_on_the_images_that_it_lists() -> None:
    rows = [
        {"variant_id": name, "model": "m", "kind": "random", "images": images}
        for name, images in (("all", None), ("two", ["z", "gone", "x"]), ("none", []))
    ]
    table = pa.Table.from_pylist(rows, schema=schemas.VARIANTS)
    assert requested_images(table, "all", IDS) is None
    for name, expected in (("two", [True, False, True]), ("none", [False] * 3)):
        requested = requested_images(table, name, IDS)
        assert requested is not None
        assert requested.tolist() == expected
    assert requested_images(table, "unknown", IDS) is None
    assert requested_images(table.drop_columns(["images"]), "two", IDS) is None
