"""Which packages a process imports is known without importing them, and other ones are refused."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from igbatch.errors import InputError
from igbatch.pipeline import packages
from igbatch.pipeline.packages import (
    LISTED_PACKAGES,
    MISSING,
    Packages,
    imported_packages,
    package_warnings,
    refuse_other_packages,
)

NAME = "package_of_the_tests"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, first on the path, in which one package alone is looked for."""
    monkeypatch.setattr(packages, "LISTED_PACKAGES", (NAME,))
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    return folder


def put_package(folder: Path, code: str = "raise AssertionError('it was imported')") -> str:
    file = folder / NAME / "__init__.py"
    file.parent.mkdir(parents=True)
    file.write_text(code)
    return str(file)


def put_metadata(folder: Path, version: str, **origin: Any) -> None:
    info = folder / f"{NAME}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n")
    (info / "direct_url.json").write_text(json.dumps(origin))


def imported() -> Packages:
    return imported_packages.__wrapped__()


def test_an_installed_package_is_known_without_importing_it(site: Path) -> None:
    file = put_package(site)
    put_metadata(site, "1.2")
    found = imported()
    assert found.versions[NAME] == "1.2"
    assert found.files == {NAME: file}
    assert list(found.displaced()) == []


def test_a_package_that_is_not_there_is_reported_as_missing(site: Path) -> None:
    found = imported()
    assert (found.versions[NAME], found.files) == (MISSING, {})


def test_a_folder_before_the_installed_package_is_reported(site: Path, tmp_path: Path) -> None:
    put_package(site)
    put_metadata(site, "1.2")
    sys.path.insert(0, str(tmp_path / "clone"))
    file = put_package(tmp_path / "clone", "__version__ = '0.9'")
    found = imported()
    assert (found.versions[NAME], found.files[NAME]) == ("0.9", file)
    (line,) = found.displaced()
    assert line.startswith(f"{NAME} 0.9 is imported from {file}, not the installed 1.2; ")


def test_a_file_in_the_way_that_cannot_be_imported_is_refused(site: Path) -> None:
    (site / f"{NAME}.py").write_text("raise ValueError('two\\nlines')")
    put_metadata(site, "1.2")
    with pytest.raises(InputError, match=rf"{NAME}\.py: stands in the way .*ValueError: two lines"):
        imported()


def test_a_package_installed_to_be_edited_has_the_version_that_it_says(site: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    sys.path.insert(0, str(clone))
    file = put_package(clone, "__version__ = '1.3'")
    put_metadata(site, "1.3", url=clone.as_uri(), dir_info={"editable": True})
    found = imported()
    assert (found.versions[NAME], found.files[NAME], found.metadata) == ("1.3", file, {})


def test_metadata_of_two_versions_are_not_believed(site: Path) -> None:
    put_package(site, "__version__ = '1.3'")
    put_metadata(site, "1.2")
    put_metadata(site, "1.3")
    assert imported().versions[NAME] == "1.3"


def test_all_that_decides_numbers_is_found_here() -> None:
    found = imported_packages()
    assert set(found.versions) == {"python", *LISTED_PACKAGES}
    assert set(found.files) == set(LISTED_PACKAGES)
    assert all(Path(file).is_file() for file in found.files.values())


# Other packages


DRIVER = imported_packages()


def test_the_same_packages_are_not_refused() -> None:
    refuse_other_packages(DRIVER)


@pytest.mark.parametrize(
    ("driver", "part"),
    [
        (replace(DRIVER, versions={**DRIVER.versions, "timm": "0.6.7"}), "the driver timm 0.6.7 from "),
        (replace(DRIVER, versions={**DRIVER.versions, "torch": "1.0+cpu"}), "the driver torch 1.0+cpu"),
        (replace(DRIVER, files={**DRIVER.files, "timm": "/home/me/timm/__init__.py"}), "from /home/me/timm/"),
        (replace(DRIVER, code="another"), "imports igbatch"),
    ],
    ids=["version", "build", "file", "code"],
)
def test_other_packages_are_refused_in_one_line(driver: Packages, part: str) -> None:
    with pytest.raises(InputError, match="install the same packages") as caught:
        refuse_other_packages(driver)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_build_of_a_version_and_another_place_on_another_machine_will_do() -> None:
    refuse_other_packages(
        replace(DRIVER, versions={**DRIVER.versions, "torch": f"{DRIVER.versions['torch']}+x"})
    )
    refuse_other_packages(replace(DRIVER, files={"timm": "/opt/timm/__init__.py"}, machine="another"))
    refuse_other_packages(replace(DRIVER, files={"timm": "/opt/timm/__init__.py"}, machine=None))


def test_all_that_differs_is_named() -> None:
    with pytest.raises(InputError, match=r"imports torch .*\(others: timm\)"):
        refuse_other_packages(replace(DRIVER, versions={**DRIVER.versions, "torch": "1", "timm": "2"}))


# A clone of igbatch


def clone(folder: Path, name: str = "igbatch", code: str = "") -> None:
    (folder / "igbatch").mkdir()
    (folder / "igbatch" / "__init__.py").write_text(code)
    (folder / "pyproject.toml").write_text(f"[project]\nname = '{name}'\nversion = '0.0.7'\n")


def test_a_clone_of_igbatch_that_does_not_run_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert package_warnings() == []
    clone(tmp_path)
    (line,) = package_warnings()
    assert f"{tmp_path} holds igbatch 0.0.7, which is not used" in line


def test_a_clone_with_the_code_that_runs_and_another_project_are_nothing_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clone(tmp_path, name="mine")
    assert package_warnings() == []
    clone_of_this = tmp_path / "same"
    clone_of_this.mkdir()
    monkeypatch.chdir(clone_of_this)
    clone(clone_of_this)
    monkeypatch.setattr(packages, "_code_digest", lambda package: "equal")
    assert package_warnings() == []


def test_what_lies_beside_the_modules_is_no_code(tmp_path: Path) -> None:
    clone(tmp_path, code="VALUE = 1")
    before = packages._code_digest(tmp_path / "igbatch")
    modules = tmp_path / "igbatch" / "viewer" / "node_modules"
    modules.mkdir(parents=True)
    (modules / "gyp.py").write_text("not ours")
    assert packages._code_digest(tmp_path / "igbatch") == before
    (tmp_path / "igbatch" / "more.py").write_text("ours")
    assert packages._code_digest(tmp_path / "igbatch") != before
