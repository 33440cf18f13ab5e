"""Randomization studies made of given numbers: tables that nobody measured."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from igbatch.report import build as render
from igbatch.report.randomization import section
from igbatch.report.randomization.steps import ModelVariants, model_variants
from igbatch.results import StudyResults
from igbatch.store import schemas
from igbatch.store.output import Output

LAYERS = ("stem", "body", "head")
IMAGES = ("a.png", "b.png", "c.png")
TARGETS = ("eagle", "magpie")

Key = tuple[str, ...]
Ends = tuple[float, float, float]

NUMBERS: dict[Key, float | Ends] = {
    # (whose, comparison or target, measure): mean, or mean with the ends of its interval
    ("trained", "between_targets", "ssim_own"): 0.8,
    ("trained", "between_targets", "ssim_pair"): 0.3,
    ("trained", "between_targets", "ssim_own_minus_pair"): (0.5, 0.4, 0.6),
    ("trained", "between_targets", "spearman"): -0.6,
    ("trained", "between_targets", "spearman_abs"): 0.7,
    ("random", "between_targets", "ssim_own"): 0.6,
    ("random", "between_targets", "ssim_pair"): 0.2,
    ("random", "between_targets", "ssim_own_minus_pair"): (0.4, 0.3, 0.5),
    ("random", "between_targets", "spearman"): 0.1,
    ("random", "between_targets", "spearman_abs"): 0.1,
    ("random", "between_random", "spearman"): (0.0, -0.01, 0.01),
    ("random", "between_random", "spearman_abs"): (0.2, 0.15, 0.25),
    ("random", "to_trained", "spearman"): (0.0, -0.01, 0.01),
    ("random", "to_trained", "spearman_abs"): (0.22, 0.17, 0.27),
    ("cascade-down-1-head", "to_trained", "spearman"): (0.8, 0.7, 0.9),
    ("cascade-down-1-body", "to_trained", "spearman"): (0.3, 0.2, 0.4),
    ("cascade-down-1-stem", "to_trained", "spearman"): (0.0, -0.05, 0.05),
    ("cascade-up-1-stem", "to_trained", "spearman"): (0.0, -0.05, 0.05),
    ("cascade-up-1-body", "to_trained", "spearman"): (0.0, -0.05, 0.05),
    ("cascade-up-1-head", "to_trained", "spearman"): (0.0, -0.05, 0.05),
    ("independent-1-stem", "to_trained", "spearman"): 0.1,
    ("independent-1-body", "to_trained", "spearman"): 0.5,
    ("independent-1-head", "to_trained", "spearman"): 0.95,
    ("trained", "eagle", "sobel_spearman"): 0.2,
    ("random", "eagle", "sobel_spearman"): 0.05,
    ("difference", "eagle", "sobel_spearman"): (0.15, 0.1, 0.2),
    ("random", "eagle", "complexity_rise"): (1.5, 1.0, 2.0),
}


def means_frame(changes: Mapping[Key, float | Ends | None] | None = None) -> pd.DataFrame:
    """Rows of `randomization.parquet`; `changes` replace numbers, or take them away where they are None."""
    rows = []
    for (whose, group, measure), value in {**NUMBERS, **(changes or {})}.items():
        if value is None:
            continue
        mean, low, high = value if isinstance(value, tuple) else (value, value - 0.02, value + 0.02)
        of = {"random": "random_mean", "difference": "trained_minus_random"}.get(whose, "variant")
        likeness = group not in TARGETS
        rows.append({
            "of": of, "model": "small", "table": "similarity" if likeness else "map_measures",
            "variant_id": whose if of == "variant" else None, "comparison": group if likeness else None,
            "target": None if likeness else group, "box_label": None, "measure": measure,
            "n_variants": 30 if of == "random_mean" else 1, "n_images": 24,
            "mean": mean, "low": low, "high": high,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=schemas.RANDOMIZATION.names)


def null_row(**changes: Any) -> dict[str, Any]:
    """A row of `significance.parquet`: the eagle's box, far above a null of 30 random models."""
    row = dict.fromkeys(schemas.SIGNIFICANCE.names) | {
        "test": "null", "family": "scale-free", "model": "small", "variant_id": "trained", "target": "eagle",
        "box_label": "eagle", "statistic": "share", "output": "probability", "alternative": "greater",
        "n_images": 24, "n_null": 30, "value": 0.5, "value_low": 0.4, "value_high": 0.6, "null_mean": 0.2,
        "null_low": 0.1, "null_high": 0.3, "effect": 5.0, "p": 1 / 31, "p_low": 1 / 31, "p_high": 2 / 31,
        "p_smallest": 1 / 31, "p_adjusted": 0.04, "null": [0.1 + 0.2 * n / 29 for n in range(30)],
    }  # fmt: skip
    return {**row, **changes}


