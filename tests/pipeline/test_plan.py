"""Planning: what is expected less what is committed, each row once, however it is cut."""

import itertools
import re
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from helpers import ZEROS
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.images.boxes import BOX_SCHEMA, NORMALIZED_SCHEMA, SIZE_SCHEMA, Box, BoxTable, NormalizedBox
from igbatch.images.selection import select_images
from igbatch.pipeline.plan import SHARD_MAP_BYTES, SHARDS_A_WORKER, Plan, Shard, expected_steps, make_plan
from igbatch.pipeline.resolve import ResolvedModel, ResolvedStudy
from igbatch.pipeline.study_images import StudyImages
from igbatch.store import schemas
from igbatch.store.commit import ShardWriter
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output
from igbatch.study_file import parse_study
from igbatch.variants.specs import variant_specs
from igbatch.variants.weights import WeightsSource

CLASSES = {"a": 0, "b": 1, "c": 2}
Triple = tuple[str, str, str]


def resolve(
    targets: Sequence[str] = ("a", "b"),
    variants: Sequence[dict[str, Any]] = ({"kind": "trained"},),
    **changes: Any,
) -> ResolvedStudy:
    """A resolved study of one model with three classes, without any model behind it."""
    study = parse_study(
        {
            "name": "s", "images": {"root": "r"}, "models": {"m": {}}, "targets": list(targets),
            "variants": list(variants), **changes,
        },
        "test",
    )  # fmt: skip
    data_config = {"input_size": [3, 224, 224]}
    indices = {name: CLASSES.get(name) for name in study.target_names()}
    model = ResolvedModel("m", WeightsSource("swin", None), "w", 3, CLASSES, CLASSES, data_config, indices)
    return ResolvedStudy(study, "gray", {"m": model}, variant_specs(study, {}), study.target_names())


def listed(images: dict[str, str], boxes: BoxTable | None = None) -> StudyImages:
    """Images by id, with their etags."""
    rows = [{"image_id": name, "uri": f"/{name}", "etag": etag} for name, etag in images.items()]
    return StudyImages(pa.Table.from_pylist(rows, schema=schemas.IMAGES), boxes, [])


def memory() -> Output:
    return Output(f"memory://plan-{uuid.uuid4()}")


def commit(
    output: Output,
    resolved: ResolvedStudy,
    variant: str,
    done: Sequence[tuple[str, str, str]],
    quarantined: Sequence[tuple[str, str | None, str]] = (),
    **changes: Any,
) -> None:
    """Commit a shard of rows (image, target, etag), with nothing but their keys in them."""
    fingerprint = changes.pop("fingerprint", None) or digest(resolved.fingerprint()[variant])
    with ShardWriter(output, variant, uuid.uuid4().hex, fingerprint) as writer:
        for image, target, etag in done:
            key = {
                "image_id": image,
                "target": target,
                "image_etag": etag,
                "target_index": CLASSES.get(target, 0),
            }
            writer.add_image_stats([{**ZEROS, **key, **changes}])
        for image, target, etag in quarantined:
            row = {"image_id": image, "target": target, "image_etag": etag, "stage": "image", "error": "e"}
            writer.add_quarantine([row])
        writer.commit()


def rows(plan: Plan) -> list[Triple]:
    """Every row that the shards of a plan stand for."""
    return [
        (shard.spec.variant_id, image.image_id, target)
        for shard in plan.shards()
        for image in shard.images
        for target in shard.targets
    ]


def product(resolved: ResolvedStudy, images: dict[str, str]) -> set[Triple]:
    """Every row that a study asks for: its variants' images and all targets."""
    names = pa.chunked_array([list(images)], pa.string())
    return {
        (spec.variant_id, image, target)
        for spec in resolved.variants
        for image in names.filter(pa.array(select_images(spec.images, names))).to_pylist()
        for target in resolved.target_names
    }


subsets = st.sets(st.sampled_from(["i0", "i1", "i2", "i3", "i4", "i5", "i6"]), min_size=1)
target_sets = st.lists(st.sampled_from(["a", "b", "c", "predicted"]), min_size=1, unique=True)
variant_sets = st.lists(
    st.sampled_from([{"kind": "trained"}, *({"kind": "random", "seeds": [seed]} for seed in (1, 2))]),
    min_size=1, unique_by=str,
)  # fmt: skip


