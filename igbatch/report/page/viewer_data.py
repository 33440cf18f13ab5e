"""What the page's script gets of a study: the JSON of `viewer/src/study.ts`, and the raw maps beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from igbatch.report.color.colormaps import PALETTES
from igbatch.report.color.wording import RULE_WORDS, SCOPE_WORDS
from igbatch.report.figures.dotplot import select_aggregates
from igbatch.report.figures.image_data import ImageMaps, ShownRows
from igbatch.report.figures.scales import unit
from igbatch.report.page.audit import audit_series
from igbatch.report.page.images import ImageWriter
from igbatch.report.page.ranges import StudyRanges, finite
from igbatch.report.selection import Selection, variants_on
from igbatch.report.text import count, plain
from igbatch.results import StudyResults
from igbatch.statistics.histogram import RELATIVE_ERROR

FORMAT = 1
MOST_TARGETS = 8
"""Targets whose maps the page holds; figures and tables have all."""

FIRST_VARIANTS = 3
"""Variants that the page shows before the reader chooses: trained ones first."""


@dataclass(frozen=True)
class PageData:
    """What the script reads: the study as JSON that is safe in HTML, and packed maps by element id.

    `left_out` says what the page does not hold of what is shown.
    """

    study: str
    maps: Sequence[tuple[str, str]]
    left_out: Sequence[str]


def page_data(results: StudyResults, selection: Selection, shown: ShownRows) -> PageData:
    """Gather what the page's script shows of the selected images; the maps of one image are held at a time.

    Args:
        results: a reduced study.
        selection: what is shown.
        shown: the rows of the selected images.
    """
    ranges = StudyRanges(results)
    by_image = {image_id: variants_on(results, image_id) for image_id in selection.images}
    met = {variant for variants in by_image.values() for variant in variants}
    facts = results.variants[results.variants["variant_id"].isin(met)].set_index("variant_id")
    variants = [str(each) for each in facts.index]
    targets = results.target_names[:MOST_TARGETS]
    writer = ImageWriter(ranges, variants, targets)
    labels = _labels(results, selection)
    images = []
    for image_id in selection.images:
        said = {
            "id": image_id,
            "name": plain(image_id),
            "label": labels[image_id],
            "chosen": plain(selection.reasons[image_id]),
        }
        images.append(said | writer.write(ImageMaps(results, image_id, shown), by_image[image_id]))
    study = {
        "format": FORMAT,
        "name": plain(results.study.name),
        "unit": unit(results),
        "quantile_error": RELATIVE_ERROR,
        "raw": ranges.raw(),
        "dataset": ranges.dataset(),
        **choices(),
        "variants": [
            {
                "id": each,
                "name": plain(each),
                "kind": str(facts["kind"][each]),
                "model": plain(str(facts["model"][each])),
                "range": ranges.variant(each),
            }
            for each in variants
        ],
        "targets": [{"id": target, "name": plain(target)} for target in targets],
        "images": images,
        "first": {"variants": _first(list(facts["kind"])), "targets": []},
        "aggregates": _aggregates(results),
        "history": audit_series(results),
    }
    left = len(results.target_names) - len(targets)
    notes = [f"Maps of {count(left, 'target')}: figures, tables and ranges have them."] if left else []
    return PageData(json_in_html(study), writer.blocks, notes)


def json_in_html(value: Any) -> str:
    """Return JSON that a script element may hold: ASCII, without `<`, `>` and `&`, whatever the names are.

    Lone surrogates and the line separators U+2028 and U+2029 are escaped too, since all beyond ASCII is.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def choices() -> dict[str, Any]:
    """Return the normalizations, range rules and palettes to choose from, in the words of the figures."""
    return {
        "scopes": [{"kind": kind, **asdict(words)} for kind, words in SCOPE_WORDS.items()],
        "rules": [{"rule": rule, **asdict(words)} for rule, words in RULE_WORDS.items()],
        "palettes": [
            {"name": name, "title": palette.title, "colors": [_hex(color) for color in palette.colors]}
            for name, palette in PALETTES.items()
        ],
    }


def _labels(results: StudyResults, selection: Selection) -> dict[str, str]:
    """Return the labels of the selected images; empty where there is none."""
    listed = results.reader.listed(selection.images, ["image_id", "label"])
    pairs = zip(*listed.to_pydict().values(), strict=True)
    return {image_id: "" if label is None else plain(label) for image_id, label in pairs}


def _first(kinds: Sequence[str]) -> list[int]:
    """Choose the places of variants that are shown at first, by their kinds; none where that is all."""
    if len(kinds) <= FIRST_VARIANTS:
        return []
    return sorted(sorted(range(len(kinds)), key=lambda place: kinds[place] != "trained")[:FIRST_VARIANTS])


def _aggregates(results: StudyResults) -> list[dict[str, Any]]:
    kinds = results.variants.set_index("variant_id")["kind"]
    return [
        {
            "variant": plain(str(row["variant_id"])),
            "kind": str(kinds[row["variant_id"]]),
            "label": plain(str(row["box_label"])),
            "target": plain(str(row["target"])),
            "mean": finite(row["mean_sum"]),
            "low": finite(row["mean_sum_low"]),
            "high": finite(row["mean_sum_high"]),
            "images": int(row["n_images"]),
        }
        for row in select_aggregates(results).rows.to_dict("records")
    ]


def _hex(color: Sequence[int]) -> str:
    return "#" + bytes(color).hex()
