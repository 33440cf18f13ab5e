"""igbatch: Integrated Gradients of Swin Transformers over whole data sets, on Ray.

`open_study(uri)` reads what a run left behind, `figure(study, image_id)` draws it, `view(study, image_id)`
shows it in a notebook. `compare({"captum": maps, "mine": maps}, pictures)` shows maps of any sources.
`igbatch.attribution` holds the mathematics, with torch alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from igbatch.report.figures.draw import figure
    from igbatch.report.page.compare import compare
    from igbatch.report.page.view import view
    from igbatch.results import StudyResults, open_study

__all__ = ["StudyResults", "compare", "figure", "open_study", "view"]

_PLACES = {
    "compare": "igbatch.report.page.compare",
    "figure": "igbatch.report.figures.draw",
    "view": "igbatch.report.page.view",
}


def __getattr__(name: str) -> Any:
    """Import what is promised here when it is first used, so that the packages stay light."""
    if name in __all__:
        return getattr(import_module(_PLACES.get(name, "igbatch.results")), name)
    raise AttributeError(f"module 'igbatch' has no attribute {name!r}")
