"""Which packages a process imports, and from where: recorded, and the same in a driver and its workers.

A driver and its workers may find other packages of one name: a folder `timm/` on their path, another
environment, a node that was not brought up to date. Weights drawn from a seed would then differ, and versions
read from the installed metadata would not show it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from igbatch.errors import InputError, one_line

LISTED_PACKAGES = ("igbatch", "torch", "timm", "ray", "numpy", "pyarrow")
"""Packages that decide numbers. Each is both the name of a distribution and of the module that it brings."""

MISSING = "not installed"


@dataclass(frozen=True)
class Packages:
    """What a process imports under the names of `LISTED_PACKAGES`.

    Attributes:
        versions: of Python and of each package; `MISSING` where there is none.
        files: the file that each package is imported from; packages that are missing have none.
        metadata: versions of installed distributions where they are not those that are imported.
        code: digest of igbatch's own sources, which change without a version.
        machine: what has to be equal for files to be the same files; None where the system has none.
    """

    versions: dict[str, str]
    files: dict[str, str]
    metadata: dict[str, str] = field(default_factory=dict)
    code: str = ""
    machine: str | None = None

    def displaced(self) -> Iterator[str]:
        """Yield a line for each package that is imported from elsewhere than where it is installed."""
        for name, version in self.metadata.items():
            other = "which is not installed" if version == MISSING else f"not the installed {version}"
            yield (
                f"{name} {self.versions[name]} is imported from {self.files[name]}, {other}; "
                "if that is not meant, rename that folder or file, or start elsewhere"
            )


@lru_cache(maxsize=1)
def imported_packages() -> Packages:
    """Return what this process imports, or would import; nothing is imported that has not been.

    The exception is a package of which the installed metadata does not have the version, since it lies
    elsewhere, or since metadata of several versions lie there: only the module knows then.

    Raises:
        InputError: a file stands in the way of a package and cannot be imported.
    """
    versions, files, metadata = {"python": platform.python_version()}, {}, {}
    for name in LISTED_PACKAGES:
        file = _file_of(name)
        if file is None:
            versions[name] = MISSING
            continue
        files[name] = file
        installed = list(importlib.metadata.distributions(name=name))
        known = installed[0].version if installed else None
        where = [os.path.realpath(str(each.locate_file(f"{name}/__init__.py"))) for each in installed]
        if known is not None and where == [file]:
            versions[name] = known
            continue
        versions[name] = _own_version(name, file) or known or MISSING
        stale = known is not None and _public(versions[name]) != _public(known)
        meant = name == "igbatch" or any(_edited_at(file, each) for each in installed)
        if stale or not meant:
            metadata[name] = known or MISSING
    code = _code_digest(Path(files["igbatch"]).parent) if "igbatch" in files else ""
    return Packages(versions, files, metadata, code, _machine())


def package_warnings() -> list[str]:
    """Return a line for each package that is not the one that its user may believe to run."""
    clone = _other_clone(Path.cwd())
    return [*imported_packages().displaced(), *([clone] if clone else [])]


def refuse_other_packages(driver: Packages) -> None:
    """Refuse to compute in a process that imports other packages than the driver.

    Versions have to be equal but for the build (torch's `+cu130` and `+cpu`), on the driver's machine the
    files too, and igbatch's own code everywhere.

    Raises:
        InputError: they differ; the line names the package, both versions and both files.
    """
    here = imported_packages()
    names = [
        name for name, version in driver.versions.items() if _public(version) != _public(here.versions[name])
    ]
    if driver.machine is not None and driver.machine == here.machine:
        names += [name for name, file in driver.files.items() if file != here.files.get(name)]
    if driver.code != here.code:
        names.append("igbatch")
    if names:
        first, *others = dict.fromkeys(names)
        more = f" (others: {', '.join(others)})" if others else ""
        raise InputError(
            f"a worker on {platform.node()} imports {_named(here, first)}, the driver {_named(driver, first)}"
            f"{more}: install the same packages for both, and take folders of these names off PYTHONPATH"
        )


def _other_clone(folder: Path) -> str | None:
    """Say that a folder holds a clone of igbatch whose code is not the one that runs; None otherwise."""
    own = Path(__file__).resolve().parents[1]
    clone = folder / "igbatch"
    if not (clone / "__init__.py").is_file() or clone.resolve() == own:
        return None
    version = _project_version(folder)
    with suppress(OSError):  # what cannot be read is another one
        if version is None or _code_digest(clone) == _code_digest(own):
            return None
    runs = imported_packages().versions["igbatch"]
    return (
        f"{folder} holds igbatch {version}, which is not used: igbatch {runs} of {own} runs; "
        f"`pip install -e {folder}` makes it run the clone"
    )


def _file_of(name: str) -> str | None:
    """Return the file that a package is imported from, a folder for one without `__init__.py`."""
    with suppress(ImportError, ValueError):  # ValueError: a module that was put in place without a spec
        spec = importlib.util.find_spec(name)
        if spec is not None:
            place = spec.origin or next(iter(spec.submodule_search_locations or ()), None)
            return os.path.realpath(place) if place else None
    file = getattr(sys.modules.get(name), "__file__", None)
    return os.path.realpath(file) if file else None


def _edited_at(file: str, installed: importlib.metadata.Distribution) -> bool:
    """Return whether a file lies in the folder of a distribution that `pip install -e` installed."""
    try:
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
        folder = url2pathname(urlsplit(origin["url"]).path)
        return bool(origin["dir_info"]["editable"]) and Path(file).is_relative_to(os.path.realpath(folder))
    except (ValueError, LookupError, TypeError):
        return False


def _own_version(name: str, file: str) -> str | None:
    """Return the version of a package that lies elsewhere: of igbatch from its project, else the module's."""
    if name == "igbatch":
        return _project_version(Path(file).parent.parent)
    try:
        module = importlib.import_module(name)
    except Exception as error:  # whatever a file of that name does
        raise InputError(
            f"{file}: stands in the way of the package {name} and cannot be imported "
            f"({type(error).__name__}: {one_line(error, limit=120)}); rename it, or start elsewhere"
        ) from None
    return str(getattr(module, "__version__", "of no version"))


def _project_version(folder: Path) -> str | None:
    """Return the version of igbatch that a folder is the project of; None where it is not."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8")).get("project", {})
    except (OSError, ValueError):
        return None
    return str(project.get("version", "of no version")) if project.get("name") == "igbatch" else None


def _code_digest(package: Path) -> str:
    """Digest the modules of a package and of the packages in it, not what else lies there."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(package):
        folders[:] = sorted(
            name for name in folders if os.path.isfile(os.path.join(folder, name, "__init__.py"))
        )
        for name in sorted(name for name in files if name.endswith(".py")):
            path = Path(folder, name)
            digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _public(version: str) -> str:
    """Return a version without its build, as torch has: 2.9.0 of 2.9.0+cu130."""
    return version.partition("+")[0]


def _named(packages: Packages, name: str) -> str:
    file = packages.files.get(name)
    return f"{name} {packages.versions[name]}{f' from {file}' if file else ''}"


def _machine() -> str | None:
    """Return what distinguishes the files of this machine or container from those of others."""
    try:
        return (
            f"{Path('/proc/sys/kernel/random/boot_id').read_text('ascii')}{os.readlink('/proc/self/ns/mnt')}"
        )
    except OSError:
        return None
