from pathlib import Path

import pyarrow as pa
import pytest

from igbatch.errors import InputError
from igbatch.images.folder import IMAGE_SCHEMA, list_folder
from igbatch.images.manifest import list_manifest, list_scenes, scene_uri


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with three images, and one outside of it."""
    for name in ("root/a.png", "root/birds/b.png", "root/birds/c d.png", "secret.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "root"


def listed(root: Path, text: str) -> pa.Table:
    """List the images of a manifest."""
    path = root.parent / "manifest.csv"
    path.write_text(text, "utf-8")
    return list_manifest(str(path), str(root))


def test_a_folder(root: Path) -> None:
    images = list_folder(str(root))
    assert images.schema == IMAGE_SCHEMA
    assert images["image_id"].to_pylist() == ["a.png", "birds/b.png", "birds/c d.png"]
    assert [Path(uri) for uri in images["uri"].to_pylist()] == [
        root / name for name in images["image_id"].to_pylist()
    ]
    assert images["label"].null_count == 3


def test_a_manifest_of_all_images_equals_their_folder(root: Path) -> None:
    folder = list_folder(str(root))
    text = "uri\na.png\nbirds/b.png\nbirds/c d.png\n"
    assert listed(root, text) == folder
    messy = f"uri\n./a.png\n{root}/birds//b.png\nbirds//././/c d.png\n"
    assert listed(root, messy) == folder


def test_the_manifests_own_folder_is_the_default_root(root: Path) -> None:
    (root / "list.csv").write_text("uri\na.png\n")
    listed = list_manifest(str(root / "list.csv"))
    assert listed == list_folder(str(root)).slice(0, 1)


def test_a_manifest_keeps_its_order_ids_and_labels(root: Path) -> None:
    images = listed(root, "label,uri,image_id\nmagpie,birds/b.png,second\n,a.png,\n")
    assert images["image_id"].to_pylist() == ["second", "a.png"]
    assert images["label"].to_pylist() == ["magpie", None]
    assert images["uri"].to_pylist() == [str(root / "birds/b.png"), str(root / "a.png")]


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "birds/../../secret.png",
        "birds/..",
        "/etc/passwd",
        "s3://bucket/a.png",
        "file:///a.png",
    ],
)
def test_no_path_leads_out_of_the_root(root: Path, path: str) -> None:
    with pytest.raises(InputError, match=r"manifest\.csv, line 3: uri is .*leads out of") as caught:
        listed(root, f"uri\na.png\n{path}\n")
    assert repr(path) in str(caught.value)


def test_a_sibling_that_begins_like_the_root_is_outside(root: Path) -> None:
    with pytest.raises(InputError, match="leads out of"):
        listed(root, f"uri\n{root}-2/a.png\n")


def test_no_link_leads_out_of_the_root(root: Path) -> None:
    (root / "file.png").symlink_to(root.parent / "secret.png")
    (root / "folder").symlink_to(root.parent)
    (root / "inside.png").symlink_to(root / "a.png")
    for path in ("file.png", "folder/secret.png"):
        with pytest.raises(InputError, match="leads out of"):
            listed(root, f"uri\n{path}\n")
    assert listed(root, "uri\ninside.png\n")["size"].to_pylist() == [len("root/a.png")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uri\na.png\nnone.png\n", r"line 3: uri is 'none\.png': No such file"),
        ("uri\na.png\nbirds\n", "line 3: uri is 'birds': not a file"),
        ("uri\na.png\nbirds/\n", "line 3: uri is 'birds/': it names no file"),
        ("uri,label\na.png,\n,eagle\n", "line 3: uri is '': it names no file"),
        ("uri\na.png\n./a.png\n", r"line 3: image_id a\.png stands twice"),
        ("uri,image_id\na.png,x\nbirds/b.png,y\nbirds/c d.png,x\n", "line 4: image_id x stands twice"),
        ("uri\n", "no line besides the header"),
        ("url\na.png\n", "column uri is missing among url"),
    ],
)
def test_bad_manifests_are_named(root: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        listed(root, text)
    assert "\n" not in str(caught.value)


def test_a_manifest_over_a_store_asks_for_nothing() -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/test-manifest/m.csv", b"uri\nx/a.png\nmemory://test-manifest/b.png\n")
    images = list_manifest("memory://test-manifest/m.csv")
    assert images["image_id"].to_pylist() == ["x/a.png", "b.png"]
    assert images["uri"].to_pylist() == ["memory://test-manifest/x/a.png", "memory://test-manifest/b.png"]
    assert images["size"].null_count == images["etag"].null_count == 2


def test_scenes() -> None:
    images = list_scenes([("two", 7, "double", None), ("one", 3, "single", "magpie"), ("any", 0, None, None)])
    assert images.schema == IMAGE_SCHEMA
    assert images["image_id"].to_pylist() == ["two", "one", "any"]
    assert images["uri"].to_pylist() == ["scene:7?kind=double", "scene:3?kind=single&label=magpie", "scene:0"]
    assert images["label"].to_pylist() == [None, "magpie", None]
    assert len(set(images["etag"].to_pylist())) == 1
    assert images["etag"].null_count == 0


def test_scenes_are_named_once_and_there_are_some() -> None:
    with pytest.raises(InputError, match="no scene"):
        list_scenes([])
    with pytest.raises(InputError, match="x stands twice"):
        list_scenes([("x", 1, None, None), ("x", 2, None, None)])


def test_a_scene_uri_survives_any_name() -> None:
    assert scene_uri(1, "a&b", "ü=?") == "scene:1?kind=a%26b&label=%C3%BC%3D%3F"
