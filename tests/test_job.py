"""The end of the main job in this process: the report where it is said to lie, and the table of box sums."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from igbatch.job import print_box_sums, report_place, write_report
from igbatch.results import StudyResults, open_study
from igbatch.store.output import Output


def test_a_report_on_an_object_store_is_named_by_its_uri(computed: Output, tmp_path: Path) -> None:
    uri = f"memory://{tmp_path.name}/out"
    output = Output(uri)
    for info in computed.files():
        output.put(output.path(info.path.removeprefix(computed.path() + "/")), computed.read(info.path))
    place = write_report(StudyResults(uri), output)
    assert place == f"{uri}/report/index.html"
    assert b"<!DOCTYPE html>" in output.read(output.path("report", "index.html"))
    assert report_place(Output(f"{uri}/")) == place


def test_a_local_report_is_named_by_its_path(tmp_path: Path) -> None:
    page = str(tmp_path / "out" / "report" / "index.html")
    assert report_place(Output(str(tmp_path / "out"))) == page
    assert report_place(Output(f"file://{tmp_path}/out")) == page


def test_what_a_uri_asks_of_its_store_stays_at_its_end() -> None:
    output = Output("s3://bucket/out?region=eu-west-1")
    assert report_place(output) == "s3://bucket/out/report/index.html?region=eu-west-1"


def test_box_sums_are_printed_of_the_featured_images_without_reading_others(
    computed: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_study(computed.uri).box_stats
    results = open_study(computed.uri)

    def refuse(*_: Any) -> None:
        raise AssertionError("all rows were asked for")

    for name in ("image_stats", "box_stats", "images"):
        monkeypatch.setattr(StudyResults, name, property(refuse))
    for featured in ([], ["double-00002"], ["nothing"]):
        results.study["study"]["report"]["featured"] = featured
        console = Console(file=io.StringIO(), width=200)
        print_box_sums(results, console)
        assert isinstance(console.file, io.StringIO)
        said = console.file.getvalue()
        shown = whole[whole["image_id"].isin(featured or ["double-00001"])]
        if not len(shown):
            assert "no boxes on the featured images" in said
        for row in shown.itertuples():
            assert f"{row.sum:+.3g}" in said
            assert str(row.image_id) in said
