from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import timm.data
from hypothesis import given, reject
from hypothesis import strategies as st
from PIL import Image

from igbatch.errors import ImageError, InputError
from igbatch.images.decoding import decode_upright
from igbatch.images.preprocessing import Preprocessing

TIMM_DATA: Any = timm.data
PHOTOS = Path(__file__).parents[2].parent / "shared/photos"


def data_config(**changes: Any) -> dict[str, Any]:
    config = TIMM_DATA.resolve_data_config(args={}, pretrained_cfg={"input_size": (3, 224, 224)})
    return {**config, **changes}


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8))


def assert_equal_to_timm(image: Image.Image, config: dict[str, Any]) -> None:
    ours = Preprocessing.from_data_config(config)
    result = ours.normalize(ours.pixels(image))
    expected = TIMM_DATA.create_transform(**config, is_training=False)(image).numpy()
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    "size", [(224, 224), (300, 200), (131, 257), (40, 31), (1, 1), (1000, 240), (256, 256)]
)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("crop_pct", [0.9, 1.0])
def test_equals_timm(size: tuple[int, int], interpolation: str, crop_mode: str, crop_pct: float) -> None:
    config = data_config(interpolation=interpolation, crop_mode=crop_mode, crop_pct=crop_pct)
    assert_equal_to_timm(noise(*size), config)


@given(st.data())
def test_equals_timm_whatever_the_numbers(data: st.DataObject) -> None:
    side = st.integers(8, 96)
    unit = st.floats(0.05, 0.95)
    config = data_config(
        input_size=(3, data.draw(side), data.draw(side)),
        interpolation=data.draw(
            st.sampled_from(["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"])
        ),
        crop_mode=data.draw(st.sampled_from(["center", "squash", "border"])),
        crop_pct=data.draw(st.floats(0.5, 1.25)),
        mean=data.draw(st.tuples(unit, unit, unit)),
        std=data.draw(st.tuples(unit, unit, unit)),
    )
    size = data.draw(st.integers(5, 150)), data.draw(st.integers(5, 150))
    try:
        Preprocessing.from_data_config(config).geometry(*size)
    except ImageError:  # so narrow that nothing would be left of it
        reject()
    assert_equal_to_timm(noise(*size), config)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs of ../shared/photos are not there")
@pytest.mark.parametrize("name", ["eagle.jpg", "magpie.jpg", "eagle_flying.png", "eagle_perched.png"])
def test_photographs_as_a_swin_of_timm_sees_them(name: str) -> None:
    image, _ = decode_upright((PHOTOS / name).read_bytes())
    known: Any = timm.get_pretrained_cfg("swin_tiny_patch4_window7_224")
    config = TIMM_DATA.resolve_data_config(pretrained_cfg=known.to_dict())
    assert_equal_to_timm(image, config)


def test_pixels_are_the_picture_where_nothing_is_resized() -> None:
    image = noise(224, 224)
    ours = Preprocessing.from_data_config(data_config(crop_pct=1.0))
    np.testing.assert_array_equal(np.round(ours.pixels(image) * 255), np.asarray(image))


def test_survives_serialisation() -> None:
    ours = Preprocessing.from_data_config(data_config(crop_mode="squash"))
    assert Preprocessing.model_validate_json(ours.model_dump_json()) == ours
    assert hash(ours) == hash(Preprocessing(**ours.model_dump()))


@pytest.mark.parametrize(
    "change",
    [
        {"crop_mode": "corner"},
        {"interpolation": "random"},
        {"input_size": (1, 224, 224)},
        {"crop_pct": 0},
        {"mean": (0.5,)},
        {"std": (0.5, 0.0, 0.5)},
        {"input_size": (3, 0, 224)},
    ],
)
def test_unsupported_values_are_named(change: dict[str, Any]) -> None:
    (key, value), *_ = change.items()
    with pytest.raises(InputError) as caught:
        Preprocessing.from_data_config(data_config(**change))
    assert key in str(caught.value)
    assert repr(value) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named() -> None:
    config = data_config()
    del config["mean"]
    with pytest.raises(InputError, match="mean"):
        Preprocessing.from_data_config(config)


@pytest.mark.parametrize(("crop_mode", "size"), [("center", (1, 100_000)), ("border", (100_000, 1))])
def test_extreme_proportions_do_not_fill_the_memory(crop_mode: str, size: tuple[int, int]) -> None:
    ours = Preprocessing.from_data_config(data_config(crop_mode=crop_mode))
    with pytest.raises(ImageError, match="would be resized"):
        ours.pixels(Image.new("RGB", size))
