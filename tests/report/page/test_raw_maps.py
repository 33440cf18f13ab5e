import base64
import zlib

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from igbatch.report.page.raw_maps import WORDS, packed, unpacked
from igbatch.store.encoding import LARGEST

MAPS = hnp.arrays(np.float32, (5, 7), elements=st.floats(-1, 1, width=32, allow_subnormal=False))


@given(values=MAPS, exponent=st.integers(-30, 30))
def test_the_error_is_at_most_a_65534th_of_the_largest_magnitude(values: np.ndarray, exponent: int) -> None:
    largest = float(np.abs(values).max())
    values = (values.astype(np.float64) / (largest or 1) * 10.0**exponent).astype(np.float32)
    text, scale = packed(values)
    errors = np.abs(unpacked(text, scale, (5, 7)) - values)
    assert errors.max() <= float(np.abs(values).max()) / 65534 * (1 + 1e-9)


@given(exponent=st.floats(-40, -30))
def test_the_smallest_maps_are_nearly_kept(exponent: float) -> None:
    values = np.float32(10.0**exponent) * np.linspace(-1, 1, 35, dtype=np.float32).reshape(5, 7)
    text, scale = packed(values)
    error = np.abs(unpacked(text, scale, (5, 7)) - values).max()
    assert error <= max(float(np.abs(values).max()) / 65534, 1e-40) * (1 + 1e-9)


@given(values=MAPS)
def test_the_scale_is_a_float32_that_rounds_towards_zero(values: np.ndarray) -> None:
    largest = float(np.abs(values).max())
    assume(
        largest == 0 or largest > 1e-33
    )  # below, steps of float32 are coarse, and a scale below would clip
    _, scale = packed(values)
    assert float(np.float32(scale)) == scale
    assert scale * LARGEST <= largest
    if largest:
        assert float(np.nextafter(np.float32(scale), np.float32(np.inf))) * LARGEST > largest


@pytest.mark.parametrize("values", [[[0.0, 0.0]], [[0.0, -0.0]]])
def test_a_map_of_nothing_has_the_scale_0(values: list[list[float]]) -> None:
    text, scale = packed(np.array(values, dtype=np.float32))
    assert scale == 0
    assert not unpacked(text, scale, (1, 2)).any()


def test_the_bytes_are_low_ones_then_high_ones() -> None:
    text, scale = packed(np.array([[LARGEST, -1], [256, 0]], dtype=np.float32))
    assert scale == 1
    assert zlib.decompress(base64.b64decode(text)) == bytes([0xFF, 0xFF, 0, 0, 0x7F, 0xFF, 1, 0])


def test_the_sign_and_the_order_of_values_are_kept() -> None:
    values = np.array([[-3e-9, 2e-9], [0, 1e-9]], dtype=np.float32)
    read = unpacked(*packed(values), (2, 2))
    assert (np.sign(read) == np.sign(values)).all()
    assert (read.argsort(axis=None) == values.argsort(axis=None)).all()


def test_the_page_states_the_bound() -> None:
    assert "max|a| / 65534" in WORDS
