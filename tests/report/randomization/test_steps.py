import pandas as pd

from igbatch.report.randomization.steps import (
    ModelVariants,
    first_of_each_direction,
    model_variants,
    short_layer,
)


def test_cascades_are_in_the_order_of_their_depth(variants: ModelVariants) -> None:
    down, up = first_of_each_direction(variants.cascades)
    assert list(down.steps) == ["head", "body", "stem"]
    assert list(up.steps) == ["stem", "body", "head"]
    assert (down.direction, down.seed, up.direction) == ("down", 1, "up")


def test_variants_on_some_images_are_not_among_the_random_ones(variants: ModelVariants) -> None:
    assert variants.trained == "trained"
    assert variants.random == ("random-1", "random-2")


def test_a_cascade_listed_by_stage_and_by_block_is_one() -> None:
    rows = [
        ("m.cascade-down-7-head", ["head"]),
        ("m.cascade-down-7-layers.1", ["layers.1.blocks.0", "layers.1.blocks.1", "head"]),
        ("m.cascade-down-7-layers.1.blocks.1", ["layers.1.blocks.1", "head"]),
    ]
    frame = pd.DataFrame(
        [
            {"variant_id": name, "model": "m", "kind": "cascade", "direction": "down", "seed": 7.0,
             "layers": layers, "images": None}
            for name, layers in rows
        ]
    )  # fmt: skip
    (found,) = model_variants(frame)[0].cascades
    assert list(found.steps) == ["head", "layers.1.blocks.1", "layers.1"]
    assert model_variants(frame)[0].trained is None


def test_names_of_blocks_are_shortened_and_those_of_stages_kept() -> None:
    assert [short_layer(name) for name in ("layers.2.blocks.3", "layers.2", "head")] == [
        "2.blocks.3",
        "layers.2",
        "head",
    ]
