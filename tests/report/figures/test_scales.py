from itertools import product
from typing import Any

import numpy as np
import pytest

from igbatch.errors import InputError
from igbatch.reduce.ranges import REGIONS, SCOPES, Regions, Scope, region_size
from igbatch.report.color.colormaps import PALETTE, color_indices
from igbatch.report.color.scale import ColorScale
from igbatch.report.color.style import ColorStyle
from igbatch.report.figures import scales
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.figures.scales import color_scale
from igbatch.statistics.histogram import RELATIVE_ERROR
from igbatch.statistics.partitions import LabelMap, Partition

SIZE = 16

POSITIVE = np.linspace(0.2, 0.9, 256).reshape(16, 16)


def scale(study: Any, scope: Scope, image: str = "a.png", **choices: Any) -> ColorScale | None:
    """The scale of a scope, of a study or of what was read of an image of one."""
    maps = study if isinstance(study, ImageMaps) else ImageMaps(study, image)
    targets = maps.results.target_names[: 1 if scope == "image" else 2]
    return color_scale(maps, scope, "trained", targets, ColorStyle.of(**choices))


def values_of(study: Any, scope: Scope, regions: Regions = "pixel") -> np.ndarray:
    """All regions of the maps of a scope of the trained model's eagle on a.png, and of its pair."""
    keep = {
        "image": lambda key: key == ("trained", "a.png", "eagle"),
        "pair": lambda key: key[:2] == ("trained", "a.png"),
        "targets": lambda key: key[:2] == ("trained", "a.png"),
        "models": lambda key: key[1] == "a.png",
        "variant": lambda key: key[0] == "trained",
        "dataset": lambda key: True,
    }[scope]
    cut = Partition(region_size(regions), CUT.get(regions))
    maps = (cut.sums(each) for key, each in study.maps.items() if keep(key))
    return np.concatenate(list(maps), axis=None)


CUT = {
    "superpixels": (np.arange(SIZE * SIZE).reshape(SIZE, SIZE) // 50).astype(np.uint16),
    "objects": np.eye(SIZE, dtype=np.uint16),
}
NAMES = {"superpixels": (), "objects": ("background", "eagle-1")}


def test_ranges_of_the_scopes_are_those_of_the_maps(small_study: Any, drawn: Any) -> None:
    label_maps = [LabelMap(name, labels, NAMES[name]) for name, labels in CUT.items()]
    study = drawn(small_study.maps, label_maps=label_maps)
    maps = ImageMaps(study, "a.png")
    for scope, regions in product(SCOPES[1:], REGIONS):
        found = scale(maps, scope, regions=regions)
        assert found is not None
        every = values_of(study, scope, regions)
        clipped = scale(maps, scope, regions=regions, rule="percentile", percentile=95)
        assert clipped is not None
        if clipped.exact:
            assert clipped.quantile == np.quantile(np.abs(every), 0.95)
        assert (found.shared.minimum, found.shared.maximum) == (every.min(), every.max()), (scope, regions)
        assert found.shared.complete


def test_the_pair_of_a_map_with_itself_is_its_own_range(drawn: Any, noise: Any) -> None:
    same = noise(1)
    study = drawn({("trained", "a", target): same for target in ("eagle", "magpie")})
    per_map, joint = scale(study, "image", "a"), scale(study, "pair", "a")
    assert per_map is not None
    assert joint is not None
    assert np.array_equal(per_map.paint(same), joint.paint(same))


def test_the_raw_scale_is_one_for_the_study_and_leaves_random_maps_white(small_study: Any) -> None:
    raw = scale(small_study, "raw")
    assert raw is not None
    assert raw.ends == (-0.005, 0.005)
    for (variant, _, _), values in small_study.maps.items():
        assert (raw.paint(values) == 255).all() == (variant == "random-1")


def test_more_variants_of_nearly_nothing_leave_the_raw_scale_as_it_is(drawn: Any, noise: Any) -> None:
    trained = {("trained", "a", t): noise(i) for i, t in enumerate(("eagle", "magpie"))}
    many = {(f"random-{n}", "a", t): noise(n, 1e-8) for n in range(12) for t in ("eagle", "magpie")}
    alone, among = (study.scope_range("raw") for study in (drawn(trained), drawn(trained | many)))
    assert alone.maximum == among.maximum == -among.minimum


def test_where_no_map_is_there_is_no_scale(drawn: Any) -> None:
    study = drawn({}, images=["a"], kinds={"trained": "trained"})
    assert [scale(study, scope, "a") for scope in SCOPES] == [None] * len(SCOPES)


@pytest.mark.parametrize(
    "values",
    [np.zeros((16, 16)), np.full((16, 16), 0.5), np.full((16, 16), -0.5), POSITIVE],
    ids=["zero", "constant", "negative", "positive"],
)
def test_degenerate_maps_have_a_range_and_colours(drawn: Any, values: np.ndarray) -> None:
    values = values.astype(np.float32)
    study = drawn({("trained", "a", "eagle"): values}, targets=["eagle"])
    scopes: tuple[Scope, ...] = ("raw", "image", "dataset")
    for scope in scopes:
        found = scale(study, scope, "a")
        assert found is not None
        assert np.array_equal(found.paint(values), PALETTE[color_indices(values, *found.ends)])
        assert (found.paint(values) == 255).all() == (not values.any())


def test_unknown_scopes_and_numbers_of_targets_are_refused(small_study: Any) -> None:
    maps: Any = ImageMaps(small_study, "a.png")
    with pytest.raises(InputError, match="scope 'own' is unknown; use one of raw, image"):
        color_scale(maps, "own")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="two targets"):
        color_scale(maps, "pair", "trained", ["eagle"])


