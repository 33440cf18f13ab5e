"""Studies with given sums in the boxes of an eagle and a magpie."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def study(drawn: Any, birds: Any) -> Callable[..., Any]:
    """Make a study of variants with given sums in (eagle's box, magpie's box), for eagle and magpie."""

    def make(sums: dict[str, Any], images: int = 6, **more: Any) -> Any:
        maps = {
            (variant, f"{index}.png", target): values
            for number, (variant, (eagle, magpie)) in enumerate(sums.items())
            for index in range(images)
            for target, values in birds(eagle, magpie, seed=100 * number + index).items()
        }
        return drawn(maps, **more)

    return make
