from typing import Any

import numpy as np
import pandas as pd

from igbatch.report.color.style import ColorStyle
from igbatch.report.figures.image_data import ImageMaps, box_names, error_mark
from igbatch.report.figures.scales import color_scale
from igbatch.report.sentences import render
from igbatch.statistics.patches import over_pixels, patch_sums


def words_of(study: Any) -> str:
    settings = study.study.attribution
    return render("convergence.j2", summary=study.totals, settings=settings)


def test_a_map_whose_stated_error_is_too_large_is_marked(drawn: Any, noise: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], map_error=0.5)
    assert words_of(study).startswith("0 of 1 map converged")
    assert error_mark(study.image_stats.iloc[0], study.study.attribution).startswith("not converged: off")
    fine = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], map_error=0.04)
    assert words_of(fine).startswith("1 of 1 map converged")
    assert error_mark(fine.image_stats.iloc[0], fine.study.attribution) == ""


def test_the_worst_map_is_named(drawn: Any, noise: Any) -> None:
    maps = {("trained", f"image-{i}", "eagle"): noise(i) for i in range(3)}
    study = drawn(maps, targets=["eagle"], gap=0.4)
    words = words_of(study)
    assert words.startswith("0 of 3 maps converged")
    stats = study.image_stats
    ratio = stats["convergence_delta"].abs() / (0.05 * stats["score"].abs() + 1e-6)
    assert stats["image_id"].iloc[int(np.argmax(ratio))] in words
    assert error_mark(stats.iloc[0], study.study.attribution).endswith("(50 steps)")
    assert error_mark({"converged": True}, {}) == ""


def test_boxes_of_one_label_are_named_by_the_ids_of_their_file() -> None:
    def names(*rows: tuple[str, str]) -> list[str]:
        return list(box_names(pd.DataFrame(rows, columns=["box_id", "box_label"])).values())

    assert names(("left", "eagle"), ("right", "eagle"), ("m", "magpie")) == [
        "eagle: left",
        "eagle: right",
        "magpie",
    ]
    # numbers are those of the terminal, and not the places of ids, of which eagle-10 comes before eagle-2
    assert names(("eagle-10", "eagle"), ("eagle-2", "eagle"), ("own", "eagle")) == [
        "eagle 10",
        "eagle 2",
        "eagle: own",
    ]


def test_patches_show_their_sums_and_keep_the_total(drawn: Any, noise: Any) -> None:
    values = noise(1)
    study = drawn({("trained", "a", "eagle"): values}, targets=["eagle"])
    maps = ImageMaps(study, "a")
    pixels, patches = (
        maps.panel(
            "trained", "eagle", color_scale(maps, "image", "trained", ["eagle"], ColorStyle(regions=of))
        )
        for of in ("pixel", "patch 4")
    )
    sums = patch_sums(values, 4)
    assert patches.total == pixels.total
    assert (patches.minimum, patches.maximum) == (sums.min(), sums.max())
    np.testing.assert_array_equal(patches.values, over_pixels(sums, 4, values.shape))
    study.kept = False
    maps = ImageMaps(study, "a")
    scale = color_scale(maps, "image", "trained", ["eagle"], ColorStyle(regions="patch 4"))
    lost = maps.panel("trained", "eagle", scale)
    assert (lost.values, lost.minimum, lost.maximum) == (None, sums.min(), sums.max())
    assert lost.total == pixels.total
    before = drawn({("trained", "a", "eagle"): values}, targets=["eagle"], patches=False, kept=False)
    lost = ImageMaps(before, "a").panel("trained", "eagle", scale)
    assert (lost.values, lost.minimum, lost.maximum) == (None, None, None)
