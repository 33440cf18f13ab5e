"""Measures that Quantus has too, against Quantus on the same maps; in one module, as its import takes 4 s."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from igbatch.statistics.complexity import complexity, spread_entropy
from igbatch.statistics.localization import TOP, localization
from igbatch.statistics.similarity import map_features, similarity

Map = NDArray[np.float32]
SHAPE = (56, 64)


@pytest.fixture(scope="module")
def quantus() -> Any:
    pytest.importorskip("quantus")
    import quantus
    import quantus.functions.complexity_func
    import quantus.functions.similarity_func

    return quantus


def smooth(seed: int, scale: float = 1e-6) -> Map:
    noise = np.random.default_rng(seed).standard_normal(SHAPE)
    return (scale * ndimage.gaussian_filter(noise, 1.5)).astype(np.float32)


def test_similarities(quantus: Any) -> None:
    functions = quantus.functions.similarity_func
    one, other = smooth(0), smooth(1, 2e-6)
    pair = float(min(one.min(), other.min())), float(max(one.max(), other.max()))
    found = similarity(map_features(one), map_features(other), {"pair": pair})
    a, b = one.astype(np.float64), other.astype(np.float64)

    def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> Any:
        return functions.correlation_spearman(a.ravel(), b.ravel())

    assert found["spearman"] == pytest.approx(spearman(a, b), abs=1e-7)
    assert found["spearman_abs"] == pytest.approx(spearman(np.abs(a), np.abs(b)), abs=1e-7)
    assert found["ssim_pair"] == pytest.approx(functions.ssim(a, b), abs=1e-10)
    difference = functions.distance_euclidean(a.ravel(), b.ravel()) / np.sqrt(a.size)
    assert found["difference"] == pytest.approx(difference)


def test_complexities(quantus: Any) -> None:
    functions = quantus.functions.complexity_func
    for seed in range(3):
        values = smooth(seed).astype(np.float64)
        assert complexity(smooth(seed)) == pytest.approx(functions.discrete_entropy(values, values[None]))
        assert spread_entropy(smooth(seed)) == pytest.approx(functions.entropy(np.abs(values), values[None]))


@pytest.mark.parametrize(
    ("measure", "metric", "options"),
    [
        ("pointing", "PointingGame", {}),
        ("mass", "RelevanceMassAccuracy", {}),
        ("rank", "RelevanceRankAccuracy", {}),
        ("topk", "TopKIntersection", {"k": round(TOP * SHAPE[0] * SHAPE[1])}),
    ],
)
def test_localizations(quantus: Any, measure: str, metric: str, options: dict[str, int]) -> None:
    """Quantus takes the parts of maps ready-made; without ties both definitions are the same."""
    maps = [smooth(seed) for seed in range(24)]
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:25, :30] = True  # of fewer pixels than a part has, whose zeros would tie
    parts = {
        "positive": [np.maximum(each, 0) for each in maps],
        "negative": [np.maximum(-each, 0) for each in maps],
        "absolute": [np.abs(each) for each in maps],
    }
    for name, part in parts.items():
        judge = getattr(quantus, metric)(abs=False, normalise=False, disable_warnings=True, **options)
        expected = judge(
            model=None,
            x_batch=np.zeros((24, 3, *SHAPE), dtype=np.float32),
            y_batch=np.zeros(24, dtype=int),
            a_batch=np.stack(part)[:, None].astype(np.float64),
            s_batch=np.repeat(mask[None, None], 24, axis=0),
            channel_first=True,
        )
        found = [localization(each, mask)[f"{name}_{measure}"] for each in maps]
        assert len(set(found)) > 1  # so that the maps tell right from wrong
        assert found == pytest.approx([float(value) for value in expected])
