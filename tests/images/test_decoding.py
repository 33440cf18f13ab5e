import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from igbatch.errors import ImageError
from igbatch.images.decoding import MAX_PIXELS, TRANSPARENT, decode_upright, probe_header

PHOTOS = Path(__file__).parents[2].parent / "shared/photos"


def decode_image(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture alone."""
    return decode_upright(data, max_pixels=max_pixels)[0]


def encode(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def picture(width: int = 9, height: int = 5) -> Image.Image:
    """A picture without any symmetry."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def pixels(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_return_the_picture(file_format: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encode(picture(), file_format, **options)
    np.testing.assert_array_equal(pixels(decode_image(data)), pixels(picture()))
    assert probe_header(data) == (9, 5, False)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone(file_format: str, orientation: int) -> None:
    """A picture stored turned, with the orientation that says so, is decoded upright."""
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # to be viewed turned by 270
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    upright = Image.new("RGB", (24, 8), "black")
    upright.paste("white", (0, 0, 8, 8))
    upright.paste("red", (16, 4, 24, 8))
    stored = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encode(stored, file_format, exif=exif, **options)
    decoded = pixels(decode_image(data)).astype(int)
    assert np.abs(decoded - pixels(upright)).mean() < 8, "JPEG may blur, nothing may move"
    assert probe_header(data)[:2] == upright.size
    turned = orientation >= 5 and file_format != "TIFF"  # Pillow turns TIFF files itself, and tells no more
    assert probe_header(data).turned == decode_upright(data)[1] == turned


def test_gray_one_bit_and_cmyk_become_rgb() -> None:
    gray = picture().convert("L")
    np.testing.assert_array_equal(pixels(decode_image(encode(gray))), pixels(gray.convert("RGB")))
    bits = picture().convert("1")
    np.testing.assert_array_equal(pixels(decode_image(encode(bits))), pixels(bits.convert("RGB")))
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red = pixels(decode_image(encode(cmyk, "JPEG", quality=100)))
    assert red[..., 0].min() > 200
    assert red[..., 1:].max() < 60


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_their_full_range(file_format: str) -> None:
    samples = np.array([[0, 257, 128 * 257, 65535, 65535 - 257]], dtype=np.uint16)
    decoded = pixels(decode_image(encode(Image.fromarray(samples), file_format)))
    np.testing.assert_array_equal(decoded[0, :, 0], [0, 1, 128, 255, 254])


@given(st.integers(0, 65535))
def test_sixteen_bits_are_rounded_to_the_nearest_level(sample: int) -> None:
    decoded = decode_image(encode(Image.fromarray(np.full((2, 2), sample, dtype=np.uint16))))
    assert abs(pixels(decoded)[0, 0, 0] - sample * 255 / 65535) <= 0.5


def test_integers_beyond_sixteen_bits_and_floats_are_refused() -> None:
    small = Image.fromarray(np.array([[0, 65535]], dtype=np.int32))
    np.testing.assert_array_equal(pixels(decode_image(encode(small, "TIFF")))[0, :, 0], [0, 255])
    for samples in ([[0, 65536]], [[-1, 5]]):
        with pytest.raises(ImageError, match=r"not 0\.\.65535"):
            decode_image(encode(Image.fromarray(np.array(samples, dtype=np.int32)), "TIFF"))
    with pytest.raises(ImageError, match="floating-point"):
        decode_image(encode(Image.fromarray(np.ones((2, 2), dtype=np.float32)), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_on_mid_gray(mode: str) -> None:
    image = picture().convert(mode)
    image.putalpha(Image.new("L", image.size, 255))
    opaque = pixels(decode_image(encode(image)))
    np.testing.assert_array_equal(opaque, pixels(image.convert("RGB")))
    image.putalpha(Image.new("L", image.size, 0))
    assert (pixels(decode_image(encode(image))) == TRANSPARENT).all()
    image.putalpha(Image.new("L", image.size, 128))
    half = pixels(decode_image(encode(image))).astype(float)
    assert np.abs(half - (opaque + np.array(TRANSPARENT, dtype=float)) / 2).max() <= 1


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_transparent_palette_entry_is_mid_gray(file_format: str) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 255, 0, 255, 0])
    image.putpixel((0, 0), 0)
    decoded = pixels(decode_image(encode(image, file_format, transparency=0)))
    assert tuple(decoded[0, 0]) == TRANSPARENT
    assert tuple(decoded[1, 1]) == (0, 0, 255)


def test_transparent_gray_levels_are_mid_gray() -> None:
    eight = Image.fromarray(np.array([[0, 7]], dtype=np.uint8))
    sixteen = Image.fromarray(np.array([[0, 7 * 257]], dtype=np.uint16))
    for image, level in ((eight, 7), (sixteen, 7 * 257)):
        decoded = pixels(decode_image(encode(image, transparency=level)))
        assert tuple(decoded[0, 1]) == TRANSPARENT
        assert tuple(decoded[0, 0]) == (0, 0, 0)


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (pixels(decode_image(data)) == (255, 0, 0)).all()


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP"])
def test_a_truncated_file_is_refused_with_a_reason(file_format: str) -> None:
    data = encode(picture(64, 64), file_format)
    for length in (0, 5, len(data) // 2, len(data) - 30):
        with pytest.raises(ImageError, match=r"it cannot be (opened|decoded): ."):
            decode_image(data[:length])


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"%PDF-1.4", b"\xff\xd8\xff\xe0" + b"\0" * 50])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(data)
    with pytest.raises(ImageError):
        probe_header(data)


