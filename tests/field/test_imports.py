"""Clones of packages where a run looks for them. What lies in its folder alone is no matter: test_cli.py."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
from helpers import Command


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