@given(st.data())
def test_the_shards_are_exactly_what_is_expected_and_not_committed(data: st.DataObject) -> None:
    """For any images, targets, variants, shard size and committed rows, of listed things and of others."""
    size = data.draw(st.integers(1, 4) | st.just("auto"))
    targets, variants = data.draw(target_sets), data.draw(variant_sets)
    images = {name: data.draw(st.sampled_from(["1", "2"])) for name in sorted(data.draw(subsets))}
    listed_ids = st.lists(st.sampled_from(sorted(images)), min_size=1, unique=True)
    samples = st.builds(lambda count: {"sample": count}, st.integers(1, 8))
    choices = st.just("all") | listed_ids | samples
    variants = [{**variant, "images": data.draw(choices)} for variant in variants]
    resolved = resolve(targets, variants, run={"shard_images": size})
    output, done, kept_out = memory(), set(), set()
    for spec in resolved.variants:
        cells = st.tuples(
            st.sampled_from([f"i{n}" for n in range(7)]), st.sampled_from(["a", "b", "c", "predicted"]),
            st.sampled_from(["1", "2"]),
        )  # fmt: skip
        for shard in data.draw(st.lists(st.lists(cells, max_size=6), max_size=2)):
            lost = data.draw(st.lists(cells, max_size=2))
            lost_whole = data.draw(st.booleans())
            quarantined = [(image, None if lost_whole else target, etag) for image, target, etag in lost]
            commit(output, resolved, spec.variant_id, shard, quarantined)
            done |= {
                (spec.variant_id, image, target) for image, target, etag in shard if images.get(image) == etag
            }
            for image, target, etag in quarantined:
                if images.get(image) == etag:
                    names = targets if target is None else [target]
                    kept_out |= {(spec.variant_id, image, name) for name in names}
    for retry in (False, True):
        plan = make_plan(resolved, listed(images), output, retry_quarantined=retry)
        found = rows(plan)
        expected = product(resolved, images) - done - (set() if retry else kept_out)
        assert Counter(found) == Counter(expected)
        assert plan.missing_rows == len(expected)
        assert plan.expected_rows == len(product(resolved, images))
        assert plan.missing_images == len({triple[:2] for triple in expected})
        shards = list(plan.shards())
        assert plan.shard_count() == len(shards)
        assert len({shard.name for shard in shards}) == len(shards)
        assert all(1 <= len(shard.images) <= plan.shard_images for shard in shards)
        assert all(shard.targets for shard in shards)
        assert sum(shard.rows for shard in shards) == len(expected)
        assert size in ("auto", plan.shard_images)


def test_a_subset_that_grows_computes_the_new_pairs_alone() -> None:
    """And one that shrinks computes nothing: fingerprints know nothing of subsets."""
    images, output = listed(dict.fromkeys("pqrst", "1")), memory()

    def study(choice: Any) -> ResolvedStudy:
        return resolve(variants=[{"kind": "random", "seeds": [1, 2], "images": choice}])

    small = study(["q", "s"])
    plan = make_plan(small, images, output)
    assert plan.expected_rows == plan.missing_rows == 2 * 2 * 2
    assert plan.image_counts == {"random-1": 2, "random-2": 2}
    for shard in plan.shards():
        done = [(i.image_id, t, i.etag) for i in shard.images for t in shard.targets]
        commit(output, small, shard.spec.variant_id, done)
    assert make_plan(small, images, output).missing_rows == 0
    for larger, new in ((["q", "r", "s"], "r"), ("all", "prt")):
        grown = study(larger)
        assert grown.fingerprint() == small.fingerprint()
        expected = {(v, i, t) for v in ("random-1", "random-2") for i in new for t in "ab"}
        assert set(rows(make_plan(grown, images, output))) == expected
    assert make_plan(study(["s"]), images, output).missing_rows == 0