def test_other_formats_are_refused_though_pillow_knows_them() -> None:
    with pytest.raises(ImageError, match="none of JPEG, PNG"):
        decode_image(encode(picture(), "PPM"))


@pytest.mark.filterwarnings("error")
@given(st.data())
def test_damaged_bytes_give_a_picture_or_an_image_error(data: st.DataObject) -> None:
    file_format = data.draw(st.sampled_from(["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP"]))
    damaged = bytearray(encode(picture(16, 16), file_format))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_image(bytes(damaged), max_pixels=10_000)
    except ImageError:
        return
    assert decoded.mode == "RGB"
    assert decoded.width * decoded.height <= 10_000


@pytest.mark.filterwarnings("error")
def test_too_many_pixels_are_refused_from_the_header() -> None:
    data = encode(Image.new("1", (400, 300)))
    assert decode_image(data, max_pixels=120_000).size == (400, 300)
    for function in (decode_image, probe_header):
        with pytest.raises(ImageError, match="400 x 300 is more than 119999"):
            function(data, max_pixels=119_999)
    width = (20_000).to_bytes(4, "big")
    forged = data[:16] + width + width + data[24:]
    with pytest.raises(ImageError):
        decode_image(forged)


def test_probe_needs_the_header_only() -> None:
    data = encode(picture(200, 100), "JPEG", quality=95)
    assert probe_header(data[:700])[:2] == (200, 100)
    assert probe_header(io.BytesIO(data))[:2] == (200, 100)


@pytest.mark.filterwarnings("error")
def test_malformed_exif_is_no_orientation() -> None:
    data = encode(picture(), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff nonsense")
    np.testing.assert_array_equal(pixels(decode_image(data)), pixels(picture()))


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs of ../shared/photos are not there")
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("eagle.jpg", (224, 224)),
        ("magpie.jpg", (220, 244)),
        ("eagle_flying.png", (299, 299)),
        ("eagle_perched.png", (1826, 2019)),
    ],
)
def test_photographs(name: str, size: tuple[int, int]) -> None:
    data = (PHOTOS / name).read_bytes()
    decoded = pixels(decode_image(data))
    assert probe_header(data)[:2] == (decoded.shape[1], decoded.shape[0]) == size
    assert decoded.std() > 20, "a photograph has contrast"
