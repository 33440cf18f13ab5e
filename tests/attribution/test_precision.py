"""The table of precisions."""

import pytest
import torch

from igbatch.attribution.errors import AttributionError
from igbatch.attribution.precision import PRECISIONS, precision_named


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_precision_is_named_after_its_type(name: str) -> None:
    assert precision_named(name).dtype == getattr(torch, name)


def test_an_unknown_precision_is_refused_with_the_fix() -> None:
    with pytest.raises(
        AttributionError, match="precision='float8' is unknown: choose one of float32, float64"
    ):
        precision_named("float8")
