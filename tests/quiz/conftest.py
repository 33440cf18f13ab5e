"""Studies whose maps a quiz asks about."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_studies import BOXES, SIZE, DrawnResults, lay_out, speckles

from igbatch.store.output import Output


def quiz_maps(images: int = 6, night: int = 0) -> dict[tuple[str, str, str], np.ndarray]:
    """Maps of a trained model, smooth, strong and in the boxes; those of two random models are noise.

    In `night` 1 the maps of every other image are others.
    """
    maps = {}
    for place in range(images):
        moved = night * (place % 2)
        for at, target in enumerate(("eagle", "magpie")):
            values = np.zeros((SIZE, SIZE), dtype=np.float32)
            for box, total in zip(BOXES, ((3.0, 0.2), (-0.5, 0.4 + place))[at], strict=True):
                part = values[box.y_min : box.y_max, box.x_min : box.x_max]
                part += total / part.size * (1 + moved)
            maps["trained", f"{place}.png", target] = values + speckles(place, 1e-4)
            for seed in (1, 2):
                noise = speckles(100 * seed + 10 * place + at + 1000 * moved, 1e-4 * seed)
                maps[f"random-{seed}", f"{place}.png", target] = noise
    return maps


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
