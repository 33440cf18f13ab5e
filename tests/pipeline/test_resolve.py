"""Resolving a study: every name looked up, every number that decides a map in the fingerprint."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from igbatch.birds.facts import BUNDLED_ARCHITECTURE, BUNDLED_WEIGHTS
from igbatch.errors import InputError
from igbatch.pipeline import resolve as resolve_module
from igbatch.pipeline.resolve import ResolvedStudy, resolve_study
from igbatch.store.fingerprint import digest
from igbatch.study_file import LoadedStudy

LEAST: dict[str, Any] = {
    "name": "s", "images": {"root": "scenes"}, "models": {"m": {}}, "targets": ["eagle"],
    "variants": [{"kind": "trained"}, {"kind": "random", "seeds": [1, 2]}],
    "attribution": {"steps": 50},
}  # fmt: skip
TINY = "swin_tiny_patch4_window7_224"


@pytest.fixture
def resolved(load: Callable[..., LoadedStudy]) -> ResolvedStudy:
    return resolve_study(load())


def refusal(action: Callable[[], Any]) -> str:
    with pytest.raises(InputError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def digests(study: ResolvedStudy) -> dict[str, str]:
    return {variant: digest(values) for variant, values in study.fingerprint().items()}


@pytest.mark.parametrize(
    "change",
    [
        {"baseline": "black"}, {"output": "logit"}, {"rule": "midpoint"}, {"steps": 51}, {"tolerance": 0.04},
        {"atol": 1e-7}, {"precision": "float64"}, {"precision": "auto"}, {"steps": "auto"},
    ],
    ids=str,
)  # fmt: skip
def test_what_decides_a_map_is_in_the_fingerprint(
    load: Callable[..., LoadedStudy], resolved: ResolvedStudy, change: dict[str, Any]
) -> None:
    before, after = digests(resolved), digests(resolve_study(load(attribution={"steps": 50} | change)))
    assert before.keys() == after.keys()
    for variant in before:
        assert before[variant] != after[variant]


@pytest.mark.parametrize(
    "change",
    [
        {"targets": {"magpie": 1, "gull": 3}}, {"images": {"scenes": [{"kind": "empty", "seeds": [1]}]}},
        {"run": {"shard_images": 3, "workers": 2}}, {"store": {"maps": "none"}}, {"title": "another"},
        {"report": {"max_images": 3}}, {"quarantine": {"allowance": 3}}, 
        {"attribution": {"steps": 50, "micro_batch": 3}}, {"attribution": {"steps": 50, "max_steps": 99}},
        {"variants": [{"kind": "random", "seeds": [9, 2, 1]}, {"kind": "trained"}]},
    ],
    ids=str,
)  # fmt: skip
def test_what_may_grow_or_be_arranged_otherwise_is_not(
    load: Callable[..., LoadedStudy], resolved: ResolvedStudy, change: dict[str, Any]
) -> None:
    after = digests(resolve_study(load(**change)))
    assert digests(resolved).items() <= after.items()


@pytest.mark.parametrize(
    ("change", "decides"), [({"max_steps": 99}, True), ({"rule": "midpoint"}, False), ({"steps": 5}, True)]
)
def test_adaptive_maps_depend_on_their_limit_and_on_no_rule(
    load: Callable[..., LoadedStudy], change: dict[str, Any], decides: bool
) -> None:
    before = digests(resolve_study(load(attribution={"steps": "auto"})))
    after = digests(resolve_study(load(attribution={"steps": "auto", **change})))
    assert all((before[variant] != after[variant]) == decides for variant in before)


def test_steps_of_one_variant_concern_no_other(
    load: Callable[..., LoadedStudy], resolved: ResolvedStudy
) -> None:
    variants = [{"kind": "trained", "steps": 99}, {"kind": "random", "seeds": [1, 2]}]
    before, after = digests(resolved), digests(resolve_study(load(variants=variants)))
    assert {variant for variant in before if before[variant] != after[variant]} == {"trained"}


def changed(resolved: ResolvedStudy, **changes: Any) -> set[str]:
    """The variants whose fingerprint changes with something of the model."""
    model = replace(resolved.models["m"], **changes)
    before, after = digests(resolved), digests(replace(resolved, models={"m": model}))
    return {variant for variant in before if before[variant] != after[variant]}


def test_weights_concern_the_trained_variant_and_the_rest_of_a_model_all(resolved: ResolvedStudy) -> None:
    everything = {"trained", "random-1", "random-2"}
    model = resolved.models["m"]
    assert changed(resolved, weights_identity="sha256:other") == {"trained"}
    assert changed(resolved, data_config={**model.data_config, "crop_pct": 0.5}) == everything
    assert changed(resolved, source=replace(model.source, architecture=TINY)) == everything
    assert changed(resolved, classes=1000) == everything
    assert changed(resolved, class_names={}, targets={}, name="n") == set()


def test_partly_random_weights_depend_on_the_trained_ones_the_seed_and_the_layers(
    load: Callable[..., LoadedStudy],
) -> None:
    cascades = [{"kind": "cascade", "direction": "down", "by": by, "seeds": [1]} for by in ("stage", "block")]
    resolved = resolve_study(load(variants=[*cascades, {"kind": "independent", "seeds": [1, 2]}]))
    prints = resolved.fingerprint()
    identity = resolved.models["m"].weights_identity
    assert prints["cascade-down-1-norm"]["weights"] == {
        "trained": identity, "seed": 1, "layers": ["norm", "head"]
    }  # fmt: skip
    assert prints["independent-2-norm"]["weights"] == {"trained": identity, "seed": 2, "layers": ["norm"]}
    # the same weights under two names
    assert prints["cascade-down-1-layers.3"] == prints["cascade-down-1-layers.3.downsample"]
    assert prints["cascade-down-1-head"] == prints["independent-1-head"]
    retrained = replace(resolved.models["m"], weights_identity="sha256:other")
    others = replace(resolved, models={"m": retrained}).fingerprint()
    assert all(others[variant] != values for variant, values in prints.items())


def test_no_two_variants_share_a_fingerprint(resolved: ResolvedStudy) -> None:
    assert len(set(digests(resolved).values())) == 3


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_a_fingerprint_survives_json(resolved: ResolvedStudy) -> None:
    prints = resolved.fingerprint()
    assert json.loads(json.dumps(prints)) == prints


@pytest.mark.parametrize(
    ("given", "canonical"), [("Gray ", "gray"), ([255, 0, 16], "#ff0010"), ("blurred:3.0", "blurred:3")]
)
def test_a_baseline_is_made_canonical(load: Callable[..., LoadedStudy], given: Any, canonical: str) -> None:
    assert resolve_study(load(attribution={"baseline": given})).baseline == canonical


def test_a_baseline_that_is_none_is_refused_with_its_key(load: Callable[..., LoadedStudy]) -> None:
    line = refusal(lambda: resolve_study(load(attribution={"baseline": "grey"})))
    assert line.startswith("attribution.baseline: 'grey' is none of gray, black")


def test_class_names_become_indices(load: Callable[..., LoadedStudy]) -> None:
    study = resolve_study(load(targets=["gull", "predicted", "eagle", "top-2", "label"]))
    assert study.models["m"].targets == {
        "gull": 3, "predicted": None, "eagle": 0, "top-1": None, "top-2": None, "label": None,
    }  # fmt: skip
    assert study.target_names == list(study.models["m"].targets)


def test_a_mapping_names_indices_itself(load: Callable[..., LoadedStudy]) -> None:
    assert resolve_study(load(targets={"hawk": 4, "jay": 4})).models["m"].targets == {"hawk": 4, "jay": 4}
    line = refusal(lambda: resolve_study(load(targets={"hawk": 5})))
    assert line == f"targets.hawk: 5: {BUNDLED_ARCHITECTURE} has 5 classes; use 0 to 4"


def test_a_study_may_name_classes_of_its_models(load: Callable[..., LoadedStudy]) -> None:
    study = resolve_study(
        load(models={"m": {"classes": {"hawk": 4, "eagle": 1}}}, targets=["hawk", "eagle", "magpie"])
    )
    assert study.models["m"].targets == {"hawk": 4, "eagle": 1, "magpie": 1}
    line = refusal(lambda: resolve_study(load(models={"m": {"classes": {"hawk": 7}}})))
    assert line.startswith("models.m.classes.hawk: 7: ")


def test_every_model_has_its_own_indices(load: Callable[..., LoadedStudy]) -> None:
    models = {"a": {}, "b": {"classes": {"eagle": 2}}}
    study = resolve_study(load(models=models))
    assert {name: model.targets["eagle"] for name, model in study.models.items()} == {"a": 0, "b": 2}
    assert [spec.variant_id for spec in study.variants][:2] == ["a.trained", "a.random-1"]


def test_contrasts_are_two_names_unless_a_class_is_called_so(load: Callable[..., LoadedStudy]) -> None:
    classes = {"a - b": 4, "c": 3}
    targets = ["eagle - magpie", "a - b", "a - b - c", "magpie - c"]
    study = resolve_study(load(models={"m": {"classes": classes}}, targets=targets))
    assert study.models["m"].targets == {
        "eagle - magpie": (0, 1), "a - b": 4, "a - b - c": (4, 3), "magpie - c": (1, 3),
    }  # fmt: skip
    assert study.contrasts == {
        "eagle - magpie": ("eagle", "magpie"), "a - b - c": ("a - b", "c"), "magpie - c": ("magpie", "c"),
    }  # fmt: skip
    assert resolve_study(load(targets={"a - b": 4})).contrasts == {}
    twice = {"m": {"classes": {"a": 0, "b - c": 1, "a - b": 2, "c": 3}}}
    line = refusal(lambda: resolve_study(load(models=twice, targets=["a - b - c"])))
    assert line.startswith("targets: 'a - b - c' may be 'a' less 'b - c' or 'a - b' less 'c': give these")
    models = {"m": {"classes": classes}, "n": {"classes": {"a": 1, "b": 2}}}
    assert "is a class of one model and the difference of two classes of another" in refusal(
        lambda: resolve_study(load(models=models, targets=["a - b"]))
    )


def test_a_name_that_reads_as_a_contrast_is_not_given_to_one_class(load: Callable[..., LoadedStudy]) -> None:
    line = refusal(lambda: resolve_study(load(targets={"eagle - magpie": 0, "magpie": 1})))
    assert line == (
        "targets.eagle - magpie: 'eagle - magpie' would be one class, and reads as 'eagle' less 'magpie': "
        "list it without an index for the contrast (`targets: [eagle - magpie]`), or give the class another "
        "name"
    )
    line = refusal(lambda: resolve_study(load(targets={"hawk - owl": 0, "hawk": 1, "owl": 2})))
    assert "reads as 'hawk' less 'owl'" in line
    models = {"m": {"classes": {"eagle - magpie": 3}}}
    line = refusal(lambda: resolve_study(load(models=models, targets=["eagle"])))
    assert line.startswith(
        "models.m.classes.eagle - magpie: 'eagle - magpie' would be one class, and reads as"
    )
    plain = {"m": {"classes": {"hawk - owl": 3}}}
    assert resolve_study(load(models=plain, targets=["hawk - owl"])).models["m"].targets == {"hawk - owl": 3}


@pytest.mark.parametrize(
    ("targets", "line"),
    [
        (["hawk"], f"targets: 'hawk' is not a class of model m ({BUNDLED_ARCHITECTURE}: eagle, magpie, "),
        (["top-6"], "targets: top-6: model m has 5 classes only; ask for fewer"),
        (["top-0"], "targets: 'top-0' is not a class"),
        (["eagle - hawk"], "targets: 'eagle - hawk': 'hawk' is not a class of model m"),
        (
            ["eagle-magpie"],
            "targets: 'eagle-magpie' is not a class of model m; did you mean the contrast 'eagle - magpie', ",
        ),
        (
            ["eagle -magpie"],
            "targets: 'eagle -magpie' is not a class of model m; did you mean the contrast 'eagle -",
        ),
        (["eagle - eagle"], "targets: 'eagle - eagle': both are class 0 of model m, whose difference is 0"),
        (["predicted - eagle"], "targets: 'predicted - eagle': `predicted` is another class for each image"),
    ],
)
def test_a_target_that_the_model_does_not_have_is_refused(
    load: Callable[..., LoadedStudy], targets: list[str], line: str
) -> None:
    assert refusal(lambda: resolve_study(load(targets=targets))).startswith(line)


def test_weights_are_found_from_the_study_file(load: Callable[..., LoadedStudy], tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").symlink_to(BUNDLED_WEIGHTS)
    bundled = resolve_study(load())
    for weights in ("w.safetensors", f"file://{tmp_path}/w.safetensors", str(tmp_path / "w.safetensors")):
        model = {"architecture": BUNDLED_ARCHITECTURE, "weights": weights}
        study = resolve_study(load(models={"m": model}))
        assert study.models["m"].weights_identity == bundled.models["m"].weights_identity
        assert digests(study) == digests(bundled)
        assert Path(study.models["m"].source.file or "").is_absolute()


def test_a_model_folder_is_found_from_the_study_file(
    load: Callable[..., LoadedStudy], tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.safetensors").symlink_to(BUNDLED_WEIGHTS)
    config = {"architecture": BUNDLED_ARCHITECTURE, "num_classes": 5, "crop_pct": 0.5}
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    model = resolve_study(load(models={"m": {"weights": "local-dir:model"}})).models["m"]
    assert model.source.file == str(tmp_path.resolve() / "model/model.safetensors")
    assert model.data_config["crop_pct"] == 0.5


@pytest.mark.parametrize("kind", ["", "local-dir:"])
def test_weights_on_another_machine_are_refused_without_their_credentials(
    load: Callable[..., LoadedStudy], kind: str
) -> None:
    def resolving(place: str) -> str:
        model = {"architecture": TINY, "weights": kind + place}
        return refusal(lambda: resolve_study(load(models={"m": model})))

    line = resolving("s3://bucket/w.safetensors")
    assert line.startswith("models.m.weights: s3://bucket/w.safetensors: weights are read from a local path")
    assert "SECRET" not in resolving("https://user:SECRET@host/w.safetensors")


def test_a_missing_weights_file_is_named(load: Callable[..., LoadedStudy], tmp_path: Path) -> None:
    model = {"architecture": TINY, "weights": "no.safetensors"}
    line = refusal(lambda: resolve_study(load(models={"m": model})))
    assert (
        line
        == f"models.m.weights: {tmp_path.resolve()}/no.safetensors: there is no such file; check the path"
    )


def known(study: ResolvedStudy) -> dict[str, Any]:
    """The facts as study.json keeps them."""
    model = study.models["m"]
    facts = {
        "architecture": model.source.architecture, "weights": model.weights_identity,
        "classes": model.classes,
        "class_names": model.own_names, "data_config": model.data_config, "layers": model.layers,
    }  # fmt: skip
    return {"m": json.loads(json.dumps(facts))}


def test_known_facts_are_believed_while_the_weights_are_the_same(
    load: Callable[..., LoadedStudy], resolved: ResolvedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = known(resolved)
    keys: list[str] = []

    def describe(source: Any, key: str, **how: Any) -> Any:
        keys.append(key)
        return real(source, key, **how)

    real = resolve_module.find_facts
    monkeypatch.setattr(resolve_module, "find_facts", describe)
    again = resolve_study(load(), facts)
    assert again == resolved
    assert keys == []
    for key in ("weights", "architecture"):
        facts = known(resolved)
        facts["m"][key] = "other"
        assert resolve_study(load(), facts) == resolved
    assert keys == ["models.m.weights"] * 2


def test_a_variant_that_is_listed_twice_is_refused(load: Callable[..., LoadedStudy]) -> None:
    study = load(variants=[{"kind": "random", "seeds": [1, 1]}])
    assert refusal(lambda: resolve_study(study)) == "variants: random-1 is listed twice; list it once"


def test_the_report_shows_variants_of_the_study_only(load: Callable[..., LoadedStudy]) -> None:
    random = {"kind": "random", "seeds": [1, 2]}
    resolve_study(load(variants=[random], report={"variants": ["random-2"]}))
    line = refusal(lambda: resolve_study(load(variants=[random], report={"variants": ["random-3"]})))
    assert line.startswith("report.variants: 'random-3' is not a variant of the study; did you mean `random-")
    line = refusal(lambda: resolve_study(load(variants=[random], report={"variants": ["x"]})))
    assert line == "report.variants: 'x' is not a variant of the study; it has random-1 and others"


def test_facts_of_an_earlier_version_lack_layers_which_are_looked_up_where_needed(
    load: Callable[..., LoadedStudy], resolved: ResolvedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = known(resolved)
    del facts["m"]["layers"]
    cascade = load(variants=[{"kind": "cascade", "direction": "up", "seeds": [1]}])
    assert resolve_study(cascade, facts) == resolve_study(cascade)
    monkeypatch.setattr(resolve_module, "find_facts", None)
    again = resolve_study(load(), facts)
    assert again.models["m"].layers == {}
    assert again.fingerprint() == resolved.fingerprint()


def test_known_facts_do_not_keep_what_the_study_said_of_classes_before(
    load: Callable[..., LoadedStudy],
) -> None:
    before = resolve_study(
        load(models={"m": {"classes": {"hawk": 4, "eagle": 2}}}, targets=["eagle", "hawk"])
    )
    assert resolve_study(load(), known(before)).models["m"].targets == {"eagle": 0}
    assert "'hawk' is not a class" in refusal(lambda: resolve_study(load(targets=["hawk"]), known(before)))


@pytest.mark.slow
def test_a_finished_study_is_recognised_without_torch(
    load: Callable[..., LoadedStudy], resolved: ResolvedStudy, tmp_path: Path
) -> None:
    load()
    code = (
        "import json, sys; from igbatch.study_file import load_study;"
        "from igbatch.pipeline.resolve import resolve_study;"
        "print(resolve_study(load_study(sys.argv[1]), json.loads(sys.argv[2])).target_names);"
        "print(*{'torch', 'timm', 'ray'} & set(sys.modules))"
    )
    arguments = [str(tmp_path / "study.yaml"), json.dumps(known(resolved))]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["['eagle']"]


def test_facts_hold_what_a_resolved_model_needs(resolved: ResolvedStudy) -> None:
    from igbatch.variants.models import describe_model

    model = resolved.models["m"]
    facts = asdict(describe_model(model.source, "k"))
    assert facts == {name: value for name, value in known(resolved)["m"].items() if name in facts}
