"""The viewer of some images of a study: `igbatch.view`, and `study.view`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from igbatch.errors import InputError
from igbatch.report.figures.image_data import ShownRows
from igbatch.report.figures.layout import chosen
from igbatch.report.page.study_data import page_data
from igbatch.report.page.viewer import HEIGHT, EmbeddedViewer, check_view, view_of
from igbatch.report.selection import MAX_TARGETS, Selection, variants_on
from igbatch.results import StudyResults
from igbatch.text import count, plain, several


def view(
    study: StudyResults,
    images: str | Sequence[str],
    variants: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    *,
    height: int = HEIGHT,
) -> EmbeddedViewer:
    """Return the page's viewer of some images, to be shown by a notebook or saved as a file.

    Args:
        study: an opened study, reduced or not.
        images: the id of an image, or several.
        variants: one or several; by default those that the report shows of each image, twelve at most.
        targets: likewise; by default the first eight.
        height: of the frame in a notebook, in pixels.

    Raises:
        InputError: the study has no such image, variant or target, or there are too many maps.
    """
    if not isinstance(images, Iterable):
        raise InputError(f"images: {images!r} is no id; give the id of an image, or a list of them")
    names = tuple(several(images))
    places = study.listing.places_of(list(names)) if names else ()
    unknown = next((name for name, place in zip(names, places, strict=True) if place < 0), None)
    if unknown is not None:
        raise InputError(f"image {unknown!r} is not in the study; `images` lists its ids")
    if not names or len(set(names)) < len(names):
        raise InputError("images: name at least one, and each once")
    shown = chosen(targets, study.target_names, "target")[: None if targets is not None else MAX_TARGETS]
    known = list(map(str, study.variants["variant_id"]))
    rows = None if variants is None else chosen(variants, known, "variant")
    maps = sum(len(rows or variants_on(study, name)) for name in names) * len(shown)
    check_view(maps, height, "name fewer images, variants or targets")
    selection = Selection(names, names, (), dict.fromkeys(names, ""), None)
    data, blocks = page_data(study, selection, ShownRows(study, names), variants=rows, targets=shown)
    what = plain(names[0]) if len(names) == 1 else count(len(names), "image")
    return view_of(data, blocks, f"{what} of {plain(study.study.name)}", height)