def sign_rows_of(variant_id: str, p: float) -> list[dict[str, Any]]:
    """Both tests of whether the eagle's box counts against the magpie."""
    common = {
        "family": "signs", "variant_id": variant_id, "target": "magpie", "box_label": "eagle",
        "statistic": "sum", "alternative": "less", "value": -0.1, "sign_share": 0.9, "p": p, "p_adjusted": p,
        "null": None, "n_null": None,
    }  # fmt: skip
    return [null_row(test=name, **common) for name in ("sign", "signed_rank")]


def significance_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=schemas.SIGNIFICANCE.names)


def variant_frame() -> pd.DataFrame:
    """Rows of `variants.parquet`: trained, random, one of these on one image, cascades, single layers."""
    rows: list[dict[str, Any]] = [{"variant_id": "trained", "kind": "trained"}]
    rows += [{"variant_id": f"random-{seed}", "kind": "random", "seed": seed} for seed in (1, 2)]
    rows.append({"variant_id": "random-3", "kind": "random", "seed": 3, "images": ["a.png"]})
    for direction, order in (("down", LAYERS[::-1]), ("up", LAYERS)):
        for n, layer in enumerate(order, 1):
            name = f"cascade-{direction}-1-{layer}"
            known = {"kind": "cascade", "direction": direction, "seed": 1, "layers": list(order[:n])}
            rows.append({"variant_id": name, **known})
    for layer in LAYERS:
        known = {"kind": "independent", "seed": 1, "layers": [layer]}
        rows.append({"variant_id": f"independent-1-{layer}", **known})
    table = pa.Table.from_pylist(
        [{"model": "small", **row} for row in rows],
        schema=pa.schema([field.with_nullable(True) for field in schemas.VARIANTS]),
    )
    frame: pd.DataFrame = table.to_pandas()
    return frame


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave every figure blank: what is drawn has tests of its own."""
    for name in ("curves_figure", "layers_figure", "grid_figure", "nulls_figure"):
        monkeypatch.setattr(section, name, lambda *_: Figure())
    for name in ("draw_sheet", "aggregates_figure"):
        monkeypatch.setattr(render, name, lambda *_: Figure())


@pytest.fixture
def variants() -> ModelVariants:
    """The variants of the drawn study's model."""
    return model_variants(variant_frame())[0]


@pytest.fixture
def means_of() -> Callable[..., pd.DataFrame]:
    """Make rows of `randomization.parquet`: `means_of({(whose, group, measure): mean})`."""
    return means_frame


@pytest.fixture
def tested() -> Callable[..., dict[str, Any]]:
    """Make a row of `significance.parquet`."""
    return null_row


@pytest.fixture
def tests_of() -> Callable[..., pd.DataFrame]:
    """Make a frame of rows of `significance.parquet`."""
    return significance_frame


@pytest.fixture
def signed() -> Callable[..., list[dict[str, Any]]]:
    """Make the sign tests of one variant: `signed(variant_id, p)`."""
    return sign_rows_of


@pytest.fixture(scope="session")
def randomized(drawn: Any, noise: Any, change_study: Any) -> StudyResults:
    """A study of maps of noise whose five tables hold the numbers above; c.png is tested by itself.

    It is one for all tests, which leave it as it is.
    """
    frame = variant_frame()
    maps = {
        (variant, image, target): noise(seed, 1e-3)
        for seed, (variant, image, target) in enumerate(
            (variant, image, target)
            for variant in frame["variant_id"]
            for image in IMAGES
            for target in TARGETS
        )
    }
    kinds = dict(zip(frame["variant_id"], frame["kind"], strict=True))
    results: StudyResults = drawn(
        maps, kinds=kinds, featured=("a.png",), max_images=1, subsets={"random-3": ["a.png"]}
    )
    results.__dict__["variants"] = frame
    change_study(results, randomization={})
    tests = [
        null_row(),
        null_row(statistic="sum", family="of scale"),
        null_row(box_label=None, statistic="abs_sum", family="of scale"),
        null_row(image_id="c.png", family="image, scale-free", n_images=1, value_low=None, value_high=None),
        *sign_rows_of("trained", 0.001),
        *sign_rows_of("random-1", 0.5),
        *sign_rows_of("random-2", 0.01),
    ]
    tables = {
        "randomization": (means_frame(), schemas.RANDOMIZATION),
        "significance": (significance_frame(tests), schemas.SIGNIFICANCE),
        "localization": (pd.DataFrame(columns=schemas.LOCALIZATION.names), schemas.LOCALIZATION),
    }
    output = Output(results.uri)
    for name, (rows, schema) in tables.items():
        table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
        output.put_table(output.path(f"{name}.parquet"), table)
    return results
