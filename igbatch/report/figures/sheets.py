"""What a figure holds, before anyone draws it: rows of maps, their headings, and the facts beside them.

The figures for print and the page are two drawings of the same sheets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from igbatch.errors import InputError
from igbatch.report.color.magnitudes import magnitude_of
from igbatch.report.color.scale import ColorScale, scale_of
from igbatch.report.color.scope import Normalizations
from igbatch.report.color.style import DEFAULT, Look
from igbatch.report.color.wording import SCOPE_WORDS
from igbatch.report.figures.image_data import ImageMaps, Panel, Picture
from igbatch.report.text import Table, listing, number, percent, plain

HOW_TO_READ = DEFAULT.guide

_NO_MAP = "No map of this scope is there."


@dataclass(frozen=True)
class Row:
    """Maps that are looked at together: a heading, what is said beside them, and what is incomplete."""

    title: str
    facts: tuple[str, ...]
    caution: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Sheet:
    """A figure of one image: its picture, what is said of it, a table of numbers, and rows of maps.

    `look` is what the colours of all its maps have in common.
    """

    title: str
    subtitle: str
    picture: Picture
    facts: tuple[str, ...]
    table: Table | None
    rows: tuple[Row, ...]
    look: Look = DEFAULT


def seed_sheet(
    maps: ImageMaps,
    normalizations: Normalizations,
    variant_id: str,
    targets: Sequence[str] | None = None,
    look: Look = DEFAULT,
) -> Sheet:
    """Lay out one image and variant: the same maps raw, by themselves, jointly, and jointly over the study.

    Raises:
        InputError: a variant or target is not of the study.
    """
    names = chosen(targets, maps.results.target_names, "target")
    (variant_id,) = chosen([variant_id], list(maps.results.variants["variant_id"]), "variant")
    kinds = ["raw", "image", *_joint(names), "dataset"]
    rows = [row_of(maps, normalizations, kind, variant_id, names, look) for kind in kinds]
    picture = maps.picture(variant_id)
    table = number_table(maps, variant_id, names)
    return Sheet(
        plain(maps.image_id),
        plain(variant_id),
        picture,
        (f"predicts {maps.prediction(variant_id)}",),
        table,
        tuple(rows),
        look,
    )


def overview_sheet(
    maps: ImageMaps,
    normalizations: Normalizations,
    kind: str,
    variants: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    look: Look = DEFAULT,
) -> Sheet:
    """Lay out one image under one normalization: variants are rows, targets are columns.

    Where no variants are named, they are those that the study asks for on this image. Of kind `pair`, more
    than two targets make a row for each pair of them.

    Raises:
        InputError: a variant, target or the image is not of the study, or there is no such normalization.
    """
    if maps.results.listing.places_of([maps.image_id])[0] < 0:
        raise InputError(f"image {maps.image_id!r} is not in the study; `images` lists its ids")
    known = list(maps.results.variants["variant_id"])
    names = chosen(targets, maps.results.target_names, "target")
    if kind == "pair" and len(names) < 2:
        raise InputError("normalization 'pair' needs two targets, there is one; use image")
    groups = list(combinations(names, 2)) if kind == "pair" else [tuple(names)]
    rows, found = [], None
    wanted = (maps.variants or known) if variants is None else variants
    for variant_id in chosen(wanted, known, "variant"):
        for group in groups:
            row = row_of(maps, normalizations, kind, variant_id, group, look)
            found = found or next((panel.scale for panel in row.panels if panel.scale is not None), None)
            heading = plain(variant_id) if len(groups) == 1 else f"{plain(variant_id)}: {listing(group)}"
            facts = (f"predicts {maps.prediction(variant_id)}", *maps.probabilities(variant_id, group))
            rows.append(Row(heading, facts, row.caution, row.panels))
    said = (_NO_MAP,) if found is None else said_of(found)
    picture = maps.picture(rows[0].panels[0].variant_id)
    return Sheet(plain(maps.image_id), "", picture, said, None, tuple(rows), look)


def joint_kind(targets: Sequence[str]) -> str:
    """Return the scope that joins an image's maps of these targets: image, pair or targets."""
    return {1: "image", 2: "pair"}.get(len(targets), "targets")


def chosen(wanted: Sequence[str] | None, known: Sequence[str], noun: str) -> list[str]:
    """Return the wanted names, or all that are known.

    Raises:
        InputError: a name is unknown, or none is wanted.
    """
    names = list(known if wanted is None else wanted)
    for name in names:
        if name not in known:
            raise InputError(f"{noun} {name!r} is not in the study; it has {listing(list(known))}")
    if not names:
        raise InputError(f"no {noun} is chosen; the study has {listing(list(known))}")
    return names


def _joint(targets: Sequence[str]) -> list[str]:
    return [joint_kind(targets)] if len(targets) > 1 else []


def said_of(scale: ColorScale) -> tuple[str, ...]:
    """Return what is said once for all rows, of the scale of the first."""
    if scale.fixed:
        return (f"{scale.heading}. {scale.words}",)
    norm = scale.normalization
    title = f"{norm.title}, {scale.look.rule_title}" if scale.look.rule != "symmetric" else norm.title
    beware = SCOPE_WORDS[norm.kind].beware
    return tuple(filter(None, (f"{title}. {scale.words}", "" if beware in scale.words else beware)))


def row_of(
    maps: ImageMaps,
    normalizations: Normalizations,
    kind: str,
    variant_id: str,
    targets: Sequence[str],
    look: Look,
) -> Row:
    """Return the maps of some targets, of one image and variant, under one normalization and look."""

    def scale(names: Sequence[str]) -> ColorScale | None:
        key = {"variant_id": variant_id, "image_id": maps.image_id}
        found = normalizations.of(kind, targets=names, **key)  # type: ignore[arg-type]
        return scale_of(found, look, magnitude_of(maps, found, look, variant_id, names))

    if kind == "image":
        each = [scale([target]) for target in targets]
        panels = [maps.panel(variant_id, name, own) for name, own in zip(targets, each, strict=True)]
        shared = next((own for own in each if own is not None), None)
    else:
        shared = scale(targets)
        panels = [maps.panel(variant_id, name, shared) for name in targets]
    if shared is None:
        return Row(_NO_MAP, (), "", tuple(panels))
    return Row(shared.heading, (shared.words,), shared.caution, tuple(panels))


def number_table(maps: ImageMaps, variant_id: str, targets: Sequence[str]) -> Table | None:
    """Return the seed's numbers of one image and variant: probabilities and sums in boxes, by target."""
    rows = {target: maps.row(variant_id, target) for target in targets}
    known = [target for target in targets if rows[target] is not None]
    if not known:
        return None
    lines = [
        ("probability", *(percent(rows[target]["target_probability"]) for target in known)),
        ("sum of the map", *(number(rows[target]["sum"]) for target in known)),
    ]
    for box in maps.boxes:
        sums = maps.sums_in(box.box_id, variant_id)
        lines.append((f"sum in box: {box.name}", *(number(sums[t]) if t in sums else "–" for t in known)))
    return Table(("target", *map(plain, known)), tuple(lines))
