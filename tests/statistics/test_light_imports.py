import subprocess
import sys

import pytest

LIGHT = """
import importlib, pkgutil, sys
package = importlib.import_module("igbatch.{package}")
for module in pkgutil.iter_modules(package.__path__):
    if f"{package}.{{module.name}}" != "statistics.device":  # torch is what it is for
        importlib.import_module(f"igbatch.{package}.{{module.name}}")
print(*sorted({{"torch", "timm", "ray", "matplotlib"}} & set(sys.modules)))
"""


@pytest.mark.parametrize("package", ["images", "statistics"])
def test_the_package_needs_neither_torch_nor_ray_nor_matplotlib(package: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LIGHT.format(package=package)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""
