"""What differs around the numbers of two studies: settings, weights, images, versions, hardware.

Nothing here is judged. It is shown beside the checks, so that a reader sees why one failed.
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
from igbatch.audit.words import abridged
from igbatch.results import StudyResults
from igbatch.text import count

MAX_NAMED = 3
ABSENT = "–"


def changes(pairing: Pairing) -> tuple[Change, ...]:
    """Return what differs: first what decides numbers, then the data, then what they were computed with."""
    parts = (_settings, _targets, _weights, _variants, _images, _versions, _hardware)
    return tuple(change for part in parts for change in part(pairing))


def _settings(pairing: Pairing) -> Iterator[Change]:
    """Compare the fingerprints of common variants, one change for all variants that share it."""
    now, before = (study.record.get("fingerprint", {}) for study in pairing.studies)
    shared: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name in pairing.kinds:
        for key, old, new in _differing(before.get(name, {}), now.get(name, {})):
            if key != "weights":
                shared[key, old, new].append(name)
    for (key, old, new), names in shared.items():
        who = "all variants" if len(names) == len(pairing.kinds) else abridged(names, MAX_NAMED)
        yield Change(what=f"{key} ({who})", before=old, now=new)


def _targets(pairing: Pairing) -> Iterator[Change]:
    """Compare the class indices that targets stand for, model by model, and which targets there are."""
    now, before = (study.record.get("targets", {}) for study in pairing.studies)
    for model in now.keys() & before.keys():
        for target, old, new in _differing(before[model], now[model]):
            if ABSENT not in (old, new):
                yield Change(what=f"index of target {target} ({model})", before=old, now=new)
    named, named_before = (study.target_names for study in pairing.studies)
    if named != named_before:
        yield Change(what="targets", before=", ".join(named_before), now=", ".join(named))


def _weights(pairing: Pairing) -> Iterator[Change]:
    tables = (study.variants.set_index("variant_id") for study in pairing.studies)
    now, before = (table["weights_sha256"].dropna() for table in tables)
    for name in pairing.kinds:
        new, old = now.get(name), before.get(name)
        if new and old and new != old:
            yield Change(what=f"weights of {name} (SHA-256)", before=_digest(old), now=_digest(new))


def _variants(pairing: Pairing) -> Iterator[Change]:
    now, before = (list(study.variants["variant_id"]) for study in pairing.studies)
    counts = {"before": count(len(before), "variant"), "now": count(len(now), "variant")}
    for what, some, others in (("added", now, before), ("removed", before, now)):
        names = [name for name in some if name not in set(others)]
        if names:
            yield Change(what=f"variants {what}: {abridged(names, MAX_NAMED)}", **counts)


def _images(pairing: Pairing) -> Iterator[Change]:
    """Compare which images there are, and the digests of the common ones where both were read."""
    now, before = (count(study.n_images, "image") for study in pairing.studies)
    for what, study, places in zip(("added", "removed"), pairing.studies, pairing.places, strict=True):
        only = np.setdiff1d(np.arange(study.n_images), places, assume_unique=True)
        if len(only):
            names = abridged(study.listing.ids(only[:MAX_NAMED]), MAX_NAMED, len(only))
            yield Change(what=f"images {what}: {names}", before=before, now=now)
    sides = zip(pairing.studies, pairing.places, strict=True)
    digests = [_digests(study).take(pa.array(places)) for study, places in sides]
    differ = pc.fill_null(pc.not_equal(*digests), False)
    changed = np.flatnonzero(differ.to_numpy(zero_copy_only=False))
    if len(changed):
        ids = pairing.now.listing.ids(pairing.places[0][changed[:MAX_NAMED]])
        what = f"content of {count(len(changed), 'image')}: {abridged(ids, MAX_NAMED, len(changed))}"
        new, old = (f"{_digest(side[int(changed[0])].as_py())} (the first)" for side in digests)
        yield Change(what=what, before=old, now=new)


def _digests(study: StudyResults) -> pa.Array:
    output = study.reader.output
    return output.read_table(output.path("images.parquet"), ["sha256"])["sha256"].combine_chunks()


def _versions(pairing: Pairing) -> Iterator[Change]:
    now, before = (study.record.get("versions", {}) for study in pairing.studies)
    for name, old, new in _differing(before, now):
        yield Change(what=f"version of {name}", before=old, now=new)


def _hardware(pairing: Pairing) -> Iterator[Change]:
    """Compare the kinds of machines, whatever their names and number, and the calibration of each device."""
    now, before = (_machines(study) for study in pairing.studies)
    if now != before:
        yield Change(what="hardware", before=before or ABSENT, now=now or ABSENT)
    calibrations, earlier = (study.record["calibrations"] for study in pairing.studies)
    for device in calibrations.keys() & earlier.keys():
        for key in ("precision", "threads", "micro_batch", "passes"):
            new, old = (_text(side[device].get(key)) for side in (calibrations, earlier))
            if new != old:
                yield Change(what=f"{key} on {device}", before=old, now=new)


def _machines(study: StudyResults) -> str:
    kinds = {
        ", ".join(f"{key} {_text(value)}" for key, value in machine.items() if key != "node")
        for machine in study.record.get("hardware", [])
    }
    return "; ".join(sorted(kinds))


def _differing(before: Any, now: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the leaves of nested mappings that differ: dotted key, and what they were and are, as text."""
    old, new = _flat(before), _flat(now)
    for key in sorted(old.keys() | new.keys()):
        pair = old.get(key, ABSENT), new.get(key, ABSENT)
        if pair[0] != pair[1]:
            yield key, *pair


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


def _digest(digests: str) -> str:
    """Shorten digests, of which there may be several in one text."""
    return " ".join(each[:12] for each in digests.split())