def test_shards_of_subsets_are_cut_by_what_there_is_to_compute() -> None:
    """A hundred random variants on two of a thousand images make shards of two, not of thousands."""
    images = listed({f"i{n:04d}": "1" for n in range(1000)})
    few = [{"kind": "random", "first_seed": 0, "count": 100, "images": {"sample": 2}}]
    plan = make_plan(resolve(variants=few), images, memory()).for_workers(4)
    assert plan.shard_images == 2
    assert plan.shard_count() == 100
    both = make_plan(resolve(variants=[{"kind": "trained"}, *few]), images, memory()).for_workers(4)
    assert both.expected_rows == (1000 + 200) * 2
    assert both.shard_images == 1200 // (4 * SHARDS_A_WORKER) + 1


@given(st.sets(st.integers(0, 8)), st.integers(1, 6))
def test_what_is_left_is_cut_into_the_shards_of_before(done: set[int], size: int) -> None:
    """Whichever of its shards a run committed before it was interrupted, it makes the others again."""
    resolved = resolve(
        variants=[{"kind": "trained"}, {"kind": "random", "seeds": [1], "images": {"sample": 20}}],
        run={"shard_images": size},
    )
    images = listed({f"{number:02d}": "e" for number in range(29)})
    output = memory()
    whole = list(make_plan(resolved, images, output).shards())
    left = [shard for number, shard in enumerate(whole) if number not in done]
    for shard in (shard for number, shard in enumerate(whole) if number in done):
        rows = [(image.image_id, target, "e") for image in shard.images for target in shard.targets]
        commit(output, resolved, shard.spec.variant_id, rows)
    plan = make_plan(resolved, images, output)
    assert [shard.name for shard in plan.shards()] == [shard.name for shard in left]
    assert plan.shard_count() == len(left)


def test_shards_hold_what_a_worker_needs() -> None:
    resolved = resolve(["a", "c"], [{"kind": "random", "seeds": [4]}])
    table = BoxTable(
        pa.Table.from_pylist(
            [{"image": "y", "box_id": "b-1", "label": "b", "x_min": 1, "y_min": 2, "x_max": 3, "y_max": 4}],
            schema=BOX_SCHEMA,
        ),
        SIZE_SCHEMA.empty_table(),
        "boxes.csv",
    )
    shard = only(make_plan(resolved, listed({"x": "1", "y": "2"}, table), memory()), 2)
    assert shard.spec == resolved.variants[0]
    assert shard.fingerprint == digest(resolved.fingerprint()["random-4"])
    assert shard.targets == ("a", "c")
    assert [(image.image_id, image.uri, image.etag, image.label) for image in shard.images] == [
        ("x", "/x", "1", None), ("y", "/y", "2", None),
    ]  # fmt: skip
    assert [image.boxes for image in shard.images] == [(), (Box("b-1", "b", 1, 2, 3, 4),)]
    assert all(image.keep_map for image in shard.images)


def test_shards_hold_what_the_box_file_says_of_an_image() -> None:
    row = {
        "image": "y",
        "box_id": "b-1",
        "label": "b",
        "x_min": 0.1,
        "y_min": 0.2,
        "x_max": 0.3,
        "y_max": 1.0,
    }
    table = BoxTable(
        pa.Table.from_pylist([row], schema=NORMALIZED_SCHEMA),
        pa.Table.from_pylist([{"image": "y", "width": 30, "height": 20}], schema=SIZE_SCHEMA),
        "boxes.json",
    )
    for invalid in ("refuse", "skip"):
        resolved = resolve(images={"root": "r", "boxes": {"path": "boxes.json", "invalid": invalid}})
        x, y = only(make_plan(resolved, listed({"x": "1", "y": "2"}, table), memory()), 2).images
        assert (x.boxes, x.declared_size) == ((), None)
        assert y.boxes == (NormalizedBox("b-1", "b", 0.1, 0.2, 0.3, 1.0),)
        assert y.declared_size == (30, 20)
        assert x.skip_outside == y.skip_outside == (invalid == "skip")


def only(plan: Plan, shard_images: int) -> Shard:
    (shard,) = replace(plan, shard_images=shard_images).shards()
    return shard


