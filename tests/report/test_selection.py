from typing import Any

import pandas as pd

from igbatch.report.selection import FEWER_VARIANTS, MOST_VARIANTS, shown_variants


class Fake:
    """A study of which only variants are known."""

    def __init__(self, kinds: list[tuple[str, str | None]], randomized: bool) -> None:
        self.randomized = randomized
        self.variants = pd.DataFrame(
            {
                "variant_id": [f"{kind}-{direction}-{n}" for n, (kind, direction) in enumerate(kinds)],
                "model": "small",
                "kind": [kind for kind, _ in kinds],
                "direction": [direction for _, direction in kinds],
            }
        )


KINDS: list[tuple[str, str | None]] = [
    *[("random", None)] * 20, ("trained", None), *[("cascade", "down")] * 5, *[("cascade", "up")] * 5,
]  # fmt: skip


def test_few_variants_are_all_shown() -> None:
    study: Any = Fake(KINDS[:MOST_VARIANTS], True)
    every = list(study.variants["variant_id"])
    assert shown_variants(study, every) == every


def test_of_many_the_trained_ones_and_the_first_of_every_kind_are_shown_in_order() -> None:
    study: Any = Fake(KINDS, True)
    shown = shown_variants(study, list(study.variants["variant_id"]))
    assert shown == [
        "random-None-0", "random-None-1", "trained-None-20", "cascade-down-21", "cascade-down-22",
        "cascade-up-26",
    ]  # fmt: skip
    assert len(shown) == FEWER_VARIANTS


def test_other_studies_show_more() -> None:
    study: Any = Fake(KINDS, False)
    every = list(study.variants["variant_id"])
    shown = shown_variants(study, every)
    assert len(shown) == MOST_VARIANTS
    assert shown == [each for each in every if each in shown]
