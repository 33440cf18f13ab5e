import itertools
from typing import Any

import numpy as np
import pytest

from igbatch.report.figures.accuracy import errors, mark
from igbatch.report.findings.census import take_census
from igbatch.report.sentences import render


def words_of(study: Any) -> str:
    settings = study.study.attribution
    return render("convergence.j2", summary=take_census(study), settings=settings)


def test_errors_are_those_that_convergence_was_judged_by(drawn: Any, noise: Any) -> None:
    maps = {("trained", f"{i}", "eagle"): noise(i, 10.0**-i) for i in range(6)}
    for gap, map_error in itertools.product((0.0, 0.001, 0.02, 0.5), (None, 0.0, 0.049, 0.051)):
        study = drawn(maps, targets=["eagle"], gap=gap, map_error=map_error)
        found = errors(study.image_stats, study.study.attribution)
        assert ((found["error"] <= found["allowed"]) == study.image_stats["converged"]).all()


def test_an_estimated_error_counts_against_the_absolute_sum(drawn: Any, noise: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"])
    stats = study.image_stats.assign(map_error=0.2)
    found = errors(stats, study.study.attribution).iloc[0]
    assert found["error"] == pytest.approx(0.2 * stats["abs_sum"].iloc[0])
    assert found["allowed"] == pytest.approx(0.05 * stats["abs_sum"].iloc[0] + 1e-6)


def test_the_larger_of_estimated_error_and_gap_counts(drawn: Any, noise: Any) -> None:
    for gap, map_error in ((0.3, 0.1), (0.1, 0.3)):
        study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], gap=gap, map_error=map_error)
        found = errors(study.image_stats, study.study.attribution).iloc[0]
        assert found["error"] == pytest.approx(0.3 * study.image_stats["abs_sum"].iloc[0], rel=1e-6)


def test_a_map_whose_stated_error_is_too_large_is_marked(drawn: Any, noise: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], map_error=0.5)
    assert words_of(study).startswith("0 of 1 map converged")
    assert mark(study.image_stats.iloc[0], study.study.attribution).startswith("not converged: off")
    fine = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], map_error=0.04)
    assert words_of(fine).startswith("1 of 1 map converged")
    assert mark(fine.image_stats.iloc[0], fine.study.attribution) == ""


def test_the_worst_map_is_named(drawn: Any, noise: Any) -> None:
    maps = {("trained", f"image-{i}", "eagle"): noise(i) for i in range(3)}
    study = drawn(maps, targets=["eagle"], gap=0.4)
    words = words_of(study)
    assert words.startswith("0 of 3 maps converged")
    stats = study.image_stats
    ratio = stats["convergence_delta"].abs() / (0.05 * stats["score"].abs() + 1e-6)
    assert stats["image_id"].iloc[int(np.argmax(ratio))] in words
    assert mark(stats.iloc[0], study.study.attribution).endswith("(50 steps)")
    assert mark({"converged": True}, {}) == ""
