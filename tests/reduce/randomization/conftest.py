"""A small randomization study, computed in this process."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from igbatch.store.output import Output

STUDY: dict[str, Any] = {
    "name": "randomized",
    "images": {
        "scenes": [
            {"kind": "double", "seeds": [1, 2]},
            {"kind": "single", "label": "magpie", "seeds": [5]},
        ]
    },
    "targets": ["eagle", "magpie"],
    "variants": [
        {"kind": "trained"},
        {"kind": "random", "first_seed": 1, "count": 3},
    ],
    "attribution": {"steps": 1, "rule": "midpoint"},
    "randomization": {"random_pairs": 2},
}


@pytest.fixture(scope="session")
def randomized(
    tmp_path_factory: pytest.TempPathFactory, compute_study: Callable[..., Output], small_model: str
) -> Output:
    """The study, computed and reduced. Tests read it and leave it as it is."""
    folder = tmp_path_factory.mktemp("randomized")
    (folder / "study.yaml").write_text(
        yaml.safe_dump({**STUDY, "models": {"small": {"weights": small_model}}})
    )
    return compute_study(folder / "study.yaml", folder / "out")


@pytest.fixture
def copy(randomized: Output, tmp_path: Path) -> Output:
    """A copy of the study, to be changed; its file lies beside it."""
    folder = Path(randomized.path()).parent
    shutil.copytree(folder, tmp_path / "copy")
    return Output(str(tmp_path / "copy" / "out"))
