from itertools import product
from typing import Any

import numpy as np
import pytest

from igbatch.report.color import magnitudes
from igbatch.report.color.magnitudes import magnitude_of
from igbatch.report.color.scale import Magnitude
from igbatch.report.color.scope import KINDS, Normalizations
from igbatch.report.color.style import DEFAULT, Look
from igbatch.report.figures.image_data import ImageMaps
from igbatch.statistics.histogram import RELATIVE_ERROR

BOTH = ("eagle", "magpie")


def found(study: Any, kind: str, look: Look) -> Magnitude | None:
    targets = BOTH[:1] if kind == "image" else BOTH
    key = {"variant_id": "trained", "image_id": "a.png"}
    norm = Normalizations(study).of(kind, targets=targets, **key)
    return magnitude_of(ImageMaps(study, "a.png"), norm, look, "trained", targets)


def pixels(study: Any, kind: str) -> np.ndarray:
    keep = {
        "image": lambda key: key == ("trained", "a.png", "eagle"),
        "pair": lambda key: key[:2] == ("trained", "a.png"),
        "targets": lambda key: key[:2] == ("trained", "a.png"),
        "models": lambda key: key[1] == "a.png",
        "variant": lambda key: key[0] == "trained",
        "dataset": lambda key: True,
    }[kind]
    return np.abs(np.concatenate([m.ravel() for key, m in study.maps.items() if keep(key)]))


def test_quantiles_are_those_of_the_pixels(small_study: Any) -> None:
    for kind, percentile in product(KINDS[1:], (90.0, 99.3, 100.0)):
        assert_quantile(small_study, kind, percentile)


def assert_quantile(small_study: Any, kind: str, percentile: float) -> None:
    got = found(small_study, kind, Look(rule="percentile", percentile=percentile))
    assert got is not None
    every = pixels(small_study, kind).astype(np.float64)
    if kind in ("variant", "dataset") and percentile < 100:
        assert not got.exact
        wanted = np.quantile(every, percentile / 100, method="lower")
        assert got.value == pytest.approx(wanted, rel=RELATIVE_ERROR)
    else:
        assert got.exact
        assert got.value == np.quantile(every, percentile / 100)


def test_histograms_serve_where_maps_were_not_kept_or_are_many(
    small_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Look(rule="percentile", percentile=95)
    changes = ((magnitudes, "MOST_MAPS", 0), (small_study, "kept", False))
    for kind, change in product(("image", "pair", "targets", "models"), changes):
        wanted = np.quantile(pixels(small_study, kind), 0.95, method="lower")
        with monkeypatch.context() as patch:
            patch.setattr(*change)
            got = found(small_study, kind, look)
        assert got is not None
        assert not got.exact
        assert got.value == pytest.approx(wanted, rel=RELATIVE_ERROR)


def test_only_the_percentile_rule_asks(small_study: Any) -> None:
    assert found(small_study, "dataset", DEFAULT) is None
    assert found(small_study, "raw", Look(rule="percentile")) is None
