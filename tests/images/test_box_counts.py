from dataclasses import fields, replace

import pytest

from igbatch.images.box_counts import BoxCounts

COUNTS = BoxCounts(boxes=812, images=200, study_images=200)


def test_what_is_as_it_should_be_takes_few_words() -> None:
    assert COUNTS.words() == "812 boxes on 200 of 200 images"
    assert BoxCounts(1, 1, 1).words() == "1 box on 1 of 1 image"
    assert COUNTS.exceptions() == []


@pytest.mark.parametrize(
    ("name", "one", "several"),
    [
        (
            "unknown_images",
            "1 of the file's images is not in",
            "117,000 of the file's images are not in the study",
        ),
        ("crowd", "1 crowd region is left out", "117,000 crowd regions are left out"),
        (
            "unusable",
            "1 box without extent or numbers is skipped",
            "117,000 boxes without extent or numbers are",
        ),
        ("outside", "1 box outside its image is skipped", "117,000 boxes outside their images are skipped"),
        ("clipped", "1 box reaches up to a pixel outside", "117,000 boxes reach up to a pixel outside"),
        ("duplicates", "1 box repeats another", "117,000 boxes repeat others"),
        (
            "within",
            "1 box lies within another of its label",
            "117,000 boxes lie within others of their label",
        ),
        (
            "overlapping",
            "1 image whose boxes of a label overlap in part is left out",
            "117,000 images whose",
        ),
        ("unchecked", "1 box will be checked", "117,000 boxes will be checked as the images are read"),
    ],
)
def test_every_count_is_reported(name: str, one: str, several: str) -> None:
    for number, words in ((1, one), (117_000, several)):
        assert words in replace(COUNTS, **{name: number}).words()


def test_counts_come_back_from_their_record() -> None:
    every = BoxCounts(*range(len(fields(BoxCounts))))
    assert BoxCounts(**every.record()) == every
