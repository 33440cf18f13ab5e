"""Expand the `variants` of a study into single ones, each with its id and its random layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from igbatch.errors import InputError
from igbatch.study import Study, Variant, VariantSpec

Layers = Mapping[str, Sequence[str]]
"""Stages and their blocks in order of data flow, as `igbatch.variants.layers.list_layers` returns them."""


def needs_layers(study: Study) -> bool:
    """Tell whether variants of a study follow from the layers of its models."""
    return any(variant.kind in ("cascade", "independent") for variant in study.variants)


def variant_specs(study: Study, layers: Mapping[str, Layers]) -> list[VariantSpec]:
    """List the variants of every model, in the order of the study.

    Where layers are listed by stage and by block too, variants that both have (`cascade-down-1-head`) come
    once, at their first place.

    Args:
        study: the study.
        layers: of each model; models are left out where `needs_layers` is false.

    Raises:
        InputError: a variant is listed twice.
    """
    found: dict[str, tuple[VariantSpec, str]] = {}
    for model in study.models:
        for variant in study.variants:
            by = variant.by or "stage"
            for spec in _specs(study, model, variant, layers):
                earlier, earlier_by = found.setdefault(spec.variant_id, (spec, by))
                if earlier is spec or (earlier == spec and earlier_by != by):
                    continue
                how = "" if earlier == spec else ", with different steps or images"
                raise InputError(f"variants: {spec.variant_id} is listed twice{how}; list it once")
    return [spec for spec, _ in found.values()]


def _specs(study: Study, model: str, variant: Variant, layers: Mapping[str, Layers]) -> Iterator[VariantSpec]:
    """Yield the variants of one model that an entry of the study stands for."""
    prefix = f"{model}." if len(study.models) > 1 else ""
    steps = variant.steps or study.attribution.steps
    for seed in variant.seed_values() or (None,):
        name = "-".join(str(part) for part in (variant.kind, variant.direction, seed) if part is not None)
        if variant.kind not in ("cascade", "independent"):
            yield VariantSpec(f"{prefix}{name}", model, variant.kind, seed, steps, images=variant.images)
            continue
        for layer, blocks in _randomized(variant, layers[model]):
            yield VariantSpec(
                f"{prefix}{name}-{layer}", model, variant.kind, seed, steps, variant.direction, blocks,
                variant.images,
            )  # fmt: skip


def _randomized(variant: Variant, layers: Layers) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each layer of a cascade or of independent randomization, and the blocks that are random then.

    Blocks are in order of data flow whether the layers are stages or blocks, so that equal weights have equal
    blocks.
    """
    units = {block: [block] for blocks in layers.values() for block in blocks}
    if variant.by != "block":
        units = {stage: list(blocks) for stage, blocks in layers.items()}
    before: list[str] = []
    names = list(units)
    for name in reversed(names) if variant.direction == "down" else names:
        blocks = units[name]
        if variant.kind == "cascade":
            before = [*blocks, *before] if variant.direction == "down" else [*before, *blocks]
            blocks = before
        yield name, tuple(blocks)
