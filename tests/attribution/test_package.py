"""The package needs torch and numpy, and nothing else of the project or of the tests."""

import subprocess
import sys

FORBIDDEN = ("ray", "timm", "captum", "torchvision", "pyarrow", "pandas", "pydantic", "igbatch.study")


def test_importing_the_package_imports_nothing_but_torch() -> None:
    program = f"import sys, igbatch.attribution; print([name for name in {FORBIDDEN} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
