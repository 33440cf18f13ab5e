import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from igbatch.errors import InputError
from igbatch.filesystem import resolve
from igbatch.images.folder import list_folder, uris_under


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_images_of_all_folders_sorted_by_their_path(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b.JPG",
        "a/z.png",
        "a/b/c.webp",
        "a.png",
        "Ä x.tif",
        "notes.txt",
        "a/.hidden.png",
        ".git/x.png",
    )
    (tmp_path / "folder.png").mkdir()
    rows = list_folder(str(tmp_path))
    ids = rows["image_id"].to_pylist()
    assert ids == sorted(["b.JPG", "a/z.png", "a/b/c.webp", "a.png", "Ä x.tif"])
    assert rows["size"].to_pylist() == [len(name.encode()) for name in ids]


def test_nothing_is_opened(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "a.png").chmod(0)
    assert len(list_folder(str(tmp_path))) == 1


def test_the_etag_changes_with_the_file_and_only_then(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    before = list_folder(str(tmp_path))["etag"].to_pylist()
    os.utime(tmp_path / "a.png", ns=(0, 1_234_567_890))
    after = list_folder(str(tmp_path))["etag"].to_pylist()
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_the_root_itself_may_be_a_link_or_a_file_uri(tmp_path: Path) -> None:
    touch(tmp_path, "real one/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real one")
    expected = list_folder(str(tmp_path / "real one"))
    assert list_folder(str(tmp_path / "link")) == expected
    assert list_folder((tmp_path / "real one").as_uri()) == expected


def test_links_stay_within_the_root(tmp_path: Path) -> None:
    touch(tmp_path, "root/a/b.png", "outside/secret.png")
    root = tmp_path / "root"
    (root / "again.png").symlink_to("a/b.png")
    (root / "loop").symlink_to(root)
    assert list_folder(str(root))["image_id"].to_pylist() == ["a/b.png", "again.png"]
    for target in (tmp_path / "outside", tmp_path / "outside/secret.png"):
        (root / "way-out.png").symlink_to(target)
        with pytest.raises(InputError, match=r"way-out\.png: leads out of"):
            list_folder(str(root))
        (root / "way-out.png").unlink()
    (root / "nothing.png").symlink_to("gone.png")
    with pytest.raises(InputError, match="a link to nothing"):
        list_folder(str(root))


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(InputError, match="no image in this folder"):
        list_folder(str(tmp_path))
    for missing in ("none", "notes.txt"):
        with pytest.raises(InputError, match="no such folder"):
            list_folder(str(tmp_path / missing))


def test_a_folder_whose_name_is_not_utf8_is_refused_where_it_holds_an_image(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))
    folder.mkdir()
    assert list_folder(str(tmp_path))["image_id"].to_pylist() == ["a.png"]
    (folder / "b.png").write_bytes(b"")
    with pytest.raises(InputError, match="not UTF-8"):
        list_folder(str(tmp_path))


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.png"))).write_bytes(b"")
    with pytest.raises(InputError, match="not UTF-8"):
        list_folder(str(tmp_path))


def test_a_store_is_listed_like_a_folder(tmp_path: Path) -> None:
    names = ("root/b.png", "root/a/c d.jpg", "root/.x/y.png", "root/notes.txt")
    touch(tmp_path, *names)
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in names:
        memory.pipe(f"/test-folder/{name}", name.encode())
    stored, local = list_folder("memory://test-folder/root"), list_folder(str(tmp_path / "root"))
    assert stored.select(["image_id", "size"]) == local.select(["image_id", "size"])
    assert stored["etag"].null_count == 0
    for uri, image_id in zip(
        uris_under("memory://test-folder/root", stored["image_id"]).to_pylist(),
        stored["image_id"].to_pylist(),
        strict=True,
    ):
        filesystem, path = resolve(uri)
        with filesystem.open_input_file(path) as file:
            assert file.read() == f"root/{image_id}".encode()
    with pytest.raises(InputError, match="no such folder"):
        list_folder("memory://test-folder/none")


@given(st.lists(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1), min_size=1))
def test_uris_of_stores_that_arrow_opens_name_the_same_objects(names: list[str]) -> None:
    """Arrow decodes percent signs in a URI, so that any name must survive the round trip."""
    uris = uris_under("s3://bucket/root?region=us-east-1", pa.chunked_array([names], pa.string()))
    for uri, name in zip(uris.to_pylist(), names, strict=True):
        assert fs.FileSystem.from_uri(uri)[1] == f"bucket/root/{name}"


def test_local_uris_are_absolute_paths(tmp_path: Path) -> None:
    touch(tmp_path, "a b%20c#?.png")
    (uri,) = uris_under(str(tmp_path), list_folder(str(tmp_path))["image_id"]).to_pylist()
    assert Path(uri).read_bytes() == b"a b%20c#?.png"
