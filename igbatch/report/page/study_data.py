"""Gathering what the page's script gets of a study: its numbers, and the raw maps beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from igbatch.report.color.wording import knobs
from igbatch.report.figures.dotplot import select_aggregates
from igbatch.report.figures.image_data import ImageMaps, ShownRows
from igbatch.report.figures.scales import unit
from igbatch.report.page.audit import audit_series
from igbatch.report.page.images import study_image
from igbatch.report.page.ranges import dataset_range, raw_range, variant_range
from igbatch.report.page.viewer_data import BoxMean, Knobs, Named, PageStudy, PageVariant
from igbatch.report.selection import Selection, variants_on
from igbatch.results import StudyResults
from igbatch.statistics.histogram import RELATIVE_ERROR

MAX_TARGETS = 8
"""Targets whose maps the page holds; figures and tables have all."""

FIRST_VARIANTS = 3
"""Variants that the page shows before the reader chooses: trained ones first."""


@dataclass(frozen=True)
class PageData:
    """What the script reads: the study, and packed maps by element id."""

    study: PageStudy
    maps: Sequence[tuple[str, str]]


def page_data(results: StudyResults, selection: Selection, shown: ShownRows) -> PageData:
    """Gather what the page's script shows of the selected images; the maps of one image are held at a time.

    Args:
        results: a reduced study.
        selection: what is shown.
        shown: the rows of the selected images.
    """
    by_image = {image_id: variants_on(results, image_id) for image_id in selection.images}
    met = {variant for variants in by_image.values() for variant in variants}
    facts = results.variants[results.variants["variant_id"].isin(met)].set_index("variant_id")
    place = {str(variant): at for at, variant in enumerate(facts.index)}
    targets = results.target_names[:MAX_TARGETS]
    listed = results.reader.listed(selection.images, ["image_id", "label"]).to_pydict()
    labels = dict(zip(*listed.values(), strict=True))
    blocks: list[tuple[str, str]] = []
    images = []
    for image_id, shown_of in by_image.items():
        maps, places = ImageMaps(results, image_id, shown), {each: place[each] for each in shown_of}
        about = {"label": labels[image_id] or "", "chosen": selection.reasons[image_id]}
        images.append(study_image(maps, places, targets, blocks, **about))
    study = PageStudy(
        name=results.study.name,
        unit=unit(results),
        quantile_error=RELATIVE_ERROR,
        raw=raw_range(results),
        dataset=dataset_range(results),
        knobs=Knobs.model_validate(knobs()),
        variants=[
            PageVariant(
                id=each,
                name=each,
                kind=facts["kind"][each],
                model=facts["model"][each],
                range=variant_range(results, each),
            )
            for each in place
        ],
        targets=[Named(id=target, name=target) for target in targets],
        images=images,
        first=_first(list(facts["kind"])),
        aggregates=list(map(BoxMean.model_validate, select_aggregates(results).rows.to_dict("records"))),
        history=audit_series(results),
    )
    return PageData(study, blocks)


def _first(kinds: Sequence[str]) -> list[int]:
    """Choose the places of variants that are shown at first, by their kinds; none where that is all."""
    if len(kinds) <= FIRST_VARIANTS:
        return []
    return sorted(sorted(range(len(kinds)), key=lambda place: kinds[place] != "trained")[:FIRST_VARIANTS])