def test_images_have_no_boxes_of_their_own_but_scenes() -> None:
    images = listed({"x": "1"})
    assert only(make_plan(resolve(), images, memory()), 1).images[0].boxes == ()
    scenes = resolve(images={"scenes": [{"kind": "single", "seeds": [1]}]})
    assert only(make_plan(scenes, images, memory()), 1).images[0].boxes is None


def test_images_inserted_in_front_are_all_that_is_new() -> None:
    resolved, output = resolve(run={"shard_images": 2}), memory()
    before = {"m": "1", "n": "1", "o": "1"}
    for shard in make_plan(resolved, listed(before), output).shards():
        commit(
            output,
            resolved,
            "trained",
            [(i.image_id, t, i.etag) for i in shard.images for t in shard.targets],
        )
    assert rows(make_plan(resolved, listed(before), output)) == []
    grown = {"a": "1", "m": "1", "mm": "1", **before}
    assert set(rows(make_plan(resolved, listed(grown), output))) == {
        ("trained", image, target) for image in ("a", "mm") for target in ("a", "b")
    }


def test_new_targets_and_variants_are_all_that_is_new() -> None:
    resolved, output = resolve(["a"]), memory()
    commit(output, resolved, "trained", [("x", "a", "1"), ("y", "a", "1")])
    grown = resolve(["c", "a"], [{"kind": "random", "seeds": [3]}, {"kind": "trained"}])
    found = set(rows(make_plan(grown, listed({"x": "1", "y": "1"}), output)))
    assert found == product(grown, {"x": "1", "y": "1"}) - {("trained", "x", "a"), ("trained", "y", "a")}


def test_an_image_that_changed_is_planned_again() -> None:
    resolved, output = resolve(["a"]), memory()
    commit(output, resolved, "trained", [("x", "a", "1"), ("y", "a", "1")], [("z", None, "1")])
    assert rows(make_plan(resolved, listed({"x": "2", "y": "1", "z": "2"}), output)) == [
        ("trained", "x", "a"), ("trained", "z", "a"),
    ]  # fmt: skip


def test_quarantined_rows_count_as_done_unless_retried() -> None:
    resolved, output = resolve(["a", "b"]), memory()
    commit(output, resolved, "trained", [("x", "a", "1")], [("x", "b", "1"), ("y", None, "1")])
    images = listed({"x": "1", "y": "1"})
    assert rows(make_plan(resolved, images, output)) == []
    retried = make_plan(resolved, images, output, retry_quarantined=True)
    assert sorted(rows(retried)) == [("trained", "x", "b"), ("trained", "y", "a"), ("trained", "y", "b")]


def test_a_retry_is_another_shard_than_the_one_that_failed() -> None:
    """So that a worker does not take it for committed already."""
    resolved, output = resolve(["a"]), memory()
    images = listed({"x": "1"})
    (failed,) = make_plan(resolved, images, output).shards()
    commit(output, resolved, "trained", [], [("x", None, "1")])
    (retried,) = make_plan(resolved, images, output, retry_quarantined=True).shards()
    assert retried.name != failed.name
    assert replace(retried, name=failed.name) == failed


def test_a_shard_of_another_fingerprint_is_refused() -> None:
    resolved, output = resolve(), memory()
    commit(output, resolved, "trained", [("x", "a", "1")], fingerprint="0123456789abcdef")
    with pytest.raises(
        InputError, match=r"computed under another study \(fingerprint 0123456789abcdef, this one is "
    ):
        make_plan(resolved, listed({"x": "1"}), output)


def test_a_target_that_stands_for_another_class_now_is_refused() -> None:
    resolved, output = resolve(["a", "predicted"]), memory()
    commit(output, resolved, "trained", [("x", "predicted", "1")], target_index=2)
    commit(output, resolved, "trained", [("x", "a", "1")])
    assert rows(make_plan(resolved, listed({"x": "1"}), output)) == []
    model = replace(resolved.models["m"], targets={"a": 2, "predicted": None})
    with pytest.raises(
        InputError, match="target 'a' was computed for class 0, the study now says 2"
    ) as caught:
        make_plan(replace(resolved, models={"m": model}), listed({"x": "1"}), output)
    assert "\n" not in str(caught.value)


