import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from igbatch.audit import history
from igbatch.audit.files import (
    HISTORY,
    JUNIT,
    MARKDOWN,
    VERDICT,
    read_audit,
    read_past,
    remove_audit,
    verdict_digest,
    verdict_json,
    write_audit,
)
from igbatch.audit.verdict import Audit
from igbatch.errors import InputError
from igbatch.store.output import Output

DOCS = Path(__file__).parents[2] / "docs/audit.md"
Make = Callable[..., Audit]


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(str(tmp_path))


def test_an_audit_reads_back_as_it_was_written(audit_of: Make, output: Output) -> None:
    assert read_audit(output) is None
    assert not len(read_past(output))
    audit = audit_of("Ærø <b>|`\n é")
    past = history.joined([history.rows_of(audit, "night")])
    write_audit(output, audit, [1.0, 2.0], past)
    assert read_audit(output) == audit
    assert read_past(output).equals(past)
    assert {info.base_name for info in output.files()} == {VERDICT, JUNIT, MARKDOWN, HISTORY}
    remove_audit(output)
    assert output.files() == []


def test_no_verdict_is_there_until_all_files_are(
    audit_of: Make, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_audit(output, audit_of(), [1.0, 2.0])
    put = Output.put

    def fail_at(name: str) -> None:
        def put_until(self: Output, path: str, data: bytes) -> None:
            if path.endswith(name):
                raise OSError("no space")
            put(self, path, data)

        monkeypatch.setattr(Output, "put", put_until)

    for name in (JUNIT, MARKDOWN, VERDICT):
        fail_at(name)
        with pytest.raises(OSError, match="no space"):
            write_audit(output, audit_of(failed=False), [1.0, 2.0])
        assert read_audit(output) is None


def test_the_digest_follows_the_verdict(audit_of: Make, output: Output) -> None:
    assert verdict_digest(output) is None
    write_audit(output, audit_of(), [1.0, 2.0])
    first = verdict_digest(output)
    write_audit(output, audit_of(), [3.0, 4.0])
    assert verdict_digest(output) == first
    write_audit(output, audit_of(failed=False), [1.0, 2.0])
    assert verdict_digest(output) != first


@pytest.mark.parametrize("damage", ['{"format": 1}', "{", '{"format": 1, "other": 2}', ""])
def test_a_damaged_verdict_is_one_clear_line(output: Output, damage: str) -> None:
    output.put(output.path(VERDICT), damage.encode())
    with pytest.raises(InputError, match=r"audit\.json: .*run `igbatch audit` again") as caught:
        read_audit(output)
    assert "\n" not in str(caught.value)


def documented_schema() -> Any:
    """The JSON Schema as docs/audit.md prints it."""
    found = re.search(r"```json schema\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_documented_schema_is_that_of_the_model(audit_of: Make) -> None:
    def bare(node: Any) -> Any:
        """A schema without the titles and descriptions that pydantic takes from the code."""
        if isinstance(node, dict):
            own = {
                k: bare(v)
                for k, v in node.items()
                if not (k in ("title", "description") and isinstance(v, str))
            }
            return own
        return [bare(each) for each in node] if isinstance(node, list) else node

    schema = documented_schema()
    assert schema == bare(Audit.model_json_schema())
    content = json.loads(verdict_json(audit_of()))
    jsonschema.validate(content, schema)
    content["comparisons"][0]["checks"][0]["outcome"] = "perhaps"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)
