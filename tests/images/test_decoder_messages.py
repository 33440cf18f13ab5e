"""What Pillow says of images stays off the terminal while they are decoded, and only then."""

import io
import logging
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from igbatch.errors import ImageError
from igbatch.images.decoder_messages import off_the_terminal
from igbatch.images.decoding import decode_upright, probe_header


def warn_as_pillow(text: str) -> None:
    """Warn as a line of a module of Pillow would."""
    warnings.warn_explicit(
        text, UserWarning, "site-packages/PIL/TiffImagePlugin.py", 1, "PIL.TiffImagePlugin"
    )


def test_pillow_is_silent_within_and_heard_again_after(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("PIL.TiffImagePlugin")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with off_the_terminal():
            warn_as_pillow("within")
            logger.error("within")
            warnings.warn("of another library", stacklevel=1)
        assert list(warnings.filters) == before
        warn_as_pillow("after")
        logger.error("after")
    assert [str(each.message) for each in heard] == ["of another library", "after"]
    assert caplog.messages == ["after"]


def test_of_several_threads_the_last_lets_pillow_speak_again() -> None:
    level, entered, leave = logging.getLogger("PIL").level, threading.Event(), threading.Event()

    def decode() -> None:
        with off_the_terminal():
            entered.set()
            leave.wait(10)

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        thread = threading.Thread(target=decode)
        with off_the_terminal():
            thread.start()
            entered.wait(10)
        warn_as_pillow("while the thread decodes")
        leave.set()
        thread.join()
        warn_as_pillow("after")
        assert list(warnings.filters) == before
    assert [str(each.message) for each in heard] == ["after"]
    assert logging.getLogger("PIL").level == level


def test_it_ends_with_an_error_too() -> None:
    before = list(warnings.filters)
    with pytest.raises(ImageError):
        decode_upright(b"no image")
    assert list(warnings.filters) == before


def damaged_tiff(seed: int) -> bytes:
    """A TIFF file of which some bytes are others."""
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    picture = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    picture.save(buffer, "TIFF", compression="tiff_lzw")
    data = bytearray(buffer.getvalue())
    for place in (*rng.integers(8, len(data), 3), *rng.integers(len(data) - 200, len(data), 2)):
        data[place] = rng.integers(0, 256)
    return bytes(data)


def test_libtiffs_own_lines_are_kept_off_too(capfd: pytest.CaptureFixture[str]) -> None:
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(40):
            try:
                decode_upright(damaged_tiff(seed))
            except ImageError:
                refused += 1
    assert refused > 20
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_without_it_a_process_would_print(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The images of the test above are such that Pillow and libtiff speak of them."""
    folder = tmp_path_factory.mktemp("tiffs")
    for seed in range(40):
        (folder / f"{seed}.tif").write_bytes(damaged_tiff(seed))
    code = (
        "import pathlib, sys\nfrom PIL import Image\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n        Image.open(path).load()\n    except Exception:\n        pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert "UserWarning" in done.stderr
    assert "tempfile.tif" in done.stderr


@pytest.mark.parametrize(("width", "height"), [(10_000, 9_500), (10_001, 10_000), (20_000, 20_000)])
def test_our_limit_judges_how_many_pixels_are_too_many(width: int, height: int) -> None:
    """Pillow warns from 89 million on, and raises from 179 million on."""
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if width * height <= 100_000_000:
            assert probe_header(buffer.getvalue())[:2] == (width, height)
        else:
            with pytest.raises(ImageError, match=r"^too many pixels: .*more than 100000000; make it smaller"):
                probe_header(buffer.getvalue())
