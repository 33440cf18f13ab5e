"""Names of nights, and the records that are kept of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from igbatch.errors import InputError
from igbatch.nightly.root import time_of


def test_names_are_utc_times_and_taken_once(nightly: Any) -> None:
    now = datetime(2026, 11, 26, 2, tzinfo=UTC)
    output = nightly.root.output
    assert nightly.root.new_name(now) == "20261126T020000Z"
    output.put(output.path("nights", "20261126T020000Z", "night.json"), b"{}")
    assert nightly.root.new_name(now) == "20261126T020001Z"
    assert time_of("20261126T020001Z") == now.replace(second=1)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"format": 2}'])
def test_damaged_records_are_named(nightly: Any, content: bytes) -> None:
    nightly.run(promote_first=True)
    (name,) = nightly.root.names()
    output = nightly.root.output
    for path, read in (("reference.json", nightly.root.references), (f"nights/{name}/night.json",
                       lambda: nightly.root.record(name))):  # fmt: skip
        output.put(output.path(*path.split("/")), content)
        with pytest.raises(InputError, match=path):
            read()


def test_the_query_of_a_uri_stays_behind_its_path() -> None:
    from igbatch.store.output import Output

    output = Output("s3://bucket/root?region=eu-west-1")
    assert output.uri_of("nights", "x") == "s3://bucket/root/nights/x?region=eu-west-1"
