"""Single variants of a study: their ids, their order, and the layers that are random in them."""

from typing import Any

import pytest

from igbatch.errors import InputError
from igbatch.study import SeededSample, Study, VariantSpec
from igbatch.study_file import parse_study
from igbatch.variants.specs import needs_layers, variant_specs

LAYERS = {
    "patch_embed": ["patch_embed"], "layers.0": ["layers.0.blocks.0"],
    "layers.1": ["layers.1.downsample", "layers.1.blocks.0"], "norm": ["norm"], "head": ["head"],
}  # fmt: skip
BLOCKS = tuple(block for blocks in LAYERS.values() for block in blocks)


def parse(*variants: dict[str, Any], **changes: Any) -> Study:
    least = {"name": "s", "images": {"root": "r"}, "models": {"m": {}}, "targets": ["a"]}
    return parse_study({**least, "variants": list(variants), **changes}, "study.yaml")


def specs(*variants: dict[str, Any], **changes: Any) -> list[VariantSpec]:
    study = parse(*variants, **changes)
    return variant_specs(study, dict.fromkeys(study.models, LAYERS))


def layers(*variants: dict[str, Any]) -> dict[str, tuple[str, ...] | None]:
    return {spec.variant_id: spec.layers for spec in specs(*variants)}


def refusal(*variants: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        specs(*variants)
    return str(caught.value)


def cascade(direction: str, *seeds: int, **more: Any) -> dict[str, Any]:
    return {"kind": "cascade", "direction": direction, "seeds": list(seeds), **more}


def test_variants_are_in_the_order_of_the_study_with_their_steps() -> None:
    random = {"kind": "random", "seeds": [5, 2], "steps": 10, "images": ["x"]}
    found = specs(random, {"kind": "trained"}, attribution={"steps": 30})
    assert found == [
        VariantSpec("random-5", "m", "random", 5, 10, images=("x",)),
        VariantSpec("random-2", "m", "random", 2, 10, images=("x",)),
        VariantSpec("trained", "m", "trained", None, 30),
    ]


def test_adaptive_and_fixed_steps_may_stand_side_by_side() -> None:
    variants = [{"kind": "random", "seeds": [5], "steps": 10}, {"kind": "trained"}]
    assert [spec.steps for spec in specs(*variants)] == [10, "auto"]
    variants[0]["steps"] = "auto"
    assert [spec.steps for spec in specs(*variants, attribution={"steps": 30})] == ["auto", 30]


def test_a_cascade_down_goes_from_the_head_to_the_patch_embedding() -> None:
    assert layers(cascade("down", 7)) == {
        "cascade-down-7-head": BLOCKS[-1:],
        "cascade-down-7-norm": BLOCKS[-2:],
        "cascade-down-7-layers.1": BLOCKS[-4:],
        "cascade-down-7-layers.0": BLOCKS[-5:],
        "cascade-down-7-patch_embed": BLOCKS,
    }


def test_a_cascade_up_goes_from_the_patch_embedding_to_the_head() -> None:
    assert layers(cascade("up", 7, by="stage")) == {
        "cascade-up-7-patch_embed": BLOCKS[:1],
        "cascade-up-7-layers.0": BLOCKS[:2],
        "cascade-up-7-layers.1": BLOCKS[:4],
        "cascade-up-7-norm": BLOCKS[:5],
        "cascade-up-7-head": BLOCKS,
    }


@pytest.mark.parametrize("direction", ["down", "up"])
def test_a_cascade_by_block_adds_one_block_at_a_time(direction: str) -> None:
    found = specs(cascade(direction, 3, 4, by="block"))
    assert [spec.seed for spec in found] == [3] * len(BLOCKS) + [4] * len(BLOCKS)
    for number, spec in enumerate(found[: len(BLOCKS)], 1):
        assert spec.layers == (BLOCKS[-number:] if direction == "down" else BLOCKS[:number])
        added = BLOCKS[-number] if direction == "down" else BLOCKS[number - 1]
        assert spec.variant_id == f"cascade-{direction}-3-{added}"
        assert (spec.kind, spec.direction) == ("cascade", direction)


def test_independent_randomization_has_one_layer_at_a_time() -> None:
    by_stage = layers({"kind": "independent", "seeds": [7]})
    assert by_stage == {f"independent-7-{stage}": tuple(blocks) for stage, blocks in LAYERS.items()}
    by_block = layers({"kind": "independent", "first_seed": 7, "count": 1, "by": "block"})
    assert by_block == {f"independent-7-{block}": (block,) for block in BLOCKS}


def test_several_models_prefix_their_variants_and_have_their_own_layers() -> None:
    study = parse({"kind": "trained"}, cascade("up", 1), models={"tiny": {}, "base": {}})
    short = {"stem": ["stem"], "head": ["head"]}
    found = [(spec.variant_id, spec.model) for spec in variant_specs(study, {"tiny": LAYERS, "base": short})]
    assert found == [
        ("tiny.trained", "tiny"), *((f"tiny.cascade-up-1-{stage}", "tiny") for stage in LAYERS),
        ("base.trained", "base"), ("base.cascade-up-1-stem", "base"), ("base.cascade-up-1-head", "base"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [{"direction": "down", "kind": "cascade"}, {"kind": "independent"}])
def test_what_stages_and_blocks_have_in_common_is_one_variant(kind: dict[str, Any]) -> None:
    both = [
        {**kind, "seeds": [1], "by": by, "steps": 9, "images": {"sample": 3}} for by in ("stage", "block")
    ]
    found = specs(*both)
    apart = {spec.variant_id: spec for spec in (*specs(both[0]), *specs(both[1]))}
    assert found == list(apart.values())
    assert len(found) == len(LAYERS) + len(BLOCKS) - 3
    assert found[0].images == SeededSample(sample=3)


@pytest.mark.parametrize(
    ("variants", "line"),
    [
        ([{"kind": "random", "seeds": [7, 8, 7]}], "variants: random-7 is listed twice; list it once"),
        ([{"kind": "random", "seeds": [7]}, {"kind": "random", "first_seed": 5, "count": 3}],
         "variants: random-7 is listed twice; list it once"),
        ([{"kind": "trained"}, {"kind": "trained", "steps": 9}],
         "variants: trained is listed twice, with different steps or images; list it once"),
        ([cascade("up", 1), cascade("up", 1)],
         "variants: cascade-up-1-patch_embed is listed twice; list it once"),
        ([cascade("down", 1, 1, by="block")], "variants: cascade-down-1-head is listed twice; list it once"),
        ([cascade("down", 1), cascade("down", 1, by="block", steps=9)],
         "variants: cascade-down-1-head is listed twice, with different steps or images; list it once"),
        ([cascade("down", 1), cascade("down", 1, by="block", images=["x"])],
         "variants: cascade-down-1-head is listed twice, with different steps or images; list it once"),
    ],
)  # fmt: skip
def test_two_variants_alike_are_refused(variants: list[dict[str, Any]], line: str) -> None:
    assert refusal(*variants) == line


def test_layers_are_asked_for_only_where_a_variant_follows_from_them() -> None:
    study = parse({"kind": "trained"}, {"kind": "random", "seeds": [1]})
    assert not needs_layers(study)
    assert len(variant_specs(study, {})) == 2
    assert needs_layers(parse({"kind": "independent", "seeds": [1]}))
    assert needs_layers(parse(cascade("up", 1)))
