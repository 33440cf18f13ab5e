"""igbatch: Integrated Gradients of Swin Transformers over whole data sets, on Ray.

`open_study(uri)` reads what a run left behind; `igbatch.attribution` holds the mathematics, with torch alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from igbatch.results import StudyResults, open_study

__all__ = ["StudyResults", "open_study"]


def __getattr__(name: str) -> Any:
    """Import `open_study` and `StudyResults` when they are first used, so that the rooms stay light."""
    if name in __all__:
        from igbatch import results

        return getattr(results, name)
    raise AttributeError(f"module 'igbatch' has no attribute {name!r}")