@pytest.mark.parametrize("scope", SCOPES[1:])
def test_quantiles_are_those_of_the_regions(small_study: Any, scope: Scope) -> None:
    maps, some = ImageMaps(small_study, "a.png"), ("pixel", "patch 4")
    for percentile, regions in product((90.0, 99.3, 100.0), some):
        found = scale(maps, scope, percentile=percentile, regions=regions)
        assert found is not None
        every = np.abs(values_of(small_study, scope, regions))
        if scope in ("variant", "dataset") and percentile < 100:
            assert not found.exact
            expected = np.quantile(every, percentile / 100, method="lower")
            assert found.quantile == pytest.approx(expected, rel=RELATIVE_ERROR)
        else:
            assert found.exact
            assert found.quantile == np.quantile(every, percentile / 100)


@pytest.mark.parametrize("regions", ["pixel", "patch 4"])
def test_histograms_serve_where_maps_were_not_kept_or_are_many(
    small_study: Any, monkeypatch: pytest.MonkeyPatch, regions: Regions
) -> None:
    scopes: tuple[Scope, ...] = ("image", "pair", "targets", "models")
    for scope, change in product(scopes, ((scales, "MAX_MAPS", 0), (small_study, "kept", False))):
        expected = np.quantile(np.abs(values_of(small_study, scope, regions)), 0.95, method="lower")
        with monkeypatch.context() as patch:
            patch.setattr(*change)
            found = scale(small_study, scope, percentile=95, regions=regions)
        assert found is not None
        assert not found.exact
        assert found.quantile == pytest.approx(expected, rel=RELATIVE_ERROR)


def test_only_the_percentile_rule_asks(small_study: Any) -> None:
    for found in (scale(small_study, "dataset"), scale(small_study, "raw", percentile=99)):
        assert found is not None
        assert found.quantile is None


def test_a_study_without_ranges_of_patches_says_so(drawn: Any, noise: Any) -> None:
    """As one that was computed before they were kept."""
    study = drawn({("trained", "a", "eagle"): noise(1)}, targets=["eagle"], patches=False)
    for scope in ("image", "dataset"):
        assert scale(study, scope, "a") is not None
        with pytest.raises(InputError, match=r"'patch 8': 1 of 1 maps .* kept no ranges of patches; use"):
            scale(study, scope, "a", regions="patch 8")
