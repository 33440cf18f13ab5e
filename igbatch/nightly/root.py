"""A nightly root: `nights/<UTC time>/` (one output a night), `history/` and `reference.json`."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pydantic import ValidationError

from igbatch.errors import InputError, one_line
from igbatch.nightly.records import NIGHT_FILE, REFERENCE_FILE, Night, References
from igbatch.store.output import Output

NIGHTS = "nights"
HISTORY = "history"
NAME = re.compile(r"\d{8}T\d{6}Z")
NAME_FORMAT = "%Y%m%dT%H%M%SZ"
READERS = 8

Model = TypeVar("Model", Night, References)


class NightlyRoot:
    """A place at a local path or URI that holds nights.

    Raises:
        InputError: nothing opens the URI, it carries credentials, or it is the output of a single study.
    """

    def __init__(self, uri: str) -> None:
        self.output = Output(uri)
        self.uri = self.output.uri
        if self.output.exists(self.output.path("study.json")):
            raise InputError(
                f"{self.uri}: is the output of a single study, not a root of nights; give another folder"
            )

    @property
    def history_uri(self) -> str:
        """Where the figures of all audits are."""
        return self.output.uri_of(HISTORY)

    def names(self) -> list[str]:
        """List the nights in order of time; other folders are none of ours."""
        return [name for name in self.output.folders(NIGHTS) if NAME.fullmatch(name)]

    def uri_of(self, night: str) -> str:
        """Return where the output of a night lies."""
        return self.output.uri_of(NIGHTS, night)

    def night_output(self, night: str) -> Output:
        """Open the output of a night."""
        return Output(self.uri_of(night))

    def record(self, night: str) -> Night | None:
        """Read what is written down of a night, None where nothing is.

        Raises:
            InputError: `night.json` is damaged.
        """
        return _read(self.night_output(night), NIGHT_FILE, Night)

    def records(self) -> dict[str, Night | None]:
        """Read the records of all nights, in order of time."""
        names = self.names()
        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip(names, pool.map(self.record, names), strict=True))

    def references(self) -> References | None:
        """Read which night is the reference, and which were before it; None where none was promoted yet.

        Raises:
            InputError: `reference.json` is damaged.
        """
        return _read(self.output, REFERENCE_FILE, References)

    @property
    def reference(self) -> str | None:
        """The name of the night that others are compared with."""
        found = self.references()
        return None if found is None else found.reference.night

    def last_good(self, reference: str | None, before: str | None = None) -> str | None:
        """Return the latest night that was good against a reference; None where there is none.

        Nights that were good against another reference do not count: what was promoted instead of it is
        meant to differ from them.

        Args:
            reference: the promoted night, None where none is.
            before: only nights before this one.
        """
        for name in reversed(self.names()):
            record = self.record(name) if before is None or name < before else None
            if record and record.good and record.verdict and record.verdict.reference == reference:
                return name
        return None

    def keep(self, record: Night | References) -> None:
        """Write down how far a night came, or which night is the reference."""
        if isinstance(record, Night):
            output, name = self.night_output(record.night), NIGHT_FILE
        else:
            output, name = self.output, REFERENCE_FILE
        output.put_json(output.path(name), record.model_dump(mode="json"))

    def new_name(self, now: datetime) -> str:
        """Return the name of a night that begins now."""
        taken = set(self.output.folders(NIGHTS))
        while (name := now.strftime(NAME_FORMAT)) in taken:
            now += timedelta(seconds=1)
        return name


def time_of(night: str) -> datetime:
    """Return when a night began, by its name."""
    return datetime.strptime(night, NAME_FORMAT).replace(tzinfo=UTC)


def stamp(now: datetime) -> str:
    """Return a time as records have it: UTC, ISO 8601 with seconds."""
    return now.astimezone(UTC).isoformat(timespec="seconds")


def _read(output: Output, name: str, model: type[Model]) -> Model | None:
    """Read a record, None where it is not there.

    Raises:
        InputError: it is not one of igbatch's, or of another version.
    """
    path = output.path(name)
    if not output.exists(path):
        return None
    try:
        return model.model_validate_json(output.read(path))
    except ValidationError as error:
        first = one_line(error.errors()[0]["msg"], 200)
        raise InputError(f"{output.uri_of(name)}: not as igbatch writes it ({first}); restore it") from None
