"""What was derived, and from which state: the same state only where nothing that shows has changed."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from igbatch.images.box_counts import BoxCounts
from igbatch.pipeline import reduction_state as deriving
from igbatch.pipeline.packages import imported_packages
from igbatch.pipeline.plan import Plan, make_plan
from igbatch.pipeline.reduction_state import (
    FILE,
    is_reduced,
    keep_derived,
    keep_reduced,
    read_derived,
    report_state,
    state_of,
)
from igbatch.pipeline.study_images import StudyImages
from igbatch.store.commit import ShardWriter
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output
from igbatch.study_file import parse_study


@pytest.fixture
def output() -> Output:
    return Output(f"memory://derived-{time.time_ns()}")


@pytest.fixture
def plan(many_variants: Callable[..., Plan]) -> Plan:
    """A plan of three images and two variants, with nothing committed."""
    return many_variants(2, 3, 2)


def with_study(plan: Plan, **changes: Any) -> Plan:
    """The plan with other parts of its study, as if the file had been edited."""
    study = parse_study({**plan.resolved.study.model_dump(mode="json"), **changes}, "test")
    return replace(plan, resolved=replace(plan.resolved, study=study))


def with_images(plan: Plan, rows: list[dict[str, Any]]) -> Plan:
    table = pa.Table.from_pylist(rows, schema=plan.images.table.schema)
    return replace(plan, images=StudyImages(table, plan.images.boxes, plan.images.warnings))


def test_the_state_is_the_same_for_the_same_plan_made_again(plan: Plan, output: Output) -> None:
    again = make_plan(plan.resolved, plan.images, output)
    assert state_of(again) == state_of(plan)


def test_another_commit_is_another_state(plan: Plan, output: Output) -> None:
    states = [state_of(plan)]
    spec = plan.resolved.variants[0]
    for image in ("i0", "i1"):
        with ShardWriter(
            output, spec.variant_id, image, digest(plan.resolved.fingerprint_of(spec))
        ) as writer:
            lost = {"image_id": image, "target": None, "image_etag": "1", "stage": "image", "error": "e"}
            writer.add_quarantine([lost])
            writer.commit()
        states.append(state_of(make_plan(plan.resolved, plan.images, output)))
    assert len(set(states)) == 3


@pytest.mark.parametrize(("column", "value"), [("etag", "2"), ("label", "b"), ("image_id", "i9")])
def test_an_image_that_changed_is_another_state(plan: Plan, column: str, value: str) -> None:
    rows = plan.images.table.to_pylist()
    rows[1][column] = value
    assert state_of(with_images(plan, rows)) != state_of(plan)


def test_images_that_come_and_go_are_another_state(plan: Plan) -> None:
    rows = plan.images.table.to_pylist()
    added = [*rows, {**rows[0], "image_id": "i9"}]
    assert len({state_of(with_images(plan, some)) for some in (rows, rows[:2], rows[1:], added, [])}) == 5


def test_what_a_worker_learns_of_an_image_is_not_of_the_state(plan: Plan) -> None:
    rows = [{**row, "width": 9, "height": 8, "sha256": "s"} for row in plan.images.table.to_pylist()]
    assert state_of(with_images(plan, rows)) == state_of(plan)


@pytest.mark.parametrize(
    "changes",
    [
        {"targets": ["a"]},
        {"targets": ["b", "a"]},
        {"variants": [{"kind": "random", "seeds": [0]}]},
        {"title": "another"},
        {"store": {"maps": "none"}},
        {"attribution": {"tolerance": 0.02}},
    ],
    ids=str,
)
def test_another_study_is_another_state(plan: Plan, changes: dict[str, Any]) -> None:
    assert state_of(with_study(plan, **changes)) != state_of(with_study(plan))


@pytest.mark.parametrize(
    "run", [{}, {"shard_images": 1}, {"workers": 7, "retries": 9, "threads": 2}], ids=str
)
def test_how_a_study_is_run_is_not_of_its_state(plan: Plan, run: dict[str, Any]) -> None:
    assert state_of(with_study(plan, run=run)) == state_of(plan)


def test_what_the_report_shows_decides_the_report_alone(plan: Plan) -> None:
    shown = [{}, {"featured": ["i1"]}, {"others": "random"}, {"others": "random", "seed": 1}]
    plans = [with_study(plan, report=report) for report in shown]
    states = [state_of(each) for each in plans]
    assert set(states) == {state_of(plan)}
    assert len({report_state(*pair) for pair in zip(plans, states, strict=True)}) == len(shown)
    assert report_state(plan, "another") != report_state(plan, state_of(plan))


def test_counts_of_boxes_decide_the_report_alone(plan: Plan) -> None:
    found = [None, BoxCounts(2, 1, 3), BoxCounts(2, 1, 3, unknown_images=1)]
    plans = [replace(plan, images=replace(plan.images, box_counts=counts)) for counts in found]
    assert len({state_of(each) for each in plans}) == 1
    assert len({report_state(each, "s") for each in plans}) == 3


def test_how_a_study_is_audited_decides_neither_results_nor_report(plan: Plan) -> None:
    audited = with_study(plan, audit={"faithfulness": {}, "webhook": {"variable": "CHAT"}})
    assert state_of(audited) == state_of(plan)
    assert report_state(audited, "s") == report_state(plan, "s")


def test_curves_that_were_measured_decide_the_report(plan: Plan) -> None:
    states = [report_state(plan, "s", curves=measured) for measured in ("", "c1", "c2")]
    assert states[0] == report_state(plan, "s")
    assert len(set(states)) == 3


def test_another_igbatch_is_another_state(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state_of(plan)
    other = replace(imported_packages(), versions={"igbatch": "another"})
    monkeypatch.setattr(deriving, "imported_packages", lambda: other)
    assert state_of(plan) != before


# The note


def test_nothing_is_known_of_a_new_output_and_looking_writes_nothing(output: Output) -> None:
    assert read_derived(output) == {}
    assert not is_reduced(output, "r1")
    assert output.files() == []


def test_what_is_noted_is_known_and_the_rest_stays(output: Output) -> None:
    keep_derived(output, ranges="r1")
    assert read_derived(output) == {"ranges": "r1"}
    keep_derived(output, report="p1")
    keep_derived(output, ranges="r2")
    keep_derived(output, faithfulness="f1")
    assert read_derived(output) == {"ranges": "r2", "report": "p1", "faithfulness": "f1"}


def test_a_study_is_reduced_in_one_state_while_all_its_tables_are_there(output: Output) -> None:
    names = ("ranges", "aggregates", "summary", "image_summary", "shards", "similarity")
    for name in names:
        output.put(output.path(f"{name}.parquet"), b"a table")
    keep_reduced(output, "r1")
    assert is_reduced(output, "r1")
    assert not is_reduced(output, "r2")
    for name in names:
        data = output.read(output.path(f"{name}.parquet"))
        output.delete(output.path(f"{name}.parquet"))
        assert not is_reduced(output, "r1")
        output.put(output.path(f"{name}.parquet"), data)
    assert is_reduced(output, "r1")


@pytest.mark.parametrize("content", [b"", b'{"ranges": "r1', b"[]", b'"r1"', b"null", b"\xff\xfe"], ids=repr)
def test_a_damaged_note_is_taken_as_unknown_and_written_anew(tmp_path: Path, content: bytes) -> None:
    output = Output(str(tmp_path / "out"))
    keep_derived(output, ranges="r1", report="p1")
    (tmp_path / "out" / FILE).write_bytes(content)
    assert read_derived(output) == {}
    keep_derived(output, ranges="r2")
    assert read_derived(output) == {"ranges": "r2"}
