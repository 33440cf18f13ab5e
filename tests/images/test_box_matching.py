"""Names in a box file against images of a study: by id, file name and stem, and what would have matched."""

import unicodedata
from collections.abc import Sequence
from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.images.box_matching import Match, better_match, match_images


def study(*ids: str, root: str = "/root", uris: Sequence[str] | None = None) -> pa.Table:
    return pa.table({"image_id": list(ids), "uri": list(uris or [f"{root}/{each}" for each in ids])})


def places(names: Sequence[str], images: pa.Table, match: Match = "id") -> list[int]:
    found: list[int] = match_images("boxes.csv", pa.array(names), images, match).tolist()
    return found


def refusal(names: Sequence[str], images: pa.Table, match: Match = "id") -> str:
    with pytest.raises(InputError) as caught:
        places(names, images, match)
    return str(caught.value)


IMAGES = study("a.jpg", "birds/b.JPG", "birds/c.d.jpeg")


@pytest.mark.parametrize(
    ("match", "names", "expected"),
    [
        ("id", ["birds/b.JPG", "b.JPG", "a.jpg"], [1, -1, 0]),
        ("name", ["train/b.JPG", "/data/a.jpg", r"C:\data\c.d.jpeg", "d.jpg"], [1, 0, 2, -1]),
        ("stem", ["b", "x/a.png", "c.d", r"..\nothing.jpg"], [1, 0, 2, -1]),
    ],
)
def test_names_find_their_images(match: Match, names: list[str], expected: list[int]) -> None:
    assert places(names, IMAGES, match) == expected


@given(st.lists(st.text("ab./", min_size=1, max_size=6), min_size=1, max_size=8, unique=True), st.data())
def test_ids_match_themselves_and_nothing_else(ids: list[str], data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from([*ids, "other"]), min_size=1, unique=True))
    if names == ["other"]:
        assert "is not in the study" in refusal(names, study(*ids))
    else:
        assert places(names, study(*ids)) == [ids.index(name) if name in ids else -1 for name in names]


def test_the_name_of_a_manifests_image_is_that_of_its_file() -> None:
    images = study("bird-1", "bird-2", uris=["/root/x/1.jpg", "/root/x/2.jpg"])
    assert places(["2.jpg"], images, "name") == [1]
    assert places(["bird-2"], images, "id") == [1]
    assert "images.boxes.match=name would match 1 of the study's 2" in refusal(["2.jpg"], images)


def test_names_of_stores_are_unescaped() -> None:
    uri = f"s3://bucket/{quote('photos/a b%.jpg')}?endpoint_override=x/y.jpg"
    assert places(["a b%.jpg"], study("photos/a b%.jpg", uris=[uri]), "name") == [0]
    assert places(["a%20b?.jpg"], study("a%20b?.jpg"), "name") == [0]


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["train2017/a.jpg", "train2017/b.JPG"], "images.boxes.match=name would match 2 of the study's 3"),
        (["a.png", "b.png", "c.d.png"], "images.boxes.match=stem would match 3 of the study's 3"),
        (
            ["x/A.JPG"],
            "images.boxes.match=name and correcting the names, which differ in upper and lower case",
        ),
        (["a.JPG"], "images.boxes.match=stem would match 1"),
        (["Birds/B.jpg"], "correcting the names, which differ in upper and lower case or in how accents"),
        ([r"birds\b.JPG", "x.jpg"], "images.boxes.match=name would match 1"),
        (["none.jpg"], "correct the names, or the study's images"),
    ],
)
def test_what_would_match_is_tried_and_reported(names: list[str], hint: str) -> None:
    assert hint in refusal(names, IMAGES)


def test_where_file_names_are_ambiguous_folders_and_slashes_are_reported() -> None:
    images = study("a/1.jpg", "b/1.jpg")
    assert "without 'data/train/' and with images.boxes.match=id, would match 2" in refusal(
        ["data/train/a/1.jpg", "data/train/b/1.jpg"], images
    )
    assert "without '/abs/' and with images.boxes.match=id, would match 2" in refusal(
        ["/abs/a/1.jpg", "/abs/b/1.jpg"], images
    )
    assert r"with / for \ and images.boxes.match=id, would match 2" in refusal(
        [r"a\1.jpg", r"b\1.jpg"], images
    )


def test_accents_that_are_written_otherwise_are_reported() -> None:
    names = [unicodedata.normalize("NFD", "Häher.png")]
    assert "in how accents are written, would match 1" in refusal(names, study("Häher.png"))


def test_the_refusal_names_both_sides_and_the_file() -> None:
    message = refusal(["x/a.jpg", "x/z.jpg"], IMAGES)
    assert message.startswith(
        "boxes.csv: none of its 2 images is in the study (it has 'x/a.jpg', the study 'a.jpg'); "
    )


def test_names_that_stand_for_several_images_are_refused_by_name() -> None:
    images = study("a/1.jpg", "b/1.jpg", "2.jpg")
    assert refusal(["1.jpg", "2.jpg"], images, "name") == (
        "boxes.csv: 1 name stands for several images of the study under images.boxes.match=name ('1.jpg' for "
        "'a/1.jpg' and 'b/1.jpg'); use images.boxes.match=id, or make the names differ"
    )
    message = refusal(["x/2.jpg", "y/2.png"], images, "stem")
    assert (
        "several images of the file under images.boxes.match=stem ('2' for 'x/2.jpg' and 'y/2.png')"
        in message
    )


def test_names_that_no_image_of_the_study_has_may_be_ambiguous() -> None:
    assert places(["x/1.jpg", "y/1.jpg", "x/2.jpg"], study("2.jpg"), "name") == [-1, -1, 0]
    assert places(["2.jpg"], study("a/1.jpg", "b/1.jpg", "2.jpg"), "name") == [2]


def test_a_better_way_is_told_only_where_there_is_one() -> None:
    assert better_match(pa.array(["a.jpg", "x.jpg"]), IMAGES, "id") is None
    better = better_match(pa.array(["a.jpg", "b.JPG"]), IMAGES, "id")
    assert better == "images.boxes.match=name would match 2 of the study's 3"
