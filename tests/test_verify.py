"""`igbatch verify` as a person calls it: one line where all is good, a list and exit code 1 where not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers import Command

from igbatch.store.output import Output

pytestmark = pytest.mark.xdist_group("verify")  # of one study, but for a copy


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
    small_content: dict[str, object],
    compute_study: Callable[..., Output],
) -> Path:
    """The small study, computed and reduced, with an error allowed that its one step keeps."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(small_content))
    compute_study(folder / "tiny.yaml", folder / "out", "attribution.atol=1", "attribution.steps=1")
    return folder / "out"


def test_a_finished_study_is_good_in_one_line(finished: Path, call: Command) -> None:
    for options in ((), ("--quick",)):
        done = call("verify", finished, *options)
        assert done.code == 0, done.out + done.err
        assert len(done.out.splitlines()) == 1
        assert done.out.startswith("good: 12 of 12 rows committed, 0 in quarantine, 6 shards, 12 maps, ")


def test_what_is_wrong_is_listed_with_exit_code_1(finished: Path, tmp_path: Path, call: Command) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    lost, removed = (
        sorted(out.glob("image_stats/trained/*"))[0],
        sorted(out.glob("attributions/random-3/*"))[0],
    )
    lost.unlink()
    removed.unlink()
    done = call("verify", out)
    assert done.code == 1
    lines = done.out.splitlines()
    assert [line.split(": ")[0] for line in lines[:2]] == ["lost", "file"]
    assert lines[1] == f"file: {removed.relative_to(out)}: is missing"
    assert "10 of 12 rows committed" in lines[-1]
    content = json.loads(call("verify", out, "--json").out)
    assert [problem["kind"] for problem in content["problems"]][:2] == ["lost", "file"]
    assert content["committed"] == 10


def test_a_place_without_a_study_is_refused(tmp_path: Path, call: Command) -> None:
    ended = call("verify", tmp_path)
    ended.refused(f"igbatch: {tmp_path}: no study here")
    assert ended.out == ""
