import subprocess
import sys

import pytest

LIGHT = """
import importlib, pkgutil, sys
room = importlib.import_module("igbatch.{room}")
for module in pkgutil.iter_modules(room.__path__):
    if f"{room}.{{module.name}}" != "statistics.device":  # torch is what it is for
        importlib.import_module(f"igbatch.{room}.{{module.name}}")
print(*sorted({{"torch", "timm", "ray", "matplotlib"}} & set(sys.modules)))
"""


@pytest.mark.parametrize("room", ["images", "statistics"])
def test_the_room_needs_neither_torch_nor_ray_nor_matplotlib(room: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LIGHT.format(room=room)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""
