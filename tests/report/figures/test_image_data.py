from typing import Any

import numpy as np

from igbatch.report.figures.image_data import error_mark
from igbatch.report.sentences import render


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
