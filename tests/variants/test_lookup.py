"""What is known of models without building them."""

import pytest

from igbatch.birds.facts import BUNDLED_WEIGHTS
from igbatch.errors import InputError
from igbatch.variants.lookup import BUNDLED, find_facts
from igbatch.variants.models import describe_model
from igbatch.variants.weights import WeightsSource, locate_weights


def test_the_bundled_models_facts_are_those_of_the_model_that_timm_builds() -> None:
    assert describe_model(locate_weights("bundled", None, "k"), "k") == BUNDLED


def test_other_models_are_built_to_be_known() -> None:
    facts = find_facts(WeightsSource("swin_tiny_patch4_window7_224", None), "k")
    assert facts.classes == 1000
    assert list(facts.layers) == list(BUNDLED.layers)
    assert facts.layers["layers.3"] == BUNDLED.layers["layers.3"]
    assert facts.layers["layers.0"] == ["layers.0.blocks.0", "layers.0.blocks.1"]
    with pytest.raises(InputError, match="another architecture"):
        find_facts(WeightsSource("swin_tiny_patch4_window7_224", str(BUNDLED_WEIGHTS)), "k")
    with pytest.raises(InputError, match="timm has no model 'swan'"):
        find_facts(WeightsSource("swan", None), "k")
