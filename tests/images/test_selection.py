"""Choosing images: the same ones whatever the order of a list, and only such as are there."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.images.selection import Choice, check_choices, select_each, select_images
from igbatch.study import SeededSample
from igbatch.study_file import parse_study

NAMES = [f"image-{number}" for number in range(30)]


def taken(choice: Choice, names: list[str] = NAMES) -> set[str]:
    mask = select_images(choice, pa.chunked_array([names], pa.string()))
    assert (mask.dtype, mask.shape) == (np.bool_, (len(names),))
    return {name for name, is_chosen in zip(names, mask, strict=True) if is_chosen}


def test_all_none_and_some() -> None:
    assert taken("all") == set(NAMES)
    assert taken("none") == set()
    assert taken(("image-7", "image-2", "gone")) == {"image-2", "image-7"}


@given(st.integers(1, 40), st.integers(0, 3), st.permutations(NAMES))
def test_a_sample_follows_from_seed_and_ids_alone(size: int, seed: int, order: list[str]) -> None:
    mine = taken(SeededSample(sample=size, seed=seed))
    assert len(mine) == min(size, len(NAMES))
    assert taken(SeededSample(sample=size, seed=seed), order) == mine
    assert mine <= taken(SeededSample(sample=size + 1, seed=seed))


def test_seeds_choose_differently() -> None:
    samples = {frozenset(taken(SeededSample(sample=5, seed=seed))) for seed in range(20)}
    assert len(samples) > 15


def test_an_image_more_takes_the_place_of_at_most_one() -> None:
    before, after = (taken(SeededSample(sample=5), names) for names in (NAMES, [*NAMES, "new"]))
    assert len(before - after) <= 1
    assert after - before <= {"new"}


def test_equal_choices_are_made_once() -> None:
    ids = pa.chunked_array([NAMES])
    made = select_each(["all", SeededSample(sample=3), SeededSample(sample=3, seed=0), ("image-1",)], ids)
    assert [int(mask.sum()) for mask in made.values()] == [30, 3, 1]
    for choice, mask in made.items():
        np.testing.assert_array_equal(mask, select_images(choice, ids))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"report": {"featured": ["image-1", "x"]}}, r"report.featured: 'x' is not among the study's images"),
        (
            {"variants": [{"kind": "trained"}, {"kind": "trained", "images": ["image-1", "image-99"]}]},
            r"variants.1.images: 'image-99' is not among the study's images; use an image_id of it",
        ),
    ],
)
def test_ids_that_are_no_images_are_refused(changes: dict[str, Any], message: str) -> None:
    content = {"name": "s", "images": {"root": "r"}, "models": {"m": {}}, "targets": ["a"]}
    ids = pa.chunked_array([NAMES])
    check_choices(parse_study(content, "test"), ids)
    with pytest.raises(InputError, match=message) as caught:
        check_choices(parse_study({**content, **changes}, "test"), ids)
    assert "\n" not in str(caught.value)