def test_names_are_stable_and_follow_from_what_a_shard_holds() -> None:
    resolved = resolve(run={"shard_images": 2})
    images = {"x": "1", "y": "1", "z": "1"}

    def names(resolved: ResolvedStudy = resolved, images: dict[str, str] = images) -> list[str]:
        return [shard.name for shard in make_plan(resolved, listed(images), memory()).shards()]

    first, second = names()
    assert names() == [first, second]
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in (first, second))
    assert names(images={**images, "zz": "1"})[0] == first
    assert names(images={**images, "y": "2"})[0] != first
    assert names(resolve(["a"], run={"shard_images": 2}))[0] != first
    assert names(resolve(run={"shard_images": 2}, attribution={"steps": 3}))[0] != first
    assert names(resolve(variants=[{"kind": "random", "seeds": [1]}], run={"shard_images": 2}))[0] != first
    assert names(resolve(run={"shard_images": 2, "retries": 9}, title="t")) == [first, second]


def test_shards_of_a_variant_may_begin_anywhere_and_are_the_same() -> None:
    plan = make_plan(resolve(run={"shard_images": 1}), listed({"x": "1", "y": "1", "z": "1"}), memory())
    spec = plan.resolved.variants[0]
    shards = list(plan.shards_of(spec))
    assert list(plan.shards_of(spec, 2)) == [shards[2], *shards[:2]]
    assert list(plan.shards_of(spec, 0)) == shards


def test_costly_variants_come_first_and_each_stays_together() -> None:
    variants = [{"kind": "random", "seeds": [1, 2], "steps": 10}, {"kind": "trained", "steps": 80},
                {"kind": "random", "seeds": [3], "steps": 20}]  # fmt: skip
    plan = make_plan(
        resolve(variants=variants, run={"shard_images": 1}), listed({"x": "1", "y": "1"}), memory()
    )
    order = [shard.spec.variant_id for shard in plan.shards()]
    assert [name for name, _ in itertools.groupby(order)] == ["trained", "random-3", "random-1", "random-2"]
    assert len(order) == 8


def test_adaptive_steps_are_reckoned_more_for_a_trained_model() -> None:
    adaptive = {"kind": "random", "seeds": [1]}
    fixed = {"kind": "random", "seeds": [2], "steps": 20}
    plan = make_plan(resolve(variants=[adaptive, fixed, {"kind": "trained"}]), listed({"x": "1"}), memory())
    nodes = {spec.variant_id: expected_steps(spec) for spec in plan.resolved.variants}
    assert nodes["random-2"] == 20
    assert 1 <= nodes["random-1"] < nodes["trained"]
    order = [shard.spec.variant_id for shard in plan.shards()]
    assert order == sorted(nodes, key=nodes.__getitem__, reverse=True)


def test_costly_kinds_come_first_and_a_cascade_stays_together() -> None:
    cascade = {"kind": "cascade", "direction": "down", "seeds": [1, 2]}
    study = parse_study(
        {
            "name": "s", "images": {"root": "r"}, "models": {"m": {}}, "targets": ["a"],
            "variants": [{"kind": "random", "seeds": [1]}, cascade, {"kind": "trained"}],
        },
        "test",
    )  # fmt: skip
    specs = variant_specs(study, {"m": {"stem": ["stem"], "head": ["head"]}})
    plan = make_plan(replace(resolve(), study=study, variants=specs), listed({"x": "1"}), memory())
    assert [spec.variant_id for spec in plan.ordered()] == [
        "trained", "cascade-down-1-head", "cascade-down-1-stem", "cascade-down-2-head", "cascade-down-2-stem",
        "random-1",
    ]  # fmt: skip
    assert [shard.spec.kind for shard in plan.samples(1)] == ["trained", "cascade", "random"]


MIXED = [{"kind": "random", "seeds": [1, 2]}, {"kind": "trained"}]


@pytest.mark.parametrize("shard_images", ["auto", 1, 2])
def test_samples_are_a_shard_of_each_kind_whatever_the_size_of_shards(shard_images: int | str) -> None:
    resolved = resolve(variants=MIXED, run={"shard_images": shard_images})
    plan = make_plan(resolved, listed(dict.fromkeys("uvwxyz", "1")), memory())
    samples = plan.samples(4)
    assert [shard.spec.variant_id for shard in samples] == ["trained", "random-1"]
    for shard in samples:
        assert [image.image_id for image in shard.images] == list("uvwx")
        assert shard.targets == ("a", "b")
    assert [len(shard.images) for shard in plan.samples(99)] == [6, 6]


