"""What a target is called on an image: one that follows the image, as `predicted` does, names its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from igbatch.results import StudyResults
from igbatch.study import DYNAMIC_TARGETS
from igbatch.text import plain


class TargetTitles:
    """Names the classes that maps of a study explain, by its `study.json`."""

    def __init__(self, results: StudyResults) -> None:
        self.models: pd.Series = results.variants.set_index("variant_id")["model"]
        self._facts: Mapping[str, Mapping[str, Any]] = results.record["models"]

    @cached_property
    def _names(self) -> dict[str, dict[int, str]]:
        """The first name of each logit, by model."""
        named = ((model, facts.get("class_names") or {}) for model, facts in self._facts.items())
        return {model: {index: name for name, index in reversed([*names.items()])} for model, names in named}

    def class_of(self, row: Any, variant_id: str, target: str) -> str:
        """Return the class that a map explains; empty where the target's name says it, or nothing is known.

        A logit without a name is called by its number.

        Args:
            row: of `image_stats`, with `target_index`; None where the map was not computed.
            variant_id, target: of the map.
        """
        if row is None or not DYNAMIC_TARGETS.fullmatch(target) or pd.isna(row["target_index"]):
            return ""
        index = int(row["target_index"])
        known = self._names.get(str(self.models[variant_id]), {})
        return plain(known.get(index, f"class {index}"))

    def title(self, row: Any, variant_id: str, target: str) -> str:
        """Return what a target is called on one image, in one line: `eagle`, or `predicted: eagle`."""
        return title_of(target, self.class_of(row, variant_id, target))

    def classes(self, results: StudyResults, image_ids: Sequence[str]) -> dict[tuple[str, str, str], str]:
        """Return `class_of` the maps of some images, by image, variant and target: those that have one."""
        dynamic = [name for name in results.target_names if DYNAMIC_TARGETS.fullmatch(name)]
        if not dynamic:
            return {}
        rows = results.rows_of(image_ids, ["image_id", "variant_id", "target", "target_index"])
        found = {}
        for row in rows[rows["target"].isin(dynamic)].to_dict("records"):
            key = str(row["image_id"]), str(row["variant_id"]), str(row["target"])
            found[key] = self.class_of(row, *key[1:])
        return found


def title_of(target: str, found: str) -> str:
    """Return what a target is called that is a class, `predicted: eagle`; its name where none is found."""
    return f"{plain(target)}: {found}" if found else plain(target)
