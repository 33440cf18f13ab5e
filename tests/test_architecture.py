"""Which modules import which: never in a circle, and between packages as `docs/dev/architecture.md` says.

Every import counts: those inside functions, and those for types alone.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
EVERYWHERE = {"errors", "filesystem", "store_errors", "deadlines", "signals", "streams", "text"}


def module_name(path: Path) -> str:
    """Return the name that a file of the package is imported by."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in (ROOT / "igbatch").rglob("*.py")}


def imported_by(path: Path) -> Iterator[str]:
    """Yield the modules of igbatch that a file names in an import, wherever in it that stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            above = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            base = ".".join(filter(None, (*above, node.module)))
            names = (f"{base}.{alias.name}" for alias in node.names)
            yield from MODULES.keys() & {name if name in MODULES else base for name in names}


@cache
def all_imports() -> dict[str, set[str]]:
    """Return what each module of igbatch imports of it."""
    return {name: set(imported_by(path)) for name, path in MODULES.items()}


def package_of(module: str) -> str:
    return module.split(".")[1]


def allowed_imports() -> dict[str, set[str]]:
    """Return what each package may import, by the table of the architecture page."""
    text = (ROOT / "docs" / "dev" / "architecture.md").read_text("utf-8")
    rows = text.split("\n## Packages\n")[1].split("\n## ")[0].split("\n### ")[0]
    cells = [line.split("|")[1:-1] for line in rows.splitlines() if line.startswith("| `")]
    return {name.strip(" `"): set(re.findall(r"`(\w+)`", may)) for name, _, may in cells}


def test_no_modules_import_each_other_in_any_way() -> None:
    TopologicalSorter(all_imports()).prepare()  # a CycleError names the modules of a circle, in order


def test_packages_import_what_the_architecture_page_allows() -> None:
    allowed = allowed_imports()
    found: dict[str, set[str]] = {}
    for module, names in all_imports().items():
        if module != "igbatch":  # on top of all: what is promised to users
            found.setdefault(package_of(module), set()).update(map(package_of, names - {"igbatch"}))
    assert set(found) == {*allowed, *EVERYWHERE}
    for package in set(allowed) - {"cli"}:
        shared = set() if package == "attribution" else EVERYWHERE
        assert found[package] - {package} <= allowed[package] | shared, package
    assert set().union(*(found[module] for module in EVERYWHERE)) <= EVERYWHERE


def test_a_package_of_the_architecture_page_imports_those_above_it() -> None:
    above: set[str] = set()
    for package, names in allowed_imports().items():
        assert names <= above, f"{package}: {names - above}"
        above.add(package)
