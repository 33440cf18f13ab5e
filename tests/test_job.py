"""Where a report lies, on any store."""

from pathlib import Path

from igbatch.job import report_place, write_report
from igbatch.results import StudyResults
from igbatch.store.output import Output


def test_a_report_on_an_object_store_is_named_by_its_uri(computed: Output, tmp_path: Path) -> None:
    uri = f"memory://{tmp_path.name}/out"
    output = Output(uri)
    for info in computed.files():
        output.put(output.path(info.path.removeprefix(computed.path() + "/")), computed.read(info.path))
    left = ("tables/curve_areas.csv", "figures/a-b-0123abcd.png", "figures/curves.png")
    kept = (
        "mine.html",
        "tables/mine.csv",
        "figures/a.png",
        "figures/mine/a-0123abcd.png",
        "print/a-0123abcd.png",
    )
    for name in (*left, *kept):
        output.put(output.path("report", name), b"")
    place = write_report(StudyResults(uri), output)
    names = {output.relative(info.path).removeprefix("report/") for info in output.files("report")}
    assert not names & set(left)
    assert names >= {*kept, "index.html", "tables/box_sums.csv"}
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
