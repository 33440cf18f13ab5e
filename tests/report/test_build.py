import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from igbatch.report.build import left_over

Rendered = Callable[..., dict[str, bytes]]


@pytest.mark.slow
def test_what_a_report_holds(small_study: Any, rendered: Rendered) -> None:
    files = rendered(small_study, figures=True)
    names = {path.removeprefix("report/") for path in files}
    assert {"index.html", "figures/aggregates.png", "tables/box_sums.csv", "tables/quarantine.csv"} <= names
    assert list(files)[-1] == "report/index.html"
    figures = [path for path in files if path.endswith(".png")]
    assert len(figures) == 1 + 2 + 1  # aggregates; a seed figure for each variant; an overview
    assert all(Image.open(io.BytesIO(files[path])).format == "PNG" for path in figures)
    for path in files:
        assert re.fullmatch(r"report/([a-z]+/)?[A-Za-z0-9_.-]+", path)


@pytest.mark.parametrize("targets", [("eagle",), ("eagle", "magpie", "crow")])
def test_any_number_of_targets(drawn: Any, noise: Any, targets: tuple[str, ...], rendered: Rendered) -> None:
    maps = {("trained", "a", t): noise(i) for i, t in enumerate(targets)}
    files = rendered(drawn(maps, targets=targets))
    pairs = len(targets) * (len(targets) - 1) // 2 if len(targets) > 2 else 0
    assert sum(path.endswith(".png") for path in files) == 3 + pairs


def test_one_study_gives_the_same_bytes_twice(
    small_study: Any, small_files: dict[str, bytes], rendered: Rendered
) -> None:
    assert rendered(small_study) == small_files


def test_maps_are_drawn_as_files_only_where_the_study_says_so(
    small_study: Any, rendered: Rendered, change_study: Any
) -> None:
    change_study(small_study, report={"figures": False})
    files = rendered(small_study)
    assert [path for path in files if path.endswith(".png")] == ["report/figures/aggregates.png"]
    assert b"Figures for print (PNG)" not in files["report/index.html"]


def test_what_earlier_reports_left_is_told_from_what_others_put_there(small_files: dict[str, bytes]) -> None:
    assert not left_over(small_files, list(small_files))
    assert left_over([*small_files, "report/notes.html"], ["report/index.html"]) == [
        path for path in small_files if path == "report/gallery.html" or path.startswith("report/figures/")
    ]
