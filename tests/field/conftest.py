"""Situations from the field: what people bring, each as a test named by what the user did.

The rule for all of them: it works right, or it ends with one line that says what was found, where, and how to
mend it, within `SECONDS`, with exit code 2 (or 3 where running again can help), and nothing is lost.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture
def write_study(tmp_path: Path, tiny_content: dict[str, Any]) -> Callable[..., Path]:
    """Write the tiny study with other top-level keys into a file: (name="study.yaml", **keys)."""

    def write(name: str = "study.yaml", **changes: Any) -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump({**tiny_content, **changes}))
        return path

    return write
