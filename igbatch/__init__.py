"""igbatch: Integrated Gradients of Swin Transformers over whole data sets, on Ray.

`open_study(uri)` reads what a run left behind, and `figure(study, image_id)` draws it. `igbatch.attribution`
holds the mathematics, with torch alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from igbatch.report.figures.draw import figure
    from igbatch.results import StudyResults, open_study

__all__ = ["StudyResults", "figure", "open_study"]


def __getattr__(name: str) -> Any:
    """Import what is promised here when it is first used, so that the packages stay light."""
    if name in __all__:
        place = "igbatch.report.figures.draw" if name == "figure" else "igbatch.results"
        return getattr(import_module(place), name)
    raise AttributeError(f"module 'igbatch' has no attribute {name!r}")
