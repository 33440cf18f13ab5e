"""What the study's targets are by name: classes, contrasts of two, and what follows from each image.

A contrast is written `first - other`, of two names of classes: what is explained is the output of the first
less that of the other. Where a model has a class of that very name, the class is meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from igbatch.errors import InputError
from igbatch.study import DYNAMIC_TARGETS, Study
from igbatch.variants.facts import numbered
from igbatch.variants.weights import WeightsSource

MINUS = " - "
"""Between the two classes of a contrast."""
Class = int | tuple[int, int]
"""A logit index, or those of the two classes of a contrast."""


def resolve_targets(
    study: Study, model: str, classes: int, names: Mapping[str, int], source: WeightsSource
) -> dict[str, Class | None]:
    """Return the logit indices of the study's targets in a model, None where each image has its own.

    Args:
        study: its targets are a list of names, or a mapping to indices.
        model: the study's name of it.
        classes: number of its logits.
        names: of its classes, to logit indices.
        source: of its weights.

    Raises:
        InputError: a target is no class of the model and no contrast of two.
    """
    targets: dict[str, Class | None] = {}
    if isinstance(study.targets, Mapping):
        for name, index in study.targets.items():
            check_index(f"targets.{name}", index, classes, source)
            if name not in names:
                refuse_contrast(f"targets.{name}", name, {**names, **study.targets})
            targets[name] = index
        return targets
    for name in study.target_names():
        if name in names:
            targets[name] = names[name]
        elif DYNAMIC_TARGETS.fullmatch(name):
            targets[name] = None
            if name.startswith("top-") and int(name[4:]) > classes:
                raise InputError(f"targets: {name}: model {model} has {classes} classes only; ask for fewer")
        elif MINUS in name:
            targets[name] = _contrast(name, model, names, source)
        else:
            raise _unknown(f"targets: {name!r}", name, model, names, source)
    return targets


def refuse_contrast(key: str, name: str, names: Mapping[str, int]) -> None:
    """Refuse a name that a study gives to one class and that reads as a contrast of two others.

    Args:
        key: of the study, where the name stands.
        name: given to one class.
        names: of all classes, to logit indices.

    Raises:
        InputError: it can be taken apart into two names of classes.
    """
    for first, other in _known_pairs(name, names):
        raise InputError(
            f"{key}: {name!r} would be one class, and reads as {first!r} less {other!r}: list it without an "
            f"index for the contrast (`targets: [{name}]`), or give the class another name"
        )


def contrasts_of(study: Study, names: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Return the names of the two classes of each contrast among a study's targets.

    Args:
        study: with targets that `resolve_targets` takes.
        names: of the classes of one of its models.
    """
    if isinstance(study.targets, Mapping):
        return {}
    listed = (name for name in study.target_names() if name not in names and MINUS in name)
    return {name: next(_known_pairs(name, names)) for name in listed}


def index_columns(index: Class) -> dict[str, int | None]:
    """Return the columns that say which class a target is of, and which one is subtracted; null for none."""
    first, other = index if isinstance(index, tuple) else (index, None)
    return {"target_index": first, "other_index": other}


def target_columns(index: Class, chances: Sequence[float]) -> dict[str, Any]:
    """Return the columns of `image_stats` that say which class, or classes, a row is of.

    A contrast has no probability: the difference of two is none.

    Args:
        index: the logit index, or those of the two classes of a contrast.
        chances: the probability of each class.
    """
    chance = None if isinstance(index, tuple) else chances[index]
    return {**index_columns(index), "target_probability": chance}


def check_index(key: str, index: int, classes: int, source: WeightsSource) -> None:
    """Refuse an index that no class of a model has.

    Raises:
        InputError: the line names the key.
    """
    if index >= classes:
        raise InputError(
            f"{key}: {index}: {source.architecture} has {classes} classes; use 0 to {classes - 1}"
        )


def _contrast(name: str, model: str, names: Mapping[str, int], source: WeightsSource) -> tuple[int, int]:
    """Return the indices of the two classes of a contrast."""
    known = list(_known_pairs(name, names))
    if len(known) > 1:
        readings = " or ".join(f"{first!r} less {other!r}" for first, other in known)
        raise InputError(
            f"targets: {name!r} may be {readings}: give these classes other names in models.{model}.classes"
        )
    for pair in known:
        first, other = (names[each] for each in pair)
        if first == other:
            raise InputError(
                f"targets: {name!r}: both are class {first} of model {model}, whose difference is 0 whatever "
                "the image shows; name two classes"
            )
        return first, other
    parts = next(_pairs(name))
    for part in parts:
        if DYNAMIC_TARGETS.fullmatch(part):
            raise InputError(
                f"targets: {name!r}: `{part}` is another class for each image; a contrast is of two named "
                "classes, such as `eagle - magpie`"
            )
    unknown = next(part for part in parts if part not in names)
    raise _unknown(f"targets: {name!r}: {unknown!r}", unknown, model, names, source)


def _pairs(name: str) -> Iterator[tuple[str, str]]:
    """Yield the two parts of a name at each place where they may be taken apart."""
    parts = name.split(MINUS)
    for place in range(1, len(parts)):
        yield MINUS.join(parts[:place]), MINUS.join(parts[place:])


def _known_pairs(name: str, names: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    return ((first, other) for first, other in _pairs(name) if first in names and other in names)


def _unknown(what: str, name: str, model: str, names: Mapping[str, int], source: WeightsSource) -> InputError:
    """Return the error for a name that is no class of a model."""
    classes = len(set(names.values()))
    some = ", ".join(list(names)[:6]) + (", …" if len(names) > 6 else "")
    if dict(names) == numbered(classes):
        return InputError(
            f"{what} is not a class of model {model} ({source.architecture}), whose "
            f"{classes} classes have no names; name them in models.{model}.classes, or use "
            f"{', '.join(map(repr, list(names)[:3]))}{', …' if classes > 3 else ''} in quotes, or a "
            "mapping `name: index`"
        )
    for place in (place for place, letter in enumerate(name) if letter == "-"):
        pair = name[:place].strip(), name[place + 1 :].strip()
        if all(part in names for part in pair):
            return InputError(
                f"{what} is not a class of model {model}; did you mean the contrast {MINUS.join(pair)!r}, "
                "with a space on either side?"
            )
    near = difflib.get_close_matches(name.lower(), names, n=1)
    meant = f"did you mean {near[0]!r}? Or " if near else ""
    return InputError(
        f"{what} is not a class of model {model} ({source.architecture}: {some}); "
        f"{meant}use one of its classes, a mapping `name: index`, or predicted, label, top-<k>"
    )
