"""Roots of nights whose runs and audits are made up: a night is a number, two nights differ by theirs."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from igbatch.audit.verdict import Audit, Check, Comparison, Outcome
from igbatch.nightly import run as nightly_run
from igbatch.nightly.root import NightlyRoot
from igbatch.nightly.run import run_night
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.study_file import load_study

ALLOWED = 1.0
START = datetime(2026, 11, 1, 2, tzinfo=UTC)
_NUMBERS = itertools.count()


@dataclass
class Nightly:
    """Nights of a study, a day apart. `before_run` is called once a night's folder is there.

    Attributes:
        uri: of the root.
        study: the study's file.
        value: what the next run computes.
        run_code: exit code of the next run.
        runs: the outputs that were run, in order.
        audits: (night, references) of each audit.
    """

    uri: str
    study: Path
    value: float = 0.0
    run_code: int = 0
    now: datetime = START
    before_run: Callable[[Output], None] = lambda output: None
    before_audit: Callable[[], None] = lambda: None
    runs: list[str] = field(default_factory=list)
    audits: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    console: Console = field(default_factory=lambda: Console(record=True, width=200))

    @property
    def root(self) -> NightlyRoot:
        return NightlyRoot(self.uri)

    def run(self, value: float = 0.0, *overrides: str, **options: Any) -> int:
        """Run a night that computes a number; the next one is a day later."""
        self.value = value
        try:
            return run_night(self.study, overrides, self.console, out=self.uri, now=self.now, **options)
        finally:
            self.now += timedelta(days=1)

    @property
    def printed(self) -> str:
        return self.console.export_text(clear=False)

    def run_job(
        self, study: Path, overrides: tuple[str, ...], console: Console, *, out: str, **how: Any
    ) -> int:
        output = Output(out)
        self.before_run(output)
        self.runs.append(output.uri)
        content = load_study(study, overrides).study.model_dump(mode="json")
        record = {"format": schemas.FORMAT, "name": content["name"], "study": content}
        output.put_json(output.path("study.json"), record)
        output.put_json(output.path("value.json"), self.value)
        for shard in "ab":
            output.put(output.path("attributions", "trained", f"{shard}.parquet"), b"m" * 1000)
            output.put(output.path("image_stats", "trained", f"{shard}.parquet"), b"s" * 10)
        return self.run_code

    def audit_output(self, out: str, references: list[tuple[str, str]], **how: Any) -> Audit:
        self.before_audit()
        self.audits.append((how["night"], {role: uri.rpartition("/")[2] for role, uri in references}))
        compared = [_compared(out, role, uri) for role, uri in references]
        return Audit(igbatch="0", made_at="2026-11-26T02:00:00Z", uri=out, study="s", comparisons=compared)


def _compared(out: str, role: str, uri: str) -> Comparison:
    now, before = (Output(each).read_json(Output(each).path("value.json")) for each in (out, uri))
    figure = abs(now - before)
    check = Check(
        name="value", title="The value changed", compared="values", figure=figure, threshold=ALLOWED,
        outcome=Outcome.FAILED if figure > ALLOWED else Outcome.PASSED, words="it did",
    )  # fmt: skip
    return Comparison(role=role, uri=uri, study="s", checks=(check,))


@pytest.fixture(params=["local", "memory"])
def nightly(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tiny_content: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Nightly:
    """Nights on a local disk and in a store of fsspec's; in an S3 store where a test asks for it."""
    study = tmp_path / "tiny.yaml"
    study.write_text(yaml.safe_dump(tiny_content))
    if request.param == "s3":
        place = f"s3://{request.getfixturevalue('s3').new_bucket()}/root"
    else:
        place = (
            str(tmp_path / "root") if request.param == "local" else f"memory://nights-{next(_NUMBERS)}/root"
        )
    made = Nightly(place, study)
    monkeypatch.setattr(nightly_run, "run_job", made.run_job)
    monkeypatch.setattr(nightly_run, "audit_output", made.audit_output)
    return made
