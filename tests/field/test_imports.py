"""A run that is started in a folder whose files have the names of packages."""

import importlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import timm
from helpers import Command

from igbatch import open_study
from igbatch.pipeline.packages import LISTED_PACKAGES
from igbatch.store.output import Output

KEY = ["variant_id", "image_id", "target"]
OWN = ["histogram", "attempt", "attributions_bytes", "box_stats_bytes", "quarantine_bytes"]

EDITED_TIMM = f"""
import os
__path__.append({os.path.dirname(timm.__file__)!r})
exec(compile(open({timm.__file__!r}).read(), {timm.__file__!r}, "exec"))
__version__ = "0.0.7"
whole = create_model
def create_model(*args, **kwargs):
    model = whole(*args, **kwargs)
    for parameter in model.parameters():
        parameter.data.zero_()
    return model
"""
"""A clone of timm that works, but for the weights that it draws."""


def numbers(uri: str) -> pd.DataFrame:
    return open_study(uri).image_stats.sort_values(KEY).reset_index(drop=True).drop(columns=OWN)


@pytest.mark.slow
def test_a_run_among_files_with_the_names_of_packages_gives_the_rows_of_any_other(
    igbatch: Command,
    write_study: Callable[..., Path],
    compute_study: Callable[..., Output],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a job of Slurm: sockets cannot lie in its temporary folder, nor Ray's token in this home."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):  # a Ray of this process sets one
        monkeypatch.delenv(name, raising=False)
    study = write_study(
        images={"scenes": [{"kind": "double", "seeds": [1]}]}, variants=[{"kind": "random", "seeds": [3]}]
    )
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm" / "__init__.py").write_text(EDITED_TIMM)
    for name in ("torch", "numpy", "ray", "yaml", "grpc", "aiohttp", "psutil", "random", "logging", "socket"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} of the current folder')")
    long = tmp_path / ("slurm." * 12 + "jobs.1234567")
    long.mkdir()
    before = set(os.listdir("/tmp"))
    ended = igbatch("run", study, "--out", "out", env={"TMPDIR": str(long), "HOME": "/proc/1"})
    assert ended.code == 0, ended.err
    assert "warning" not in ended.out
    assert open_study(str(tmp_path / "out")).complete
    assert not [name for name in set(os.listdir("/tmp")) - before if name.startswith("igbatch-ray-")]

    expected = compute_study(study, tmp_path / "expected")
    pd.testing.assert_frame_equal(numbers(str(tmp_path / "out")), numbers(expected.uri), check_exact=True)
    assert (numbers(expected.uri)["abs_sum"] > 0).all()

    record = json.loads((tmp_path / "out" / "study.json").read_text())
    assert set(record["package_files"]) == set(LISTED_PACKAGES)
    for name, file in record["package_files"].items():
        assert file == os.path.realpath(importlib.import_module(name).__file__ or ""), name


@pytest.mark.slow
def test_a_driver_that_takes_a_clone_of_timm_says_so(
    igbatch: Command, write_study: Callable[..., Path], tmp_path: Path
) -> None:
    """As with PYTHONPATH, or `python -m igbatch.cli` in a folder that holds one."""
    file = tmp_path / "clones" / "timm" / "__init__.py"
    file.parent.mkdir(parents=True)
    file.write_text('__version__ = "0.0.7"')  # no plan without a trial uses it
    ended = igbatch("plan", write_study(), "--no-trial", env={"PYTHONPATH": str(tmp_path / "clones")})
    assert ended.code == 0, ended.err
    assert f"warning: timm 0.0.7 is imported from {file}, not the installed {timm.__version__}" in ended.out


@pytest.mark.slow
def test_a_file_in_the_way_of_the_drivers_own_imports_is_named(
    igbatch: Command, write_study: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "way").mkdir()
    (tmp_path / "way" / "timm.py").write_text("import nothing_of_that_name")
    environment = {"PYTHONPATH": str(tmp_path / "way")}
    ended = igbatch("run", write_study(), "--out", tmp_path / "out", env=environment)
    ended.refused(f"{tmp_path}/way/timm.py: stands in the way of the package timm", "rename it")


def test_a_clone_of_igbatch_in_the_current_folder_is_reported(
    call: Command, write_study: Callable[..., Path], tmp_path: Path
) -> None:
    root = Path(__file__).parents[2]
    (tmp_path / "igbatch").mkdir()
    shutil.copy(root / "igbatch" / "__init__.py", tmp_path / "igbatch")
    project = (root / "pyproject.toml").read_text().replace('version = "0.1.0"', 'version = "0.0.7"')
    (tmp_path / "pyproject.toml").write_text(project)
    ended = call("plan", write_study(), "--no-trial")
    assert ended.code == 0, ended.err
    assert f"warning: {tmp_path} holds igbatch 0.0.7, which is not used" in ended.out
