import errno
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from igbatch.errors import ImageError, InputError
from igbatch.images import loading
from igbatch.images.boxes import FittedBoxes, fit_boxes
from igbatch.images.folder import list_folder
from igbatch.images.loading import load_image
from igbatch.images.manifest import list_scenes


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (height, width), dtype=np.uint8)).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


def test_a_listed_file_is_loaded_with_its_digest(tmp_path: Path) -> None:
    (tmp_path / "a b#%41.png").write_bytes(png(30, 20))
    (uri,) = list_folder(str(tmp_path))["uri"].to_pylist()
    loaded = load_image(uri)
    assert loaded.image.mode == "RGB"
    assert loaded.image.size == (30, 20)
    assert loaded.sha256 == hashlib.sha256(png(30, 20)).hexdigest()
    assert loaded.boxes == ()
    assert loaded.label is None


def test_what_cannot_be_used_is_an_image_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="the file is gone"):
        load_image(str(tmp_path / "none.png"))
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="cannot be opened"):
        load_image(str(tmp_path / "bad.png"))
    data = png(30, 20)
    (tmp_path / "large.png").write_bytes(data)
    monkeypatch.setattr(loading, "MAX_FILE_BYTES", len(data))
    load_image(str(tmp_path / "large.png"))
    monkeypatch.setattr(loading, "MAX_FILE_BYTES", len(data) - 1)
    with pytest.raises(ImageError, match="bytes are more than"):
        load_image(str(tmp_path / "large.png"))


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), ImageError),  # stays so
        (OSError(errno.EIO, "Input/output error"), OSError),  # may pass
    ],
)
def test_a_failing_store_is_told_from_a_bad_image(
    failure: OSError, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Store:
        def open_input_file(self, path: str) -> None:
            raise failure

    monkeypatch.setattr(loading, "resolve", lambda uri: (Store(), uri))
    with pytest.raises(expected):
        load_image("s3://bucket/a.png")


def test_an_unknown_scheme_is_an_input_error() -> None:
    with pytest.raises(InputError):
        load_image("nonsense://host/a.png")


@pytest.mark.parametrize(
    ("kind", "label"), [("double", None), ("single", "magpie"), ("empty", None), (None, None)]
)
def test_a_scene_is_drawn_with_its_boxes_and_label(kind: str | None, label: str | None) -> None:
    (uri,) = list_scenes([("scene", 5, kind, label)])["uri"].to_pylist()
    loaded = load_image(uri)
    assert loaded.image.size == (224, 224)
    assert (
        loaded.sha256
        == hashlib.sha256(np.asarray(loaded.image).tobytes()).hexdigest()
        == load_image(uri).sha256
    )
    assert fit_boxes(loaded.boxes, 224, 224) == FittedBoxes(loaded.boxes, 0, ())
    assert len({box.box_id for box in loaded.boxes}) == len(loaded.boxes)
    if kind == "empty":
        assert loaded.boxes == ()
    if kind == "double":
        assert {"eagle", "magpie"} <= {box.label for box in loaded.boxes}
    if label is not None:
        assert loaded.label == label
