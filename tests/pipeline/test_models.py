"""The models that a worker holds: whatever it held before, a variant has the weights that it has alone."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from igbatch.errors import InputError
from igbatch.pipeline.models import Models
from igbatch.pipeline.resolve import ResolvedStudy, resolve_study
from igbatch.study_file import LoadedStudy, parse_study
from igbatch.variants.models import load_trained, state_sha256, weights_sha256
from igbatch.variants.randomized import ModelStates, random_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
CPU = torch.device("cpu")
EVERY_KIND = [
    {"kind": "trained"}, {"kind": "random", "seeds": [1, 2]},
    {"kind": "cascade", "direction": "down", "seeds": [1, 2]},
    {"kind": "cascade", "direction": "up", "seeds": [1]},
    {"kind": "independent", "seeds": [1], "by": "block"},
]  # fmt: skip


@pytest.fixture(scope="module")
def resolve(small_model: str) -> Callable[..., ResolvedStudy]:
    def resolve(*variants: dict[str, Any], **changes: Any) -> ResolvedStudy:
        content = {
            "name": "s", "images": {"scenes": [{"kind": "double", "seeds": [1]}]},
            "models": {"m": {"weights": small_model}}, "targets": ["eagle"],
            "variants": list(variants), **changes,
        }  # fmt: skip
        return resolve_study(LoadedStudy(parse_study(content, "test"), Path()))

    return resolve


@pytest.fixture(scope="module")
def resolved(resolve: Callable[..., ResolvedStudy]) -> ResolvedStudy:
    return resolve(*EVERY_KIND)


@pytest.fixture(scope="module")
def alone(resolved: ResolvedStudy) -> dict[str, str]:
    """The digest of each variant, built from the models and nothing else."""
    source = resolved.models["m"].source
    trained = load_trained(source, "k").state_dict()
    fresh = {seed: random_model(source, seed, "k").state_dict() for seed in (1, 2)}
    digests = {}
    for spec in resolved.variants:
        state = trained if spec.seed is None else fresh[spec.seed]
        if spec.layers is not None:
            kept = {
                name: tensor
                for name, tensor in trained.items()
                if not any(name.startswith(f"{layer}.") for layer in spec.layers)
            }
            state = {**state, **kept}
        digests[spec.variant_id] = state_sha256(state)
    return digests


def test_a_variant_has_the_weights_that_it_has_alone(resolved: ResolvedStudy, alone: dict[str, str]) -> None:
    models = Models(resolved, CPU)
    for spec in random.Random(0).sample(resolved.variants, len(resolved.variants)):
        held = models.variant(spec)
        assert held.spec == spec
        assert held.digest.result() == weights_sha256(held.model) == alone[spec.variant_id], spec.variant_id


def test_cascades_end_with_the_random_model_and_no_other_variant_is_it(alone: dict[str, str]) -> None:
    same = [variant for variant, digest in alone.items() if digest == alone["random-1"]]
    assert same == ["random-1", "cascade-down-1-patch_embed", "cascade-up-1-head"]
    assert alone["cascade-down-2-patch_embed"] == alone["random-2"] != alone["random-1"]


def test_a_variant_is_written_over_the_one_before(resolved: ResolvedStudy) -> None:
    models = Models(resolved, CPU)
    first, second = resolved.variants[:2]
    held = models.variant(first)
    tensors = {name: tensor.data_ptr() for name, tensor in held.model.state_dict().items()}
    after = models.variant(second)
    assert {name: tensor.data_ptr() for name, tensor in after.model.state_dict().items()} == tensors
    assert not any(module.training for module in after.model.modules())


def test_a_separate_model_stays_as_it_is(resolved: ResolvedStudy, alone: dict[str, str]) -> None:
    models = Models(resolved, CPU)
    separate = [models.separate(spec) for spec in resolved.variants[:4]]
    for spec in resolved.variants[:4]:
        models.variant(spec)
    for spec, model in zip(resolved.variants, separate, strict=False):
        assert weights_sha256(model) == alone[spec.variant_id]


def test_the_trained_model_is_there_whatever_the_variant(
    resolved: ResolvedStudy, alone: dict[str, str]
) -> None:
    models = Models(resolved, CPU)
    for spec in resolved.variants[:5]:
        models.variant(spec)
        assert weights_sha256(models.trained("m")) == alone["trained"]
        assert (models.trained("m") is models.variant(spec).model) == (spec.kind == "trained")


def test_models_of_a_study_follow_one_another(
    resolve: Callable[..., ResolvedStudy], small_model: str
) -> None:
    cascade = {"kind": "cascade", "direction": "up", "seeds": [3]}
    named = {"a": {"weights": small_model}, "b": {"weights": small_model, "classes": {"hawk": 1}}}
    both = resolve({"kind": "trained"}, cascade, models=named)
    of_a, of_b = (spec for spec in both.variants if spec.variant_id.endswith("layers.1"))
    models = Models(both, CPU)
    digests = [models.variant(spec).digest.result() for spec in (of_a, of_b, of_a)]
    assert len(set(digests)) == 1  # the same weights under two names
    assert models.trained("b") is not models.trained("a")


def test_a_variant_that_could_not_be_built_is_not_taken_for_one_that_was(
    resolved: ResolvedStudy, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models(resolved, CPU)
    trained, other = resolved.variants[:2]
    models.variant(trained)
    with monkeypatch.context() as patch:
        patch.setattr(ModelStates, "state", lambda *_: (_ for _ in ()).throw(InputError("no")))
        with pytest.raises(InputError):
            models.variant(other)
    assert models.variant(trained).digest.result() == alone["trained"]
    assert weights_sha256(models.variant(other).model) == alone[other.variant_id]
