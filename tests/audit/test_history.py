import os
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from igbatch.audit import history
from igbatch.audit.verdict import Audit
from igbatch.errors import InputError
from igbatch.store.output import Output

Make = Callable[..., Audit]


def test_a_row_a_check_in_order_of_time(audit_of: Make, tmp_path: Path) -> None:
    uri = str(tmp_path / "root/history")
    assert list(history.read(uri).columns) == history.SCHEMA.names
    assert not len(history.read(uri))
    history.append(uri, audit_of(made_at="2026-11-27T02:00:00Z"), "second")
    history.append(uri, audit_of(failed=False, made_at="2026-11-26T02:00:00Z"), "first")
    rows = history.read(uri)
    assert list(rows["night"]) == ["first"] * 4 + ["second"] * 4
    assert list(rows["check"])[:4] == ["box_sums", "similarity", "sanity", "similarity"]
    assert list(rows["role"])[:4] == ["reference"] * 3 + ["last-good"]
    assert rows["made_at"][0] == pd.Timestamp("2026-11-26T02:00:00Z")
    box_sums = rows[rows["check"] == "box_sums"]
    assert list(box_sums["figure"]) == [0.05, 0.5]
    assert list(box_sums["outcome"]) == ["passed", "failed"]
    assert rows.loc[rows["check"] == "sanity", "figure"].isna().all()
    assert not rows.loc[rows["check"] == "box_sums", "at_least"].any()


def test_the_same_audit_again_adds_nothing(audit_of: Make, tmp_path: Path) -> None:
    for _ in range(2):
        history.append(str(tmp_path), audit_of())
    assert [path.name[:17] for path in tmp_path.iterdir()] == ["20261126T020304Z-"]
    assert len(history.read(str(tmp_path))) == 4


def test_a_file_that_is_being_written_is_left_out(audit_of: Make, tmp_path: Path) -> None:
    history.append(str(tmp_path), audit_of())
    (file,) = tmp_path.iterdir()
    half = file.read_bytes()[: file.stat().st_size // 2]
    for name in ("half.parquet", f".{file.name}.tmp", "empty.parquet", "notes.txt"):
        (tmp_path / name).write_bytes(b"" if "empty" in name else half)
    pd.DataFrame({"other": [1]}).to_parquet(tmp_path / "other.parquet")
    os.symlink("nowhere", tmp_path / "gone.parquet")
    assert len(history.read(str(tmp_path))) == 4


def test_a_history_lies_at_any_uri(audit_of: Make) -> None:
    history.append("memory://of-audits/history", audit_of())
    assert len(history.read("memory://of-audits/history")) == 4
    assert len(Output("memory://of-audits/history").files()) == 1


def test_a_place_with_credentials_is_refused() -> None:
    with pytest.raises(InputError, match="credentials"):
        history.read("s3://key:secret@bucket/history")


def test_every_column_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/audit.md").read_text("utf-8").partition("## History")[2]
    found = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE)
    assert found == [(field.name, str(field.type)) for field in history.SCHEMA]
