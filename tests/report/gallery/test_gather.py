"""The gallery against the maps and rows that it is made of."""

import zlib
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from igbatch.report.figures.image_data import ShownRows
from igbatch.report.gallery import gather
from igbatch.report.gallery.gather import Gallery, gallery_of, patch_side
from igbatch.report.page import study_data
from igbatch.report.page.study_data import page_data
from igbatch.report.selection import select
from igbatch.statistics.patches import patch_sums

IMAGES = [f"{index}.png" for index in range(6)]
TARGETS = ("eagle", "magpie")
SIDE = 40


def gallery(results: Any) -> Gallery:
    found = wanted(results)
    assert found is not None
    return found


def wanted(results: Any) -> Gallery | None:
    selection = select(results)
    page, _ = page_data(results, selection, ShownRows(results, selection.images))
    return gallery_of(results, page, selection)


def maps_in(found: Gallery, place: int) -> np.ndarray:
    """The patch sums of a set as the script has them: float64 [images, H, W], NaN where there is none."""
    one = found.study.sets[place]
    planes = np.frombuffer(zlib.decompress(b64decode(found.blocks[one.block])), dtype=np.uint8)
    integers = np.ascontiguousarray(planes.reshape(2, -1).T).view("<i2")
    scales = np.array([np.nan if scale is None else scale for scale in one.scales])
    return integers.reshape(-1, one.height, one.width) * scales[:, None, None]


@pytest.fixture
def study(drawn: Any, change_study: Any) -> Callable[..., Any]:
    """Make a study of six images, the last without maps, whose report section is given."""

    def make(report: dict[str, Any] | None = None, **how: Any) -> Any:
        rng = np.random.default_rng(0)
        maps = {
            (variant, image, target): rng.normal(size=(SIDE, SIDE)).astype(np.float32) * magnitude
            for variant, magnitude in (("random-1", 1e-6), ("trained", 1e-3))
            for image in IMAGES[:5]
            for target in TARGETS
        }
        results = drawn(maps, images=IMAGES, **how)
        results.record["models"]["small"]["data_config"]["input_size"] = [3, SIDE, SIDE]
        change_study(results, report={"max_images": 2, **(report or {})})
        return results

    return make


def test_thumbnails_are_the_patch_sums_and_add_up_to_the_map(study: Any) -> None:
    results = study()
    found = gallery(results)
    assert patch_side(results) == found.study.regions == 4
    assert [image.id for image in found.study.images] == IMAGES
    names = [(found.study.variants[one.variant].id, TARGETS[one.target]) for one in found.study.sets]
    assert names == [(v, t) for v in ("trained", "random-1") for t in TARGETS]  # trained ones first
    for place, (variant, target) in enumerate(names):
        one, sums = found.study.sets[place], maps_in(found, place)
        assert one.computed == [True] * 5 + [False]
        assert one.scales[5] is None
        for at, image in enumerate(IMAGES[:5]):
            values, step = results.maps[variant, image, target], float(one.scales[at] or 0)
            assert np.abs(sums[at] - patch_sums(values, 4)).max() <= step / 2 * (1 + 1e-9)
            assert abs(sums[at].sum() - values.sum(dtype=float)) <= sums[at].size * step / 2
            assert one.values[_key(found, "sum of the map")][at] == pytest.approx(
                values.sum(dtype=float), rel=1e-5
            )
    assert all(one.dataset and one.range for one in found.study.sets)
    assert found.sentences == ["It has all 6 images of the study."]


def _key(found: Gallery, title: str) -> str:
    return next(number.key for number in found.study.numbers if number.title == title)


def test_numbers_of_boxes_are_added_up_by_label(study: Any) -> None:
    results = study()
    found = gallery(results)
    rows = results.box_stats
    sums = rows[(rows["variant_id"] == "trained") & (rows["target"] == "magpie")].groupby(
        ["box_label", "image_id"]
    )["sum"]
    for label in ("eagle", "magpie"):
        values = found.study.sets[1].values[_key(found, f"sum in {label} boxes")]
        expected = sums.sum()[label].reindex(IMAGES)
        assert values[:5] == pytest.approx(list(expected[:5]), rel=1e-5)
        assert values[5] is None
    contrast = found.study.values[_key(found, "contrast of targets in a box")]
    assert contrast[:5] == pytest.approx(list(results.image_summary["box_contrast"][:5]), rel=1e-5)


def test_beyond_the_stated_number_the_page_and_a_seeded_sample_are_shown_and_it_says_so(study: Any) -> None:
    found = gallery(study({"gallery": 4, "featured": ["3.png"], "max_images": 1}))
    shown = [image.id for image in found.study.images]
    assert len(shown) == 4
    assert "3.png" in shown
    assert "5.png" not in shown  # it has no map
    assert shown == sorted(shown)
    assert shown == [image.id for image in gallery(study({"gallery": 4, "featured": ["3.png"]})).study.images]
    words = " ".join(found.sentences)
    assert "4 of the study's 6 images" in words
    assert "seed 0" in words
    assert "Left out are 2 images" in words


def test_beyond_the_stated_size_sets_are_left_out_and_it_says_so(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MIN_BYTES", 1)
    monkeypatch.setattr(gather, "BYTES_OF_IMAGE", 1)
    found = gallery(study())
    assert len(found.study.sets) == len(found.blocks) == 1  # the first one is always there
    assert "trained: magpie, random-1: eagle and random-1: magpie" in " ".join(found.sentences)


def test_maps_that_were_not_kept_have_numbers_alone(study: Any) -> None:
    found = gallery(study(kept=False))
    assert not found.blocks
    assert {one.block for one in found.study.sets} == {""}
    assert found.study.sets[0].scales == [None] * 6
    assert found.study.sets[0].computed == [True] * 5 + [False]
    assert found.study.sets[0].values[_key(found, "sum of the map")][0] is not None


def test_an_output_of_before_has_no_joint_ranges_of_patches_and_says_so(study: Any) -> None:
    found = gallery(study(patches=False))
    assert {(one.range, one.dataset) for one in found.study.sets} == {(None, None)}
    assert "not kept by the version" in found.sentences[-1]


def test_it_says_whether_all_classes_of_the_study_are_there(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = study()
    assert gallery(results).study.all_classes
    monkeypatch.setattr(study_data, "MAX_TARGETS", 1)
    assert not gallery(results).study.all_classes
    monkeypatch.setattr(type(results), "contrasts", {"magpie": ("eagle", "owl")})
    assert gallery(results).study.all_classes  # a contrast shares no range with them


def test_without_a_gallery_there_is_no_file_and_no_link(study: Any, rendered: Any) -> None:
    results = study({"gallery": False, "figures": False})
    assert wanted(results) is None
    files = rendered(results)
    assert "report/gallery.html" not in files
    assert b"gallery.html" not in files["report/index.html"]


def test_the_page_and_the_gallery_lead_to_each_other(small_files: dict[str, bytes]) -> None:
    assert b'href="gallery.html"' in small_files["report/index.html"]
    assert b'href="index.html"' in small_files["report/gallery.html"]
