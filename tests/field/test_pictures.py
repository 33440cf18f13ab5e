"""Pictures as people have them: damaged metadata, cut files, more pixels than Pillow likes."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from igbatch.store.output import Output


@pytest.fixture
def pictures(tmp_path: Path, scene_folder: Path) -> Path:
    """A folder of a good picture and of three that Pillow or libtiff would speak of."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    first = sorted(scene_folder.glob("*.png"))[0]
    shutil.copy(first, folder / "good.png")
    picture = Image.open(first).convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "a camera of a name that is not short"
    picture.save(folder / "exif.jpg", exif=exif.tobytes()[:40])
    picture.save(folder / "tags.tif")
    data = bytearray((folder / "tags.tif").read_bytes())
    entries = int.from_bytes(data[4:8], "little") + 2
    data[entries + 4 : entries + 8] = (10**6).to_bytes(4, "little")  # a tag of a million values
    (folder / "tags.tif").write_bytes(data)
    picture.save(folder / "strip.tif", compression="tiff_lzw")
    data = bytearray((folder / "strip.tif").read_bytes())
    data[20:2000] = b"\xff" * 1980
    (folder / "strip.tif").write_bytes(data)
    return folder


def test_damaged_pictures_say_nothing_on_the_terminal(
    pictures: Path,
    tmp_path: Path,
    write_study: Callable[..., Path],
    compute_study: Callable[..., Output],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)  # each has more: Pillow would warn
    study = write_study(images={"root": str(pictures)}, variants=[{"kind": "trained"}])
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        output = compute_study(study, tmp_path / "out", reduce=False)
    assert [str(each.message) for each in heard if "PIL" in each.filename] == []
    assert capfd.readouterr().err == ""
    rows = {
        kind: {
            row["image_id"] for info in output.files(kind) for row in output.read_table(info.path).to_pylist()
        }
        for kind in ("image_stats", "quarantine")
    }
    assert rows["image_stats"] >= {"good.png", "exif.jpg"}
    assert rows["quarantine"] >= {"strip.tif"}
    assert rows["image_stats"] | rows["quarantine"] == {"good.png", "exif.jpg", "tags.tif", "strip.tif"}
