"""The content of a figure, apart from drawing: rows of maps, their headings, and the facts beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

from igbatch.errors import InputError
from igbatch.reduce.ranges import Scope
from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import DEFAULT, ColorStyle
from igbatch.report.color.wording import CONTRAST_WORDS
from igbatch.report.columns import Table, number_or_dash, percent_or_dash
from igbatch.report.figures.image_data import ImageMaps, Panel, Picture
from igbatch.report.figures.scales import check_scope, color_scale
from igbatch.text import listing, number, plain, several

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

    `style` is what the colours of all its maps have in common.
    """

    title: str
    subtitle: str
    picture: Picture
    facts: tuple[str, ...]
    table: Table | None
    rows: tuple[Row, ...]
    style: ColorStyle = DEFAULT


def sequence_sheet(
    maps: ImageMaps, variant_id: str, targets: Sequence[str] | None = None, style: ColorStyle = DEFAULT
) -> Sheet:
    """Lay out one image and variant under a sequence of scopes: raw, image, pair or targets, dataset.

    Raises:
        InputError: a variant or target is not of the study.
    """
    names = chosen(targets, maps.results.target_names, "target")
    (variant_id,) = chosen([variant_id], list(maps.results.variants["variant_id"]), "variant")
    classes, _ = split_targets(maps, names)
    scopes: list[Scope] = ["raw", "image", *([joint_scope(classes)] if len(classes) > 1 else []), "dataset"]
    return Sheet(
        title=plain(maps.image_id),
        subtitle=plain(variant_id),
        picture=maps.picture(variant_id),
        facts=(f"predicts {maps.prediction(variant_id)}",),
        table=number_table(maps, variant_id, names),
        rows=tuple(row_of(maps, scope, variant_id, names, style) for scope in scopes),
        style=style,
    )


def scope_sheet(
    maps: ImageMaps,
    scope: Scope,
    variants: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    style: ColorStyle = DEFAULT,
) -> Sheet:
    """Lay out one image under one scope: variants are rows, targets are columns.

    Where no variants are named, they are those that the study asks for on this image. Under `pair`, more
    than two classes make a row for each pair of them; contrasts follow by themselves.

    Raises:
        InputError: a variant, target or the image is not of the study, or there is no such scope.
    """
    check_scope(scope)
    if maps.results.listing.places_of([maps.image_id])[0] < 0:
        raise InputError(f"image {maps.image_id!r} is not in the study; `images` lists its ids")
    known = list(maps.results.variants["variant_id"])
    names = chosen(targets, maps.results.target_names, "target")
    classes, contrasts = split_targets(maps, names)
    if scope == "pair" and len(classes) < 2:
        own = "; a contrast has a range of its own" if contrasts else ""
        mend = "image or dataset" if contrasts else "image"
        raise InputError(
            f"scope 'pair' needs two classes, there is {len(classes) or 'none'}{own}; use {mend}"
        )
    groups = [tuple(names)]
    if scope == "pair" and len(classes) > 2:
        groups = [*combinations(classes, 2), *((name,) for name in contrasts)]
    rows = []
    for variant_id in chosen((maps.variants or known) if variants is None else variants, known, "variant"):
        for group in groups:
            row = row_of(maps, scope, variant_id, group, style)
            titles = [maps.title(variant_id, target) for target in group]
            heading = plain(variant_id) if len(groups) == 1 else f"{plain(variant_id)}: {listing(titles)}"
            facts = (f"predicts {maps.prediction(variant_id)}", *maps.probabilities(variant_id, group))
            rows.append(Row(heading, facts, row.caution, row.panels))
    panels = [panel for row in rows for panel in row.panels]
    picture = maps.picture(panels[0].variant_id)
    return Sheet(
        plain(maps.image_id), "", picture, statement(panels, maps.results.contrasts), None, tuple(rows), style
    )


