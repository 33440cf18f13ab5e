"""The range that the maps of any scope share, read from their statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.compute as pc

from igbatch.errors import InputError
from igbatch.reduce.ranges import (
    SCOPES,
    RangeSummary,
    Regions,
    Scope,
    columns_of,
    merge,
    region_size,
    summarise,
)
from igbatch.statistics.partitions import CODES
from igbatch.store.reader import Reader

RAW_QUANTILE = 0.999
"""Of |a|: what the scale of raw values holds at least."""


@dataclass(frozen=True)
class ScopeRange:
    """The range that maps of one scope share, in units of the output, and quantiles over all their regions.

    Quantiles are within `igbatch.statistics.histogram.RELATIVE_ERROR` of the exact ones. `complete` is False
    while a map of the scope is missing. Under `raw`, minimum and maximum are the ends of the one scale of the
    study (`raw_scale`, of `first_family`; contrasts are shown under it too), the rest is that of all maps.
    """

    scope: Scope
    minimum: float
    maximum: float
    q01: float
    q50: float
    q99: float
    n_maps: int
    complete: bool
    regions: Regions = "pixel"


def scope_keys(
    scope: str,
    *,
    variant_id: str | None = None,
    image_id: str | None = None,
    targets: Sequence[str] | None = None,
) -> dict[str, list[str]]:
    """Return the keys of the maps that share a range under `scope`: values by column of rows.

    `image`: one map (variant, image, one target). `pair`: two targets of one image and variant. `targets`:
    all targets of one image and variant. `models`: all variants and targets of one image. `variant`: all maps
    of a variant. `dataset` and `raw`: every map. Where targets are all or not named, they are all classes, or
    one contrast (`family_of`, `first_family`).

    Raises:
        ValueError: the scope is unknown, or a key that it needs is missing.
    """
    if scope not in _NEEDS:
        raise ValueError(f"scope {scope!r} is unknown; use one of {', '.join(SCOPES)}")
    needs, size = _NEEDS[scope]
    ids = {"variant_id": variant_id, "image_id": image_id}
    given = {name: [each] if each else [] for name, each in ids.items()} | {
        "targets": [] if targets is None else list(targets)
    }
    if not all(given[name] for name in needs) or (size and len(given["targets"]) != size):
        count = f" with {size} target{'s' if size == 2 else ''}" if size else ""
        raise ValueError(f"scope {scope!r} needs {', '.join(needs)}{count}")
    return {"target" if name == "targets" else name: given[name] for name in needs}


_NEEDS: dict[str, tuple[tuple[str, ...], int]] = {
    "raw": ((), 0),
    "image": (("variant_id", "image_id", "targets"), 1),
    "pair": (("variant_id", "image_id", "targets"), 2),
    "targets": (("variant_id", "image_id"), 0),
    "models": (("image_id",), 0),
    "variant": (("variant_id",), 0),
    "dataset": ((), 0),
}
"""The keys of each scope, and how many targets those are; 0 where it does not depend on targets."""


def family_of(reader: Reader, targets: Sequence[str] | None) -> str:
    """Return the contrast that maps are of, "" for those of classes; without targets they are of classes.

    Where a study has contrasts alone, it is the first of them.

    Raises:
        ValueError: some are of a contrast, and others are not of the same one.
    """
    families, given = reader.families, [] if targets is None else list(targets)
    of = {name: family for family, names in families.items() for name in names}
    found = {of[name] for name in given if name in of} or {next(iter(families))}
    if len(found) > 1:
        raise ValueError(
            f"maps of {', '.join(given)} share no range: a contrast has its own; name it alone, or "
            "the others without it"
        )
    return found.pop()


def first_family(reader: Reader, summary_of: Callable[[str, str], RangeSummary]) -> str:
    """Return whose maps make the raw scale: classes, or the first contrast where no class has a map.

    A study of labels and a contrast has none of classes where no image has a label.
    """
    met = (
        name for name in reader.families if any(summary_of(each, name).n_maps for each in reader.variant_ids)
    )
    return next(met, next(iter(reader.families)))


def scope_range(
    reader: Reader,
    summary_of: Callable[[str, str], RangeSummary],
    scope: Scope,
    *,
    variant_id: str | None = None,
    image_id: str | None = None,
    targets: Sequence[str] | None = None,
    regions: Regions = "pixel",
) -> ScopeRange:
    """Return the range that the maps of a scope share; of one image, the few files are read that hold them.

    Args:
        reader: of the study.
        summary_of: summarises all maps of a variant, of classes ("") or of a contrast.
        scope: one of `ranges.SCOPES`.
        variant_id, image_id, targets: the keys of the scope's maps. Beyond `image` and `pair` targets only
            say whether the maps are of classes or of which contrast; None: of classes, and beyond images
            of `first_family`.
        regions: whose values: pixels, or sums over patches, superpixels or objects.

    Raises:
        ValueError: the scope is unknown, or a key that it needs is missing.
        KeyError: none of its maps is there.
        InputError: there are no such regions, or their ranges were not kept when the maps were computed.
    """
    size = region_size(regions)
    keys = scope_keys(scope, variant_id=variant_id, image_id=image_id, targets=targets)
    one_image = "image_id" in keys
    first = "" if one_image else first_family(reader, summary_of)
    family = first if targets is None and not one_image else family_of(reader, targets)
    names = keys["target"] if "target" in keys else reader.families[family]
    if one_image:
        only = variant_id if "variant_id" in keys else None
        rows = reader.rows_of(keys["image_id"], ["target", *columns_of(regions)], only)
        summary = summarise(rows.filter(pc.is_in(rows["target"], pa.array(names, pa.string()))))
        expected = len(names) * (1 if only else len(reader.variants_of(str(image_id))))
    else:
        chosen = [each for each in reader.variant_ids if each in keys.get("variant_id", [each])]
        summary = merge(summary_of(each, family) for each in chosen)
        expected = len(names) * sum(map(reader.expected_images, chosen))
    if not summary.n_maps:
        given = None if targets is None else tuple(targets)
        raise KeyError(f"no map for scope {scope!r} ({variant_id}, {image_id}, {given})")
    whose = ", ".join(name for names in keys.values() for name in names) or "of the study"
    _check_ranges(reader, summary, regions, whose)
    shared = summary.of(size).row(scope, None, expected) | {"regions": regions}
    if scope == "raw":
        own = [summary_of(each, first) for each in reader.variant_ids]
        _check_ranges(reader, merge(own), regions, "of the raw scale")  # a contrast may be younger
        scale = raw_scale(each.of(size) for each in own)
        shared |= {"minimum": -scale, "maximum": scale}
    return ScopeRange(**{field.name: shared[field.name] for field in fields(ScopeRange)})


def _check_ranges(reader: Reader, summary: RangeSummary, regions: Regions, whose: str) -> None:
    """Refuse regions that some of the summarised maps have no ranges of."""
    without = summary.n_maps - summary.of(region_size(regions)).n_maps
    if without:
        maps = f"{without} of {summary.n_maps} maps ({whose})"
        raise InputError(f"regions {regions!r}: {why_missing(reader, regions, maps)}")


def why_missing(reader: Reader, regions: Regions, maps: str) -> str:
    """Say why maps, in words, have no ranges of regions, and what to do, in a line."""
    again = "compute the study again into another output"
    images = reader.study.images
    if regions == "superpixels" and images.superpixels is None:
        return f"the study has none; set images.superpixels, to 64 for instance, and {again}"
    if regions == "objects" and not images.objects:
        return f"the study knows none; set images.boxes or images.masks, and {again}"
    kind = "blurred maps" if regions == "blurred" else regions if regions in CODES else "patches"
    others = "patches or pixel" if regions in CODES else "pixel"
    others += ", the sums in boxes (box_stats)" if regions == "objects" else ""
    return f"{maps} were computed by a version that kept no ranges of {kind}; use {others}, or {again}"


def raw_scale(summaries: Iterable[RangeSummary]) -> float:
    """Return the magnitude at the ends of a study's raw scale, in units of the output.

    It is the smallest 1, 2 or 5 times a power of ten that is no less than the `RAW_QUANTILE` quantile of |a|
    over all pixels of that variant where the quantile is largest: any number of variants with maps of nearly
    nothing leaves the scale as it is. 0 where all maps are zero.

    Args:
        summaries: of the maps of each variant; at least one has a map.
    """
    return round_up(max(summary.magnitude(RAW_QUANTILE) for summary in summaries if summary.n_maps))


def round_up(value: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is no less than a value; 0 of 0."""
    if value <= 0:
        return 0.0
    power = math.floor(math.log10(value))
    candidates = [float(f"{digit}e{exponent}") for exponent in (power, power + 1) for digit in (1, 2, 5)]
    return next(candidate for candidate in candidates if candidate >= value)
