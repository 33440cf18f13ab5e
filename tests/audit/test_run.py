"""Whole audits of small outputs, with one check of our own in the place of the real ones."""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from igbatch.audit import compare, history
from igbatch.audit.files import read_audit, read_past
from igbatch.audit.run import LAST_GOOD, REFERENCE, audit_settings, run_audit
from igbatch.audit.verdict import Check, Comparison, Outcome
from igbatch.errors import InputError, UnfinishedError
from igbatch.results import StudyResults
from igbatch.statistics.histogram import N_BINS
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.lock import output_lock
from igbatch.store.output import Output
from igbatch.study import AuditSection, Study

Make = Callable[..., str]


@pytest.fixture
def study_at(tmp_path: Path) -> Make:
    """Make an output: `study_at(name, rows, ...)` of two images, of which `rows` are committed."""

    def make(
        name: str, rows: int = 2, lost: int = 0, reduced: bool = True, target: str = "eagle", image: str = "i"
    ) -> str:
        output = Output(str(tmp_path / name))
        study = Study.model_validate({
            "name": "small", "images": {"root": "photos"}, "models": {"small": {}}, "targets": [target],
            "audit": {"thresholds": {}},
        })  # fmt: skip
        output.put_json(output.path("study.json"), {
            "format": schemas.FORMAT, "name": "small", "study": study.model_dump(mode="json"),
            "target_names": [target], "targets": {"small": {target: 0}}, "models": {"small": {}},
            "fingerprint": {"trained": {}}, "versions": {}, "hardware": [],
        })  # fmt: skip
        ids = [f"{image}{number}" for number in range(2)]
        images = [
            dict.fromkeys(schemas.IMAGES.names) | {"image_id": each, "uri": each, "size": 1} for each in ids
        ]
        images = [each | {"etag": ""} for each in images]
        variant = dict.fromkeys(schemas.VARIANTS.names) | {
            "variant_id": "trained", "model": "small", "kind": "trained",
        }  # fmt: skip
        output.put_table(output.path("images.parquet"), pa.Table.from_pylist(images, schema=schemas.IMAGES))
        output.put_table(
            output.path("variants.parquet"), pa.Table.from_pylist([variant], schema=schemas.VARIANTS)
        )
        with ShardWriter(output, "trained", "shard", "print") as writer:
            writer.add_image_stats([_row(each, target) for each in ids[:rows]])
            quarantined = [
                {"variant_id": "trained", "image_id": each, "target": None, "stage": "image", "error": "no"}
                for each in ids[rows : rows + lost]
            ]
            writer.add_quarantine([{"image_etag": "", **each} for each in quarantined])
            writer.commit()
        if reduced:
            for table in ("aggregates.parquet", "ranges.parquet"):
                output.put_table(output.path(table), pa.table({"n": [1]}))
        return output.uri

    return make


def _row(image_id: str, target: str) -> dict[str, Any]:
    numbers = {
        f.name: 0 for f in schemas.IMAGE_STATS if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)
    }
    texts = {f.name: "" for f in schemas.IMAGE_STATS if pa.types.is_string(f.type)}
    truths = {f.name: True for f in schemas.IMAGE_STATS if pa.types.is_boolean(f.type)}
    key = {"image_id": image_id, "target": target, "other_index": None}
    return {**numbers, **texts, **truths, **key, "histogram": [0] * N_BINS}


