"""The study file: defaults, overrides, and one line about whatever is wrong with it."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from igbatch.errors import InputError
from igbatch.study import (
    AttributionSection,
    Boxes,
    Images,
    Model,
    QuarantineSection,
    Randomization,
    Report,
    Run,
    SceneGroup,
    SeededSample,
    Smoothing,
    Store,
    Study,
    Variant,
)
from igbatch.study_file import MAX_STUDY_BYTES, load_study, parse_study

LEAST: dict[str, Any] = {
    "name": "least", "images": {"root": "photos"}, "models": {"small": {}}, "targets": ["eagle"],
}  # fmt: skip
SCENE = {"kind": "single", "seeds": [1]}


def parse(**changes: Any) -> Study:
    return parse_study({**LEAST, **changes}, "study.yaml")


def refusal(**changes: Any) -> str:
    """The one line that a study with these changes is refused with."""
    with pytest.raises(InputError) as caught:
        parse(**changes)
    return one_line(caught.value)


def one_line(error: InputError) -> str:
    message = str(error)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, "utf-8")
    return path


def load_refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load_study(path, overrides)
    return one_line(caught.value)


def test_the_defaults_of_every_section() -> None:
    study = parse()
    assert study.title == ""
    assert study.images == Images(root="photos", manifest=None, scenes=(), boxes=None)
    assert study.models == {"small": Model(architecture=None, weights="bundled", classes=None)}
    assert study.variants == (
        Variant(kind="trained", seeds=(), direction=None, by=None, images="all", steps=None),
    )
    assert study.attribution == AttributionSection(
        baseline="gray", output="probability", rule="gauss-legendre", steps="auto", tolerance=0.01, atol=1e-6,
        max_steps=2000, precision="float32", micro_batch="auto", smoothing=None,
    )  # fmt: skip
    assert study.store == Store(maps="all")
    assert study.run == Run(device="auto", workers="auto", threads="auto", shard_images="auto", retries=5)
    assert study.quarantine == QuarantineSection(allowance=0)
    assert study.randomization is None
    assert Randomization() == Randomization(images="all", random_pairs=2)
    assert Smoothing(samples=4) == Smoothing(samples=4, noise=0.1, seed=0)
    assert study.report == Report(featured=(), max_images=8, others="first", seed=0, variants=())
    assert SeededSample(sample=3).seed == 0
    group = SceneGroup(kind="single", seeds=(1,))
    assert (group.label, group.first_seed, group.count) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"imges": {}}, "study.yaml: imges: unknown key; did you mean `images`?"),
        ({"attribution": {"step": 3}}, "study.yaml: attribution.step: unknown key; did you mean `steps`?"),
        ({"models": {"run": {"archtecture": "x"}}},
         "study.yaml: models.run.archtecture: unknown key; did you mean `architecture`?"),
        ({"images": {"scenes": [{"kind": "single", "seedz": [1]}]}},
         "study.yaml: images.scenes.0.seedz: unknown key; did you mean `seeds`?"),
        ({"store": {"maps": {"samples": 3}}},
         "study.yaml: store.maps.samples: unknown key; did you mean `sample`?"),
        ({"variants": [{"kind": "trained", "images": {"samples": 3}}]},
         "study.yaml: variants.0.images.samples: unknown key; did you mean `sample`?"),
        ({"variants": [{"kind": "cascade", "seeds": [1], "directions": "up"}]},
         "study.yaml: variants.0.directions: unknown key; did you mean `direction`?"),
        ({"attribution": {"smoothing": {"sample": 3}}},
         "study.yaml: attribution.smoothing.sample: unknown key; did you mean `samples`?"),
        ({"randomization": {"random_pair": 3}},
         "study.yaml: randomization.random_pair: unknown key; did you mean `random_pairs`?"),
        ({"report": {"other": "first"}}, "study.yaml: report.other: unknown key; did you mean `others`?"),
        ({"randomization": {"images": {"samples": 3}}},
         "study.yaml: randomization.images.samples: unknown key; did you mean `sample`?"),
        ({"variants": [{"kind": "random", "seeds": [1], "xyz": 1}]},
         "study.yaml: variants.0.xyz: unknown key; "
         "known keys here: by, count, direction, first_seed, images, kind, seeds, steps"),
    ],
)  # fmt: skip
def test_an_unknown_key_comes_with_a_suggestion(changes: dict[str, Any], line: str) -> None:
    assert refusal(**changes) == line


@pytest.mark.parametrize("key", ["workers", "threads", "workers_per_gpu", "shard_images", "retries"])
@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number(key: str, value: bool) -> None:
    advice = "true and false (yes and no, on and off) are no numbers; give a number"
    assert refusal(run={key: value}) == f"study.yaml: run.{key}: {value}: {advice}"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"run": {"workers": {"minimum": True, "maximum": 3}}}, "run.workers.minimum: True"),
        ({"attribution": {"tolerance": True}}, "attribution.tolerance: True"),
        ({"attribution": {"baseline": [True, 0, 0]}}, "attribution.baseline: [True, 0, 0]"),
        ({"variants": [{"kind": "random", "seeds": [True]}]}, "variants.0.seeds: [True]"),
        ({"targets": {"eagle": True}}, "targets: {'eagle': True}"),
        ({"store": {"maps": {"sample": True}}}, "store.maps.sample: True"),
    ],
)
def test_a_truth_value_is_no_number_wherever_one_is_meant(changes: dict[str, Any], where: str) -> None:
    assert refusal(**changes).startswith(f"study.yaml: {where}: true and false (")


@pytest.mark.parametrize("key", ["name", "images", "models", "targets"])
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(InputError, match=f"^study.yaml: {key}: missing; add it"):
        parse_study({name: value for name, value in LEAST.items() if name != key}, "study.yaml")


def test_a_missing_key_inside_a_list_is_named() -> None:
    assert refusal(variants=[{"seeds": [1]}]).startswith("study.yaml: variants.0.kind: missing")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"name": "a/b"}, ["name: 'a/b'", "pattern"]),
        ({"attribution": {"steps": 0}}, ["attribution.steps: 0:", "greater than or equal to 1"]),
        ({"attribution": {"rule": "simpson"}}, ["attribution.rule: 'simpson'", "'midpoint'"]),
        ({"attribution": {"tolerance": 1}}, ["attribution.tolerance: 1:", "less than 1"]),
        ({"attribution": {"atol": float("inf")}}, ["attribution.atol: inf", "finite"]),
        ({"attribution": {"steps": 0}}, ["attribution.steps: 0:", "greater than or equal to 1", "or 'auto'"]),
        ({"attribution": {"steps": "many"}}, ["attribution.steps: 'many'", "integer", "or 'auto'"]),
        ({"attribution": {"max_steps": 4}}, ["attribution.max_steps: 4:", "greater than or equal to 5"]),
        ({"attribution": {"max_steps": "auto"}}, ["attribution.max_steps: 'auto'", "integer"]),
        ({"attribution": {"precision": "half"}}, ["attribution.precision: 'half'", "'auto'", "'bfloat16'"]),
        ({"variants": [{"kind": "trained", "steps": "many"}]}, ["variants.0.steps: 'many'", "or 'auto'"]),
        ({"attribution": {"micro_batch": "many"}}, ["micro_batch: 'many'", "integer", "or 'auto'"]),
        ({"attribution": {"baseline": []}}, ["attribution.baseline: []: give a name such as gray, three"]),
        ({"attribution": {"baseline": [1, 2]}}, ["attribution.baseline: [1, 2]: give a name such as gray"]),
        ({"attribution": {"baseline": ["gray", {"images": 3}]}}, ["['gray', {'images': 3}]: give a"]),
        ({"attribution": {"rule": "trapezoid", "steps": 1}}, ["attribution.rule: trapezoid", "2 steps"]),
        ({"run": {"device": "gpu"}}, ["run.device: 'gpu'", "'cuda'"]),
        ({"store": {"maps": "some"}}, ["store.maps: 'some'", "'all' or 'none'", "mapping"]),
        ({"report": {"featured": "x"}}, ["report.featured: 'x'", "list"]),
        ({"targets": []}, ["targets: []", "at least one"]),
        ({"targets": "eagle"}, ["targets: 'eagle'", "mapping, or a valid list"]),
        ({"targets": ["eagle", {"gull": 3}]}, ["targets: ['eagle', {'gull': 3}]", "one mapping"]),
        ({"targets": [1]}, ["targets.0: 1:", "string"]),
        ({"targets": ["eagle", "eagle"]}, ["targets", "listed twice"]),
        ({"targets": {"eagle": -1}}, ["targets.eagle: -1"]),
        ({"targets": {"top-2": 5}}, ["targets", "no index of their own"]),
        ({"models": {"m": {"classes": {"predicted": 3}}}}, ["models.m.classes", "`predicted` is no name"]),
        ({"models": {"m": {"classes": {"raven": 1, "top-2": 3}}}}, ["classes", "`top-2` is no name"]),
        ({"models": {"m": {"classes": {"label": 3}}}}, ["models.m.classes", "name the class otherwise"]),
        ({"models": {}}, ["models: {}", "at least 1 item"]),
        ({"models": {"a b": {}}}, ["models.a b", "pattern"]),
        ({"models": {"m": {"weights": "x.pth"}}}, ["models.m.weights: 'x.pth'", ".safetensors"]),
        ({"models": {"m": {"weights": "pretrained"}}}, ["models.m:", "`architecture`"]),
        ({"models": {"m": {"architecture": "swin"}}}, ["models.m:", "leave `architecture` out"]),
        ({"models": {"int": {"weights": 3}}}, ["models.int.weights: 3:"]),
        ({"variants": []}, ["variants: []", "at least 1 item"]),
        ({"variants": [{"kind": "random"}]}, ["variants.0:", "`seeds: [..]`"]),
        ({"variants": [{"kind": "random", "first_seed": 1}]}, ["variants.0:", "`count`"]),
        ({"variants": [{"kind": "random", "seeds": [1], "count": 2, "first_seed": 0}]}, ["give either"]),
        ({"variants": [{"kind": "random", "first_seed": 2**32 - 1, "count": 2}]}, ["seeds end"]),
        ({"variants": [{"kind": "random", "first_seed": 0, "count": 10**5}]}, ["variants.0.count: 100000"]),
        ({"variants": [{"kind": "trained", "seeds": [1]}]}, ["variants.0:", "leave `seeds` out"]),
        ({"variants": [{"kind": "trained", "count": 1}]}, ["variants.0:", "leave `seeds` out"]),
        ({"variants": [{"kind": "cascade", "seeds": [1]}]}, ["variants.0:", "`direction: down` or `up`"]),
        ({"variants": [{"kind": "cascade", "direction": "up"}]}, ["variants.0:", "`seeds: [..]`"]),
        ({"variants": [{"kind": "independent", "direction": "up", "seeds": [1]}]}, ["`kind: cascade`"]),
        ({"variants": [{"kind": "random", "by": "block", "seeds": [1]}]}, ["variants.0:", "`by` belongs to"]),
        ({"variants": [{"kind": "independent", "by": "layer", "seeds": [1]}]},
         ["variants.0.by: 'layer'", "'stage' or 'block'"]),
        ({"variants": [{"kind": "cascades", "seeds": [1]}]}, ["variants.0.kind: 'cascades'", "'cascade'"]),
        ({"variants": [{"kind": "trained", "images": []}]}, ["variants.0.images: []", "at least one"]),
        ({"variants": [{"kind": "trained", "images": "some"}]}, ["variants.0.images: 'some'", "'all'"]),
        ({"attribution": {"smoothing": {"samples": 1}}}, ["attribution.smoothing.samples: 1:", "to 2"]),
        ({"attribution": {"smoothing": {"samples": 9, "noise": 0}}}, ["smoothing.noise: 0:", "than 0"]),
        ({"randomization": {"random_pairs": -1}}, ["randomization.random_pairs: -1:", "to 0"]),
        ({"report": {"others": "best"}}, ["report.others: 'best'", "'box-contrast'"]),
        ({"report": {"gallery": 0}}, ["report.gallery: 0:", "equal to 1"]),
        ({"report": {"seed": -1}}, ["report.seed: -1:", "to 0"]),
        ({"report": {"variants": ["a", "b", "a"]}}, ["report.variants:", "'a' is listed twice"]),
        ({"audit": {"curves": {"regions": ["patch 5"]}}}, ["audit.curves.regions.0: 'patch 5'", "'pixel'"]),
        ({"audit": {"curves": {"regions": []}}}, ["audit.curves.regions: []", "at least 1 item"]),
        ({"audit": {"curves": {"regions": ["pixel", "pixel"]}}}, ["audit.curves.regions:", "name each once"]),
        ({"audit": {"curves": {"fills": ["black"]}}}, ["audit.curves.fills.0: 'black'", "'blurred'"]),
        ({"audit": {"curves": {"steps": 1001}}}, ["audit.curves.steps: 1001:", "to 1000"]),
        ({"audit": {"curves": {"random_orders": 0}}}, ["audit.curves.random_orders: 0:", "to 1"]),
        ({"audit": {"curves": {"images": {"sample": 1001}}}}, ["audit.curves.images:", "at most 1000"]),
        ({"audit": {"curves": {"units": ["pixel"]}}}, ["audit.curves.units: unknown key"]),
        ({"variants": [{"kind": "random", "seeds": [2**32]}]}, ["variants.0.seeds.0: 4294967296"]),
        ({"images": {}}, ["images: {}", "`root`", "`manifest`", "`scenes`"]),
        ({"images": {"root": "a", "scenes": [SCENE]}}, ["images:", "one source"]),
        ({"images": {"boxes": "b.csv", "scenes": [SCENE]}}, ["images:", "`boxes` out"]),
        ({"images": {"scenes": [{"kind": "single", "first_seed": 1}]}}, ["images.scenes.0:", "`count`"]),
        ({"images": {"scenes": [{**SCENE, "first_seed": 1, "count": 1}]}}, ["either"]),
        ({"images": {"scenes": [{**SCENE, "kind": "empty", "label": "gull"}]}}, ["`label` out"]),
        ({"images": {"scenes": [{**SCENE, "kind": "double", "label": "crow"}]}}, ["an eagle and a magpie"]),
        ({"images": {"scenes": [{"kind": "single", "first_seed": 2**32 - 1, "count": 2}]}}, ["seeds end"]),
        ({"images": {"scenes": [{"kind": "single", "first_seed": 0, "count": 10**9}]}}, ["count: 1000"]),
        ({"quarantine": {"allowance": -1}}, ["quarantine.allowance: -1"]),
        ({"two\nlines": 1}, ["two lines: unknown key"]),
        ({"title": {"long": "x" * 500}}, ["title: {'long': 'xxx", "..."]),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_key_and_the_fix(changes: dict[str, Any], parts: list[str]) -> None:
    line = refusal(**changes)
    assert line.startswith("study.yaml: ")
    assert len(line) < 400
    for part in parts:
        assert part in line


def test_seeds_are_listed_or_counted() -> None:
    assert list(Variant(kind="trained").seed_values()) == []
    assert list(Variant(kind="random", seeds=(5, 2)).seed_values()) == [5, 2]
    assert list(Variant(kind="cascade", direction="up", first_seed=7, count=3).seed_values()) == [7, 8, 9]


def test_a_trapezoid_takes_two_steps_in_every_variant() -> None:
    trapezoid = {"rule": "trapezoid", "steps": "auto"}
    random = {"kind": "random", "seeds": [1]}
    assert "trapezoid with 1 step" in refusal(attribution=trapezoid, variants=[{**random, "steps": 1}])
    parse(attribution=trapezoid, variants=[{**random, "steps": 2}])
    parse(attribution={**trapezoid, "steps": 1}, variants=[{**random, "steps": "auto"}])


def test_top_k_stands_for_k_targets_and_none_comes_twice() -> None:
    assert parse(targets=["predicted", "top-3"]).target_names() == ["predicted", "top-1", "top-2", "top-3"]
    assert parse(targets=["top-2", "eagle", "top-1"]).target_names() == ["top-1", "top-2", "eagle"]
    assert parse(targets={"magpie": 18, "eagle": 22}).target_names() == ["magpie", "eagle"]
    assert parse(targets=["top-0", "top-100"]).target_names() == ["top-0", "top-100"]


def test_scenes_have_readable_ids_and_their_seeds() -> None:
    listed = SceneGroup(kind="single", label="eagle", seeds=(7, 3))
    assert list(listed.entries()) == [("single-eagle-00007", 7), ("single-eagle-00003", 3)]
    counted = SceneGroup(kind="double", first_seed=99_999, count=2)
    assert list(counted.entries()) == [("double-99999", 99_999), ("double-100000", 100_000)]
    assert list(SceneGroup(kind="empty", first_seed=0, count=1).entries()) == [("empty-00000", 0)]


def test_relative_paths_start_at_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = write(tmp_path, yaml.safe_dump(LEAST))
    loaded = load_study(path)
    assert loaded.study == parse()
    assert loaded.locate("photos") == str(tmp_path.resolve() / "photos")
    assert loaded.locate("../photos") == str(tmp_path.resolve().parent / "photos")
    assert loaded.locate("/data/photos") == "/data/photos"
    assert loaded.locate("~/photos") == str((tmp_path / "home/photos").resolve())
    assert loaded.locate("s3://bucket/photos") == "s3://bucket/photos"
    assert loaded.locate("~nobody-of-that-name/photos").endswith("/~nobody-of-that-name/photos")


def test_overrides_are_dotted_keys_and_yaml_values(tmp_path: Path) -> None:
    path = write(tmp_path, yaml.safe_dump(LEAST))
    overrides = [
        "attribution.steps=7", "attribution.baseline=[1, 2, 3]", "models.small.classes={hawk: 1}", "title=",
        "title=a = b", "variants=[{kind: random, seeds: [1]}]", "store.maps.sample=4", "name='5'",
    ]  # fmt: skip
    study = load_study(path, overrides).study
    assert study.attribution == AttributionSection(steps=7, baseline=(1, 2, 3))
    assert study.models["small"].classes == {"hawk": 1}
    assert study.title == "a = b"
    assert study.variants == (Variant(kind="random", seeds=(1,)),)
    assert study.store.maps == SeededSample(sample=4)
    assert study.name == "5"


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("steps", "--set steps: write it as key=value"),
        ("=3", "write it as key=value"),
        ("title={", "--set title={: not plain YAML"),
        ("title=&a [*a]", "alias"),
        ("name.first=x", "--set name.first=x: name is not a mapping in the study; set it as a whole"),
        ("targets.0=x", "targets is not a mapping"),
        ("attribution.stepz=3", "attribution.stepz: unknown key; did you mean `steps`?"),
        ("attribution.=3", "unknown key"),
        ("attribution=", "attribution: null"),
        ("name=3", "name: 3"),
    ],
)
def test_a_bad_override_is_refused(tmp_path: Path, override: str, part: str) -> None:
    assert part in load_refusal(write(tmp_path, yaml.safe_dump(LEAST)), override)


def test_paths_in_overrides_start_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write(tmp_path, yaml.safe_dump({**LEAST, "images": {"root": "photos", "boxes": "boxes.csv"}}))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    changes = ["images.root=birds", "models.small.weights=local-dir:swin", "images.manifest=s3://b/list.csv"]
    loaded = load_study(study, changes)
    assert loaded.locate(loaded.study.images.root or "") == str(here / "birds")
    assert loaded.study.images.manifest == "s3://b/list.csv"
    assert loaded.study.images.boxes is not None
    assert loaded.locate(loaded.study.images.boxes.path) == str(tmp_path.resolve() / "boxes.csv")
    assert loaded.study.models["small"].weights == f"local-dir:{here / 'swin'}"
    assert load_study(study, ["images.boxes=null"]).study.images.boxes is None
    assert load_study(study, ["models.small.weights=bundled"]).study.models["small"].weights == "bundled"


def test_keys_of_boxes_are_set_whether_the_study_gives_a_path_or_a_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for there in ("b.csv", {"path": "b.csv"}, {"path": "b.csv", "units": "normalized", "match": "name"}):
        study = write(tmp_path, yaml.safe_dump({**LEAST, "images": {"root": "r", "boxes": there}}))
        whole = there if isinstance(there, dict) else {}
        boxes = load_study(study, ["images.boxes.match=stem"]).study.images.boxes
        assert boxes == Boxes(**{**whole, "path": "b.csv", "match": "stem"})
        boxes = load_study(study, ["images.boxes.path=x.csv"]).study.images.boxes
        assert boxes == Boxes(**{**whole, "path": str(here / "x.csv")})
        boxes = load_study(study, ["images.boxes=x.csv", "images.boxes.invalid=skip"]).study.images.boxes
        assert boxes == Boxes(path=str(here / "x.csv"), invalid="skip")


def test_a_path_alone_is_kept_as_a_path(tmp_path: Path) -> None:
    """An output of before holds no section: nothing differs where nothing was set."""
    study = write(tmp_path, yaml.safe_dump({**LEAST, "images": {"root": "r", "boxes": "b.csv"}}))
    for overrides, kept in (
        ([], "b.csv"),
        (["images.boxes.match=id"], "b.csv"),
        (["images.boxes.match=name"],
         {"path": "b.csv", "match": "name", "units": "pixels", "invalid": "refuse", "crowd": "skip"}),
    ):  # fmt: skip
        loaded = load_study(study, overrides)
        content = loaded.study.model_dump(mode="json")
        assert content["images"]["boxes"] == kept
        assert parse_study(content, "study.json") == loaded.study


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("images.boxes=3", "images.boxes: 3: give a path, or a mapping with `path`"),
        ("images={root: r, boxes: ''}", "images.boxes: '': string should have at least 1 character"),
        ("images.boxes.match=file", "images.boxes.match: 'file': should be 'id', 'name' or 'stem'"),
        ("images.boxes.unit=pixels", "images.boxes.unit: unknown key; did you mean `units`?"),
        ("images.boxes.match=stem", "images.boxes.path: missing; add it"),
    ],
)
def test_a_bad_key_of_boxes_is_refused(tmp_path: Path, override: str, part: str) -> None:
    content = {**LEAST, "images": {"root": "r", **({} if "stem" in override else {"boxes": "b.csv"})}}
    assert part in load_refusal(write(tmp_path, yaml.safe_dump(content)), override)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "a study is a mapping"),
        ("- a\n- b", "a study is a mapping"),
        ("name: [", "not plain YAML"),
        ("name: a\nname: b", "key 'name' stands twice"),
        ("a: &a [x, x]\nb: *a", "`*a` is an alias; write it out"),
        ("name: &a\n  b: *a", "alias"),
        (
            "name: !!python/object/apply:os.system ['touch {folder}/hacked']",
            "could not determine a constructor",
        ),
        ("name: !!python/name:os.system", "could not determine a constructor"),
        ("name: !!timestamp soon", "not plain YAML"),
        ("name: 2020-13-45", "not plain YAML"),
        ("name: !!int many", "not plain YAML"),
        ("name: !!bool maybe", "not plain YAML"),
        ("title: 1" + 5000 * "0", "not plain YAML"),
        ("? [a]\n: b", "unhashable key"),
        ("title: " + 3000 * "[", "not plain YAML"),
        ("title: " + 900 * "[" + 900 * "]", "not plain YAML"),
        ("name: \x00", "not plain YAML"),
        ("name: a\n---\nname: b", "single document"),
    ],
    ids=lambda text: text[:25],
)
def test_hostile_yaml_is_one_line_and_not_a_traceback(tmp_path: Path, text: str, part: str) -> None:
    line = load_refusal(write(tmp_path, text.replace("{folder}", str(tmp_path))))
    assert part in line
    assert len(line) < 1200
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("title: 0x1" + 9000 * "0", "title: a number of 36001 bits"),
        ("title: " + 80 * "[" + 80 * "]", "title: [[["),
        ("1: 2", "1: 1: keys should be strings"),
        ("null: 2", "null: keys should be strings"),
    ],
    ids=lambda text: text[:25],
)
def test_odd_values_of_plain_yaml_are_one_line(tmp_path: Path, text: str, part: str) -> None:
    line = load_refusal(write(tmp_path, f"{yaml.safe_dump(LEAST)}\n{text}"))
    assert part in line
    assert len(line) < 400


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join(10 * [f'*a{n - 1}'])}]" for n in range(1, 12)]
    start = time.monotonic()
    assert "alias" in load_refusal(write(tmp_path, "\n".join([*lines, "name: *a11"])))
    assert time.monotonic() - start < 5


def test_what_is_not_a_readable_text_file_is_refused(tmp_path: Path) -> None:
    assert "there is no such study file" in load_refusal(tmp_path / "nowhere.yaml")
    assert "there is no such study file" in load_refusal(tmp_path)
    assert "cannot be read" in load_refusal(tmp_path / ("x" * 300))
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("title: Häher".encode("latin-1"))
    assert "not UTF-8" in load_refusal(latin)
    assert "larger than" in load_refusal(write(tmp_path, "#" * (MAX_STUDY_BYTES + 1)))


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert load_study(write(tmp_path, "\ufeff" + yaml.safe_dump(LEAST))).study == parse()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3),
    max_leaves=6,
)
places = st.sampled_from(
    [(section,) for section in Study.model_fields]
    + [(section, key) for section in ("attribution", "run", "images")
       for key in Study.model_fields[section].annotation.model_fields]
    + [("models", "small"), ("models", "small", "weights"), ("models", "small", "classes"), ("store", "maps")]
)  # fmt: skip


@given(places, values)
def test_no_value_anywhere_causes_more_than_a_line(place: tuple[str, ...], value: Any) -> None:
    content: dict[str, Any] = {**LEAST, "models": {"small": {}}, "images": {"root": "photos"}}
    node = content
    for part in place[:-1]:
        node = node.setdefault(part, {})
    node[place[-1]] = value
    try:
        study = parse_study(content, "study.yaml")
    except InputError as error:
        line = one_line(error)
    else:
        assert study.variants
        assert study.target_names()
        return
    assert line.startswith(f"study.yaml: {place[0]}")
