"""What modules import: a process that needs no torch does not wait for it, and `attribution` stands alone."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import importlib, json, pkgutil, sys

def whole(name):
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "device":  # of statistics: torch is what it is for
            importlib.import_module(f"{name}.{module.name}")

def bundled():
    from igbatch.variants.lookup import BUNDLED, find_facts
    from igbatch.variants.weights import locate_weights
    assert find_facts(locate_weights("bundled", None, "k"), "k") is BUNDLED

found = {}
for step, forbidden in json.loads(sys.argv[1]):
    kind, _, name = step.rpartition(" ")
    {"": importlib.import_module, "all of": whole, "facts of": lambda name: bundled()}[kind](name)
    found[step] = sorted(set(forbidden) & set(sys.modules))
print(json.dumps(found))
"""

ALONE = ["ray", "timm", "captum", "torchvision", "pyarrow", "pandas", "pydantic", "igbatch.study"]
HEAVY = ["torch", "timm", "ray", "matplotlib"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "steps",
    [
        [("igbatch.attribution", ALONE)],
        [
            ("igbatch", ["torch", "ray", "pandas", "pyarrow"]),
            ("igbatch.variants.weights", ["torch", "timm", "safetensors"]),
            ("igbatch.store.lock", ["torch", "ray", "pandas"]),
            ("igbatch.store.verify", ["torch", "ray"]),
            ("facts of bundled", ["torch", "timm"]),
            ("all of igbatch.images", [*HEAVY, "scipy"]),
            ("all of igbatch.statistics", [*HEAVY, "scipy.stats", "skimage.feature"]),
            ("igbatch.report.page.compare", HEAVY),
        ],
    ],
    ids=["with torch", "without torch"],
)
def test_modules_import_nothing_heavy_that_they_do_not_need(steps: list[tuple[str, list[str]]]) -> None:
    command = [sys.executable, "-c", PROGRAM, json.dumps(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {step: [] for step, _ in steps}
