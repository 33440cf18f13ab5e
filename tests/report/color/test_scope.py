from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from igbatch.errors import InputError
from igbatch.reduce.scopes import raw_scale, round_up
from igbatch.report.color.colormaps import paint
from igbatch.report.color.scope import KINDS, Normalizations
from igbatch.report.color.wording import SCOPE_WORDS

POSITIVE = np.linspace(0.2, 0.9, 256).reshape(16, 16)


def test_ranges_of_the_scopes_are_those_of_the_maps(small_study: Any) -> None:
    norms, maps = Normalizations(small_study), small_study.maps
    key = {"variant_id": "trained", "image_id": "a.png"}

    def extremes(*chosen: np.ndarray) -> tuple[float, float]:
        return min(float(m.min()) for m in chosen), max(float(m.max()) for m in chosen)

    eagle, magpie = (maps["trained", "a.png", target] for target in ("eagle", "magpie"))
    expected = {
        "image": extremes(eagle),
        "pair": extremes(eagle, magpie),
        "targets": extremes(eagle, magpie),
        "models": extremes(*(m for k, m in maps.items() if k[1] == "a.png")),
        "variant": extremes(*(m for k, m in maps.items() if k[0] == "trained")),
        "dataset": extremes(*maps.values()),
    }
    for kind, (low, high) in expected.items():
        targets = ["eagle"] if kind == "image" else ["eagle", "magpie"]
        found = norms.of(kind, targets=targets, **key)
        assert found is not None
        assert (found.minimum, found.maximum) == (low, high)
        assert found.complete
        assert found.heading == found.title
        assert found.caution == ""


def test_the_pair_of_a_map_with_itself_is_its_own_range(drawn: Any, noise: Any) -> None:
    same = noise(1)
    study = drawn({("trained", "a", "eagle"): same, ("trained", "a", "magpie"): same})
    norms = Normalizations(study)
    own = norms.of("image", variant_id="trained", image_id="a", targets=["eagle"])
    joint = norms.of("pair", variant_id="trained", image_id="a", targets=["eagle", "magpie"])
    assert own is not None
    assert joint is not None
    assert (own.minimum, own.maximum) == (joint.minimum, joint.maximum)
    assert np.array_equal(paint(same, own.gain), paint(same, joint.gain))


def test_the_raw_scale_is_one_for_the_study_and_leaves_random_maps_white(small_study: Any) -> None:
    raw = Normalizations(small_study).of("raw")
    assert raw is not None
    assert (raw.minimum, raw.maximum) == (-0.005, 0.005)
    for (variant, _, _), values in small_study.maps.items():
        assert (paint(values, raw.gain) == 255).all() == (variant == "random-1")


def test_more_variants_of_nearly_nothing_leave_the_raw_scale_as_it_is(drawn: Any, noise: Any) -> None:
    trained = {("trained", "a", t): noise(i) for i, t in enumerate(("eagle", "magpie"))}
    many = {(f"random-{n}", "a", t): noise(n, 1e-8) for n in range(12) for t in ("eagle", "magpie")}
    alone, among = drawn(trained), drawn(trained | many)
    scales = [raw_scale(map(study.range_of, study.variants["variant_id"])) for study in (alone, among)]
    assert scales[0] == scales[1]


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(0.0, 0.0), (1.0, 1.0), (1.01, 2.0), (0.0021, 0.005), (0.0051, 0.01), (3e-9, 5e-9), (9.0, 10.0)],
)
def test_round_numbers(value: float, rounded: float) -> None:
    assert round_up(value) == rounded


def test_an_incomplete_range_is_never_called_joint(drawn: Any, noise: Any) -> None:
    study = drawn({("trained", "a", "eagle"): noise(1)})
    norms = Normalizations(study)
    for kind in ("pair", "targets", "models", "variant", "dataset"):
        found = norms.of(kind, variant_id="trained", image_id="a", targets=["eagle", "magpie"])
        assert found is not None
        assert not found.complete
        assert found.heading.startswith("Incomplete: ")
        assert found.label.startswith("incomplete: ")
        assert "not the joint one" in found.caution


def test_where_no_map_is_there_is_no_range(drawn: Any) -> None:
    norms = Normalizations(drawn({}, images=["a"], kinds={"trained": "trained"}))
    for kind in KINDS:
        targets = ["eagle"] if kind == "image" else ["eagle", "magpie"]
        assert norms.of(kind, variant_id="trained", image_id="a", targets=targets) is None


@pytest.mark.parametrize(
    "values",
    [np.zeros((16, 16)), np.full((16, 16), 0.5), np.full((16, 16), -0.5), POSITIVE],
    ids=["zero", "constant", "negative", "positive"],
)
def test_degenerate_maps_have_a_range_and_colours(drawn: Any, values: np.ndarray) -> None:
    values = values.astype(np.float32)
    study = drawn({("trained", "a", "eagle"): values}, targets=["eagle"])
    for kind in ("raw", "image", "dataset"):
        norm = Normalizations(study).of(kind, variant_id="trained", image_id="a", targets=["eagle"])
        assert norm is not None
        colors = paint(values, norm.gain)
        assert (colors == 255).all() == (not values.any())


def test_unknown_kinds_and_numbers_of_targets_are_refused(small_study: Any) -> None:
    norms: Callable[..., Any] = Normalizations(small_study).of
    with pytest.raises(InputError, match="unknown"):
        norms("own")
    with pytest.raises(InputError, match="two targets"):
        norms("pair", variant_id="trained", image_id="a.png", targets=["eagle"])


def test_every_kind_has_words() -> None:
    assert tuple(SCOPE_WORDS) == KINDS
    for kind, words in SCOPE_WORDS.items():
        assert words.title
        assert words.compare
        assert bool(words.beware) == (kind not in ("raw", "dataset"))
        assert ("{maps}" in words.over) == (kind in ("targets", "models", "variant", "dataset"))
