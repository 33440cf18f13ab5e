"""Studies whose maps a quiz asks about."""

from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_studies import DrawnResults, lay_out, quiz_maps

from igbatch.store.output import Output


def quiz_study(images: int = 6, night: int = 0, **how: object) -> DrawnResults:
    """Make a study of these maps."""
    return DrawnResults(quiz_maps(images, night), **how)


@pytest.fixture
def written(tmp_path: Path) -> Output:
    """Such a study of four images on a local disk."""
    output = Output(str(tmp_path / "out"))
    lay_out(output, quiz_maps(4), kept=True)
    return output


@pytest.fixture(scope="session")
def asked() -> DrawnResults:
    """Such a study of six images."""
    return quiz_study()


@pytest.fixture(scope="session")
def study_of() -> Callable[..., DrawnResults]:
    """Make such a study."""
    return quiz_study