def split_targets(maps: ImageMaps, targets: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return those of some targets whose maps share joint ranges, and the contrasts, which have their own."""
    contrasts = maps.results.contrasts
    classes = [target for target in targets if target not in contrasts]
    return classes, [target for target in targets if target in contrasts]


def joint_scope(classes: Sequence[str]) -> Scope:
    """Return the scope that joins an image's maps of these classes: image, pair or targets."""
    return "image" if len(classes) < 2 else "pair" if len(classes) == 2 else "targets"


def chosen(requested: Sequence[str] | None, known: Sequence[str], noun: str) -> list[str]:
    """Return the requested names, or all that are known.

    Raises:
        InputError: a name is unknown or there twice, or none is requested.
    """
    names = several(known if requested is None else requested)
    for name in names:
        if name not in known:
            raise InputError(f"{noun} {name!r} is not in the study; it has {listing(list(known))}")
        if names.count(name) > 1:
            raise InputError(f"{noun} {name!r} is there twice; name it once")
    if not names:
        raise InputError(f"no {noun} is chosen; the study has {listing(list(known))}")
    return names


_REMOVALS = {"deletion": "deletion of box", "true_effect": "true effect of bird"}
_IN_BOX = {"sum": "sum in box", **_REMOVALS}
"""Numbers of a box by their columns, and what they are called; removals where some box has them."""


def statement(panels: Sequence[Panel], contrasts: Collection[str]) -> tuple[str, ...]:
    """Return what is said once for many maps under one scope: of the scale of the first, of a class if any.

    Where a contrast is among them it is said that its range is its own.
    """
    scaled = [panel for panel in panels if panel.scale is not None]
    scaled.sort(key=lambda panel: panel.target in contrasts)
    scale = scaled[0].scale if scaled else None
    if scale is None:
        return (_NO_MAP,)
    apart = _apart(scaled[-1].target in contrasts, scale.shared.scope, scale.style)
    return tuple(
        filter(None, (scale.words["statement"], scale.words["beware"], scale.words["regions"], apart))
    )


def _apart(contrast: bool, scope: str, style: ColorStyle) -> str:
    """Return what is said where some map is of a contrast; of ranges that no maps share, nothing."""
    return CONTRAST_WORDS if contrast and style.rule != "fixed" and scope not in ("raw", "image") else ""


def row_of(maps: ImageMaps, scope: Scope, variant_id: str, targets: Sequence[str], style: ColorStyle) -> Row:
    """Return the maps of some targets, of one image and variant, under one scope and style."""
    classes, contrasts = split_targets(maps, targets)
    groups = [[target] for target in targets]
    if scope != "image" and classes:
        groups = [classes, *([target] for target in contrasts)]
    of: dict[str, ColorScale | None] = {}
    for group in groups:
        single = scope in ("pair", "targets") and group[0] in contrasts
        of |= dict.fromkeys(group, color_scale(maps, "image" if single else scope, variant_id, group, style))
    scales = [of[target] for target in targets]
    panels = tuple(map(maps.panel, [variant_id] * len(targets), targets, scales))
    shared = [of[target] for target in (*classes, *contrasts)]  # what is said is said of classes
    first = next((scale for scale in shared if scale is not None), None)
    if first is None:
        return Row(_NO_MAP, (), "", panels)
    words = first.words
    apart = _apart(bool(contrasts), first.shared.scope, style)
    facts = tuple(filter(None, (words["sentences"], words["regions"], apart)))
    return Row(words["heading"], facts, words["caution"], panels)


def number_table(maps: ImageMaps, variant_id: str, targets: Sequence[str]) -> Table | None:
    """Return the numbers of one image and variant, by target: probabilities, sums in boxes, and removals."""
    known = {target: row for target in targets if (row := maps.row(variant_id, target)) is not None}
    if not known:
        return None
    in_boxes = maps.box_sums[maps.box_sums["variant_id"] == variant_id]
    of_box = in_boxes.set_index(["box_id", "target"])
    names = ["sum", *(name for name in _REMOVALS if in_boxes[name].notna().any())]
    lines = [
        ("probability", *(percent_or_dash(row["target_probability"]) for row in known.values())),
        ("sum of the map", *(number(row["sum"]) for row in known.values())),
    ]
    for box in maps.boxes:
        for name in names:
            cells = (number_or_dash(of_box[name].get((box.box_id, target))) for target in known)
            lines.append((f"{_IN_BOX[name]}: {box.name}", *cells))
        agreeing = [of_box["sign_agreement"].get((box.box_id, target)) for target in known]
        if any(share is not None and share < 1 for share in agreeing):
            lines.append((f"baselines agreeing: {box.name}", *map(percent_or_dash, agreeing)))
    return Table(("target", *(maps.title(variant_id, target) for target in known)), tuple(lines))
