"""The viewer of images of a study: what it holds, and what is refused."""

from typing import Any

import pytest

import igbatch
from igbatch.errors import InputError
from igbatch.report.page.viewer import EmbeddedViewer


def test_a_view_holds_the_images_variants_and_targets_that_are_named(small_study: Any) -> None:
    whole = igbatch.view(small_study, "a.png")
    assert isinstance(whole, EmbeddedViewer)
    assert small_study.view("a.png").html == whole.html
    assert whole.title == "a.png of drawn"
    part = small_study.view(["b.png", "a.png"], variants="trained", targets=["magpie"], height=500)
    held = [view.html.count('<script type="text/plain"') for view in (whole, part)]
    assert held == [4, 2]
    assert part.html.index('"id":"b.png"') < part.html.index('"id":"a.png"')
    assert "height: 500px" in part._repr_html_()
    assert len(whole.html) < 1_000_000


@pytest.mark.parametrize(
    ("images", "more", "words"),
    [
        ("c.png", {}, "image 'c.png' is not in the study"),
        ([], {}, "images: name at least one"),
        (None, {}, "images: None is no id"),
        (3, {}, "images: 3 is no id"),
        (["a.png", "a.png"], {}, "each once"),
        ("a.png", {"variants": ["trained-2"]}, "variant 'trained-2' is not in the study"),
        ("a.png", {"targets": []}, "no target is chosen"),
        ("a.png", {"height": True}, "height True"),
    ],
)
def test_what_the_study_does_not_have_is_refused(
    small_study: Any, images: Any, more: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        small_study.view(images, **more)


def test_more_maps_than_a_view_holds_are_refused(drawn: Any, noise: Any) -> None:
    results = drawn({("trained", str(n), "eagle"): noise(n) for n in range(101)}, targets=["eagle"], boxes=())
    with pytest.raises(InputError, match="101 maps: a view holds at most 100; name fewer images"):
        results.view([str(n) for n in range(101)])
