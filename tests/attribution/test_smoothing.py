"""Noise of copies: it follows from seed, image and copy, and has the stated deviation."""

import itertools
import math

import numpy as np
import pytest

from igbatch.attribution.smoothing import copy_noise


def test_noise_follows_from_seed_image_and_copy_alone() -> None:
    def noise(*names: object) -> bytes:
        return copy_noise((4, 4, 3), 0.1, *names).tobytes()  # type: ignore[arg-type]

    cases = [*itertools.product((0, 1), ("a", "b", "1:a"), (0, 1, 11)), (11, "a", 0)]
    assert len({noise(*case) for case in cases}) == len(cases)
    assert all(noise(*case) == noise(*case) for case in cases)


def test_noise_is_normal_with_the_stated_deviation() -> None:
    noise = copy_noise((200, 200, 3), 0.25, 0, "a", 0)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 5 * 0.25 / math.sqrt(noise.size)
    assert noise.std() == pytest.approx(0.25, rel=0.02)
    for deviations, share in ((1, 0.6827), (2, 0.9545), (3, 0.9973)):
        assert (np.abs(noise) < 0.25 * deviations).mean() == pytest.approx(share, abs=0.005)
    np.testing.assert_array_equal(
        copy_noise((5, 5, 3), 0.5, 3, "b", 2), 2 * copy_noise((5, 5, 3), 0.25, 3, "b", 2)
    )
