"""What differs around the numbers of two studies: settings, weights, images, versions, hardware.

Nothing here is judged. It is told beside the checks, so that a reader sees why one failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from igbatch.audit.pairs import Pairing
from igbatch.audit.verdict import Change
from igbatch.results import StudyResults

MOST_NAMED = 3
ABSENT = "–"


def changes(pairing: Pairing) -> tuple[Change, ...]:
    """Return what differs: first what decides numbers, then the data, then what they were computed with."""
    found = [
        *_settings(pairing),
        *_targets(pairing),
        *_weights(pairing),
        *_variants(pairing),
        *_images(pairing),
        *_versions(pairing),
        *_hardware(pairing),
    ]
    return tuple(found)


def _settings(pairing: Pairing) -> Iterator[Change]:
    """Compare the fingerprints of common variants, one change for all variants that share it."""
    sides = [study.record.get("fingerprint", {}) for study in pairing.studies]
    shared: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name in pairing.kinds:
        now, before = (_flat(side.get(name, {})) for side in sides)
        for key in sorted(now.keys() | before.keys()):
            pair = before.get(key, ABSENT), now.get(key, ABSENT)
            if key != "weights" and pair[0] != pair[1]:
                shared[key, *pair].append(name)
    for (key, old, new), names in shared.items():
        who = "all variants" if len(names) == len(pairing.kinds) else _listing(names)
        yield Change(what=f"{key} ({who})", before=old, now=new)


def _targets(pairing: Pairing) -> Iterator[Change]:
    """Compare the class indices that targets stand for, model by model, and which targets there are."""
    sides = [study.record.get("targets", {}) for study in pairing.studies]
    for model in sides[0].keys() & sides[1].keys():
        now, before = (_flat(side[model]) for side in sides)
        for target in sorted(now.keys() & before.keys()):
            if now[target] != before[target]:
                what = f"index of target {target} ({model})"
                yield Change(what=what, before=before[target], now=now[target])
    if pairing.now.target_names != pairing.before.target_names:
        names = [", ".join(study.target_names) for study in (pairing.before, pairing.now)]
        yield Change(what="targets", before=names[0], now=names[1])


def _weights(pairing: Pairing) -> Iterator[Change]:
    columns = [study.variants.set_index("variant_id")["weights_sha256"].dropna() for study in pairing.studies]
    sides = [column.to_dict() for column in columns]
    for name in pairing.kinds:
        now, before = (side.get(name) for side in sides)
        if now and before and now != before:
            yield Change(what=f"weights of {name} (SHA-256)", before=_digest(before), now=_digest(now))


def _variants(pairing: Pairing) -> Iterator[Change]:
    now, before = (list(study.variants["variant_id"]) for study in pairing.studies)
    for what, some, others in (("added", now, before), ("removed", before, now)):
        names = [name for name in some if name not in set(others)]
        if names:
            counts = _count(len(before), "variant"), _count(len(now), "variant")
            yield Change(what=f"variants {what}: {_listing(names)}", before=counts[0], now=counts[1])


def _images(pairing: Pairing) -> Iterator[Change]:
    """Compare which images there are, and the digests of the common ones where both were read."""
    now, before = (study.n_images for study in pairing.studies)
    counts = {"before": _count(before, "image"), "now": _count(now, "image")}
    if now > pairing.n_images:
        yield Change(what=f"images added: {_some_of(pairing, 0)}", **counts)
    if before > pairing.n_images:
        yield Change(what=f"images removed: {_some_of(pairing, 1)}", **counts)
    digests = [
        _digests(study).take(pa.array(places))
        for study, places in zip(pairing.studies, pairing.places, strict=True)
    ]
    differ = pc.fill_null(pc.not_equal(*digests), False)
    changed = np.flatnonzero(differ.to_numpy(zero_copy_only=False))
    if len(changed):
        ids = pairing.now.listing.ids(pairing.places[0][changed[:MOST_NAMED]])
        what = f"content of {_count(len(changed), 'image')}: {_listing(ids, total=len(changed))}"
        old, new = (_digest(side[int(changed[0])].as_py()) for side in reversed(digests))
        yield Change(what=what, before=f"{old} (the first)", now=f"{new} (the first)")


def _some_of(pairing: Pairing, side: int) -> str:
    """Name some images that only one side has, and how many there are."""
    study = pairing.studies[side]
    only = np.setdiff1d(np.arange(study.n_images), pairing.places[side], assume_unique=True)
    return _listing(study.listing.ids(only[:MOST_NAMED]), total=len(only))


def _digests(study: StudyResults) -> pa.Array:
    output = study.reader.output
    return output.read_table(output.path("images.parquet"), ["sha256"])["sha256"].combine_chunks()


def _versions(pairing: Pairing) -> Iterator[Change]:
    now, before = (_flat(study.record.get("versions", {})) for study in pairing.studies)
    for name in sorted(now.keys() | before.keys()):
        if now.get(name) != before.get(name):
            pair = {"before": before.get(name, ABSENT), "now": now.get(name, ABSENT)}
            yield Change(what=f"version of {name}", **pair)


def _hardware(pairing: Pairing) -> Iterator[Change]:
    """Compare the kinds of machines, whatever their names and number, and what was settled on each."""
    now, before = (_machines(study) for study in pairing.studies)
    if now != before:
        yield Change(what="hardware", before="; ".join(before) or ABSENT, now="; ".join(now) or ABSENT)
    settled = [study.record.get("settled") or {} for study in pairing.studies]
    for device in settled[0].keys() & settled[1].keys():
        for key in ("precision", "threads", "micro_batch", "passes"):
            new, old = (_text(side[device].get(key)) for side in settled)
            if new != old:
                yield Change(what=f"{key} on {device}", before=old, now=new)


def _machines(study: StudyResults) -> list[str]:
    kinds = {
        ", ".join(f"{key} {_text(value)}" for key, value in machine.items() if key != "node")
        for machine in study.record.get("hardware", [])
    }
    return sorted(kinds)


def _flat(tree: Any, path: str = "") -> dict[str, str]:
    """Return the leaves of nested mappings by dotted key, as text."""
    if not isinstance(tree, Mapping):
        return {path: _text(tree)}
    leaves: dict[str, str] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{path}.{key}" if path else str(key))
    return leaves


def _text(value: Any) -> str:
    return ABSENT if value is None else str(value)


def _digest(digests: str | None) -> str:
    """Shorten digests, of which there may be several in one text."""
    return " ".join(each[:12] for each in digests.split()) if digests else ABSENT


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def _listing(names: list[str], total: int | None = None) -> str:
    """Name the first few of some names, and how many more there are of `total`."""
    shown = ", ".join(names[:MOST_NAMED])
    more = max(len(names), total or 0) - len(names[:MOST_NAMED])
    return f"{shown} and {more:,} more" if more else shown