@pytest.fixture(autouse=True)
def one_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit of one check: that the study has as many images as its reference."""

    def images(now: StudyResults, before: StudyResults, settings: AuditSection, role: str) -> Comparison:
        figure = abs(now.n_images - before.n_images)
        check = Check(
            name="images", title="Images", compared="Images.", figure=figure, threshold=0,
            outcome=Outcome.FAILED if figure else Outcome.PASSED, words=f"{figure} images differ.",
        )  # fmt: skip
        return Comparison(role=role, uri=before.uri, study=before.study.name, checks=(check,))

    monkeypatch.setattr(compare, "compare", images)


def test_an_audit_leaves_its_files_and_its_history(study_at: Make, tmp_path: Path) -> None:
    now, old, good = study_at("now"), study_at("old"), study_at("good")
    uri = str(tmp_path / "history")
    references = [(REFERENCE, old), (LAST_GOOD, good)]
    first = run_audit(now, references, audit_settings(now), history_uri=uri, night="one")
    assert [(each.role, each.uri) for each in first.comparisons] == references
    assert (first.passed, first.study, first.uri) == (True, "small", now)
    assert read_audit(Output(now)) == first
    assert read_past(Output(now)).equals(history.read(uri))
    assert list(history.read(uri)["night"]) == ["one", "one"]
    assert {"audit.json", "audit.xml", "audit.md"} <= {path.name for path in Path(now).iterdir()}
    assert not list(Path(old).glob("audit*"))
    assert not list(Path(now, "locks").iterdir())
    again = run_audit(now, references[:1], audit_settings(now))
    assert read_audit(Output(now)) == again
    assert not len(read_past(Output(now)))  # no history of this audit


def test_an_output_may_be_its_own_reference(study_at: Make) -> None:
    now = study_at("now")
    assert run_audit(now, [(REFERENCE, now)], audit_settings(now)).passed


def test_settings_are_the_outputs_own_with_overrides(study_at: Make) -> None:
    now = study_at("now")
    assert audit_settings(now) == AuditSection()
    assert audit_settings(now, ["audit.webhook={variable: CHAT}"]).webhook.variable == "CHAT"
    for override, message in (
        ("audit.thresholds.nothing=1", "audit.thresholds.nothing: unknown key"),
        ("attribution.steps=3", "only keys of `audit`"),
        ("audit.webhook={variable: 'https://secret'}", "audit.webhook"),
    ):
        with pytest.raises(InputError, match=message):
            audit_settings(now, [override])


def test_quarantined_rows_are_done_with(study_at: Make) -> None:
    now = study_at("now", rows=1, lost=1)
    assert run_audit(now, [(REFERENCE, study_at("old"))], audit_settings(now)).passed


@pytest.mark.parametrize(
    ("state", "why"), [({"rows": 1}, "1 of 2 rows"), ({"reduced": False}, "no joint ranges")]
)
@pytest.mark.parametrize("side", ["now", "old"])
def test_what_is_not_finished_is_not_audited(
    study_at: Make, side: str, state: dict[str, Any], why: str
) -> None:
    places = {name: study_at(name, **(state if name == side else {})) for name in ("now", "old")}
    with pytest.raises(UnfinishedError, match=f"{side}: not finished.*{why}"):
        run_audit(places["now"], [(REFERENCE, places["old"])], AuditSection())
    assert read_audit(Output(places["now"])) is None


@pytest.mark.parametrize("other", [{"target": "magpie"}, {"image": "j"}])
def test_studies_without_anything_in_common_are_a_wrong_call(study_at: Make, other: dict[str, Any]) -> None:
    now = study_at("now")
    with pytest.raises(InputError, match=f"no {next(iter(other))} in common"):
        run_audit(now, [(REFERENCE, study_at("old", **other))], AuditSection())
    assert read_audit(Output(now)) is None


def test_a_place_without_a_study_is_a_wrong_call(study_at: Make, tmp_path: Path) -> None:
    now, nowhere = study_at("now"), str(tmp_path / "nowhere")
    for out, reference in ((now, nowhere), (nowhere, now)):
        with pytest.raises(InputError, match="nowhere"):
            run_audit(out, [(REFERENCE, reference)], AuditSection())
    assert not Path(nowhere).exists()
    with pytest.raises(InputError, match="--against"):
        run_audit(now, [], AuditSection())


def _hold(uri: str, pipe: Connection) -> None:
    with output_lock(Output(uri), heartbeat=0.1):
        pipe.send("held")
        pipe.recv()


@pytest.fixture
def held(study_at: Make) -> Iterator[tuple[str, str, int]]:
    """Two outputs, of which another process holds the second."""
    free, taken = study_at("free"), study_at("taken")
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(taken, there))
    process.start()
    assert here.recv() == "held"
    yield free, taken, process.pid or 0
    here.send("end")
    process.join()


def test_another_run_is_named(held: tuple[str, str, int]) -> None:
    free, taken, process = held
    for out, reference in ((free, taken), (taken, free)):
        with pytest.raises(
            UnfinishedError, match=f"taken: another run is at work on it.*process {process} on "
        ):
            run_audit(out, [(REFERENCE, reference)], AuditSection())
    assert read_audit(Output(free)) is None