def test_samples_are_of_what_is_missing() -> None:
    resolved, output = resolve(variants=MIXED), memory()
    every = [(image, target, "1") for image in "xyz" for target in "ab"]
    commit(output, resolved, "trained", every)
    commit(output, resolved, "random-1", every)
    commit(
        output,
        resolved,
        "random-2",
        [row for row in every if row[:2] in (("x", "a"), ("x", "b"), ("y", "b"))],
    )
    (sample,) = make_plan(resolved, listed(dict.fromkeys("xyz", "1")), output).samples(9)
    assert sample.spec.variant_id == "random-2"
    assert [image.image_id for image in sample.images] == ["y", "z"]


def test_every_model_has_samples_of_its_own() -> None:
    resolved = resolve(variants=MIXED, models={"m": {}, "n": {}})
    resolved = replace(resolved, models={**resolved.models, "n": replace(resolved.models["m"], name="n")})
    samples = make_plan(resolved, listed({"x": "1"}), memory()).samples(2)
    assert {(shard.spec.model, shard.spec.kind) for shard in samples} == {
        (model, kind) for model in ("m", "n") for kind in ("trained", "random")
    }
    assert len(samples) == 4


@pytest.mark.parametrize(("images", "workers"), [(1, 1), (7, 2), (100, 1), (100, 4), (100, 1000)])
def test_shards_are_cut_for_the_workers(images: int, workers: int) -> None:
    plan = make_plan(resolve(), listed({str(n): "1" for n in range(images)}), memory()).for_workers(workers)
    shards = list(plan.shards())
    assert min(images, workers) <= len(shards) <= max(1, workers * SHARDS_A_WORKER)
    assert sorted(rows(plan)) == sorted(product(plan.resolved, {str(n): "1" for n in range(images)}))


def test_a_shard_is_never_larger_than_its_maps_may_be() -> None:
    images = {str(n): "1" for n in range(8000)}
    plan = make_plan(resolve(), listed(images), memory())
    shard = next(iter(plan.shards()))
    assert len(shard.images) > 100
    assert len(shard.images) * 2 * 224 * 224 * 4 <= SHARD_MAP_BYTES


def test_a_shard_size_that_the_study_says_holds_for_any_workers() -> None:
    plan = make_plan(resolve(run={"shard_images": 3}), listed({str(n): "1" for n in range(10)}), memory())
    for workers in (1, 100):
        assert [len(shard.images) for shard in plan.for_workers(workers).shards()] == [3, 3, 3, 1]


def kept(choice: Any, images: Sequence[str]) -> set[str]:
    plan = make_plan(resolve(store={"maps": choice}), listed(dict.fromkeys(images, "1")), memory())
    found = {image.image_id for shard in plan.shards() for image in shard.images if image.keep_map}
    assert plan.maps_to_store() == 2 * len(found)
    return found


def test_all_maps_are_kept_or_none() -> None:
    assert kept("all", "xyz") == set("xyz")
    assert kept("none", "xyz") == set()


@given(st.integers(1, 30), st.integers(0, 2**32 - 1), st.permutations([f"i{n}" for n in range(20)]))
def test_a_sample_of_maps_is_of_its_size_and_follows_from_its_seed(
    sample: int, seed: int, order: list[str]
) -> None:
    found = kept({"sample": sample, "seed": seed}, order)
    assert len(found) == min(sample, 20)
    assert found <= set(order)
    assert kept({"sample": sample, "seed": seed}, sorted(order)) == found
    if sample < 20:
        assert found < kept({"sample": sample + 1, "seed": seed}, order)


def test_samples_of_other_seeds_are_others_and_hit_every_image() -> None:
    images = [f"i{n}" for n in range(20)]
    samples = [kept({"sample": 5, "seed": seed}, images) for seed in range(30)]
    assert len(set(map(frozenset, samples))) > 25
    assert set().union(*samples) == set(images)
