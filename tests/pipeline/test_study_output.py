"""Opening an output: laid out anew, continued, or refused with the difference."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import timm

from igbatch.errors import InputError
from igbatch.images.box_counts import BoxCounts
from igbatch.pipeline.messages import Calibration, Hardware
from igbatch.pipeline.resolve import ResolvedModel, ResolvedStudy
from igbatch.pipeline.study_images import StudyImages
from igbatch.pipeline.study_output import (
    check_same_study,
    existing_study,
    keep_calibration,
    keep_study,
    open_output,
)
from igbatch.store import schemas
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.study_file import parse_study
from igbatch.variants.specs import variant_specs
from igbatch.variants.weights import WeightsSource

DATA_CONFIG = {"input_size": [3, 224, 224], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "crop_pct": 0.9}
LAYERS = {"layers.0": ["layers.0.blocks.0", "layers.0.blocks.1"], "head": ["head"]}
HARDWARE = Hardware("n", "cpu", "p", 2)
CALIBRATION = Calibration("float32", 0.0, 8, reasons=("measured",))


def resolve(
    weights: str = "sha256:one", data_config: dict[str, Any] = DATA_CONFIG, **changes: Any
) -> ResolvedStudy:
    """A resolved study of one model, without any model behind it."""
    attribution = {"steps": 50, "tolerance": 0.05, **changes.pop("attribution", {})}
    content = {
        "name": "s", "images": {"root": "r"}, "models": {"m": {}}, "targets": {"a": 0},
        "variants": [{"kind": "trained"}, {"kind": "random", "seeds": [1]}], "attribution": attribution,
        **changes,
    }  # fmt: skip
    study = parse_study(content, "test")
    names = {"a": 0, "b": 1}
    targets = {name: names.get(name) for name in study.target_names()}
    source = WeightsSource("swin", None)
    model = ResolvedModel("m", source, weights, 3, names, names, data_config, targets, LAYERS)
    specs = variant_specs(study, {"m": LAYERS})
    return ResolvedStudy(study, str(study.attribution.baseline), {"m": model}, specs, study.target_names())


def images(*names: str) -> StudyImages:
    rows = [{"image_id": name, "uri": f"/{name}", "etag": "1"} for name in names]
    return StudyImages(pa.Table.from_pylist(rows, schema=schemas.IMAGES), None, [])


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """An output that belongs to the study that `resolve` gives."""
    output = Output(str(tmp_path / "out"))
    open_output(output, resolve(), images("x"))
    return output


def refusal(output: Output, resolved: ResolvedStudy) -> str:
    before = {info.path: (info.mtime_ns, info.size) for info in output.files()}
    with pytest.raises(InputError) as caught:
        open_output(output, resolved, images("x"))
    assert {info.path: (info.mtime_ns, info.size) for info in output.files()} == before
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{output.uri}: ")
    return line.removeprefix(f"{output.uri}: ")


def test_a_new_output_can_be_read_at_once(tmp_path: Path) -> None:
    resolved = resolve()
    output = Output(str(tmp_path / "deep/down/out"))
    assert existing_study(output) is None
    record = open_output(output, resolved, images("x", "y"))
    assert existing_study(output) == record
    reader = Reader(output)
    assert reader.images == images("x", "y").table
    assert reader.variants.schema.equals(schemas.VARIANTS)
    variants = reader.variants.to_pylist()
    assert [(row["variant_id"], row["model"], row["kind"], row["seed"]) for row in variants] == [
        ("trained", "m", "trained", None), ("random-1", "m", "random", 1),
    ]  # fmt: skip
    assert reader.target_names == ["a"]
    assert len(reader.image_stats()) == 0


def test_partly_random_variants_are_listed_with_their_direction_and_layers(tmp_path: Path) -> None:
    cascade = {"kind": "cascade", "direction": "down", "seeds": [4]}
    resolved = resolve(variants=[cascade, {"kind": "independent", "seeds": [4], "by": "block"}])
    open_output(Output(str(tmp_path)), resolved, images("x"))
    found = Reader(Output(str(tmp_path))).variants.to_pylist()
    columns = ("variant_id", "kind", "direction", "seed", "layers")
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("cascade-down-4-head", "cascade", "down", 4, ["head"]),
        ("cascade-down-4-layers.0", "cascade", "down", 4, ["layers.0.blocks.0", "layers.0.blocks.1", "head"]),
        ("independent-4-layers.0.blocks.0", "independent", None, 4, ["layers.0.blocks.0"]),
        ("independent-4-layers.0.blocks.1", "independent", None, 4, ["layers.0.blocks.1"]),
        ("independent-4-head", "independent", None, 4, ["head"]),
    ]


def test_the_record_tells_the_whole_study(output: Output) -> None:
    resolved = resolve()
    record = json.loads(output.read(output.path("study.json")))
    assert record["name"] == "s"
    assert parse_study(record["study"], "study.json") == resolved.study
    assert record["fingerprint"] == resolved.fingerprint()
    assert record["fingerprint_digest"] == digest(resolved.fingerprint())
    assert record["targets"] == {"m": {"a": 0}}
    assert record["models"]["m"]["weights"] == "sha256:one"
    assert record["models"]["m"]["data_config"] == DATA_CONFIG
    assert record["models"]["m"]["layers"] == LAYERS
    assert set(record["versions"]) == {"python", "igbatch", "torch", "timm", "ray", "numpy", "pyarrow"}
    assert set(record["package_files"]) == set(record["versions"]) - {"python"}
    assert record["package_files"]["timm"] == os.path.realpath(timm.__file__)
    assert (record["calibrations"], record["hardware"]) == ({}, [])


def test_study_json_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever sees it sees the tables too."""
    order: list[str] = []
    put = Output.put

    def watch(self: Output, path: str, data: bytes) -> None:
        order.append(Path(path).name)
        put(self, path, data)

    monkeypatch.setattr(Output, "put", watch)
    open_output(Output(str(tmp_path)), resolve(), images("x"))
    assert order[-1] == "study.json"
    assert set(order[:-1]) == {"images.parquet", "variants.parquet"}


def test_opening_again_changes_nothing(output: Output) -> None:
    before = {info.path: output.read(info.path) for info in output.files()}
    open_output(output, resolve(), images("x"))
    assert {info.path: output.read(info.path) for info in output.files()} == before


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"name": "t"}, "belongs to the study 's', this one is 't'; choose another --out"),
        ({"attribution": {"rule": "midpoint"}}, "rule gauss-legendre, the study now says midpoint"),
        ({"attribution": {"steps": 60}}, "computed with steps 50, the study now says 60"),
        ({"attribution": {"steps": "auto"}}, "computed with steps 50, the study now says auto"),
        ({"attribution": {"baseline": "black"}}, "computed with baseline gray, the study now says black"),
        ({"attribution": {"output": "logit"}}, "computed with output probability, the study now says logit"),
        ({"attribution": {"precision": "float64"}}, "precision float32, the study now says float64"),
        ({"attribution": {"tolerance": 0.01}}, "tolerance 0.05, the study now says 0.01"),
        ({"weights": "sha256:two"},
         "variant trained was computed with weights sha256:one, the study now says sha256:two"),
        ({"data_config": {**DATA_CONFIG, "crop_pct": 1.0}},
         "computed with preprocessing.crop_pct 0.9, the study now says 1.0"),
        ({"data_config": {**DATA_CONFIG, "crop_mode": "squash"}},
         "computed without preprocessing.crop_mode, the study now says squash"),
        ({"variants": [{"kind": "trained"}, {"kind": "random", "seeds": [1], "steps": 9}]},
         "variant random-1 was computed with steps 50, the study now says 9"),
    ],
)  # fmt: skip
def test_another_study_is_refused_with_the_difference(
    output: Output, changes: dict[str, Any], line: str
) -> None:
    assert line in refusal(output, resolve(**changes))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"steps": 50}, "variant trained was computed with steps auto, the study now says 50"),
        ({"max_steps": 99}, "variant trained was computed with max_steps 2000, the study now says 99"),
        ({"tolerance": 0.01}, "variant trained was computed with tolerance 0.05, the study now says 0.01"),
    ],
)
def test_another_limit_of_adaptive_steps_is_refused(
    tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    output = Output(str(tmp_path / "out"))
    open_output(output, resolve(attribution={"steps": "auto"}), images("x"))
    open_output(output, resolve(attribution={"steps": "auto", "rule": "midpoint"}), images("x"))
    assert line in refusal(output, resolve(attribution={"steps": "auto", **change}))


RANKED: dict[str, Any] = {"targets": ["predicted"], "variants": [{"kind": "random", "seeds": [1]}]}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"weights": "sha256:two"}, "weights sha256:one, the study now says sha256:two"),
        ({"targets": ["a", "top-2"], "weights": "sha256:two"}, "ranking of model m with weights sha256:one"),
    ],
)
def test_another_model_that_ranks_images_for_random_variants_is_refused(
    tmp_path: Path, changes: dict[str, Any], line: str
) -> None:
    output = Output(str(tmp_path / "out"))
    open_output(output, resolve(**RANKED), images("x"))
    open_output(output, resolve(**RANKED), images("x", "y"))
    assert line in refusal(output, resolve(**{**RANKED, **changes}))


def test_weights_that_nothing_follows_may_change(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    fixed = {**RANKED, "targets": ["a"]}
    open_output(output, resolve(**fixed), images("x"))
    open_output(output, resolve(**fixed, weights="sha256:two"), images("x"))
    open_output(output, resolve(**RANKED, weights="sha256:three"), images("x"))  # nothing was ranked before


def test_long_values_are_cut(output: Output) -> None:
    line = refusal(output, resolve(weights="sha256:" + "0" * 500))
    assert len(line) < 300
    assert "choose another --out or change the study back" in line


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "another"}, {"run": {"workers": 3}}, {"store": {"maps": "none"}}, {"targets": {"b": 1}},
        {"images": {"root": "elsewhere"}}, {"variants": [{"kind": "random", "seeds": [2], "steps": 3}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_study_that_grew_is_welcome(output: Output, changes: dict[str, Any]) -> None:
    record = open_output(output, resolve(**changes), images("w", "x"))
    reader = Reader(output)
    assert reader.record == record
    assert reader.images["image_id"].to_pylist() == ["w", "x"]
    assert reader.variant_ids == [spec.variant_id for spec in resolve(**changes).variants]


def test_a_variant_that_was_dropped_is_remembered(output: Output) -> None:
    open_output(output, resolve(variants=[{"kind": "trained"}]), images("x"))
    again = resolve(variants=[{"kind": "random", "seeds": [1], "steps": 9}])
    assert "variant random-1 was computed with steps 50" in refusal(output, again)


def kept_as(calibration: Calibration) -> Any:
    """Return what JSON holds of it, as kept by a worker of `HARDWARE`."""
    return json.loads(json.dumps({"threads": 2, **asdict(calibration)}))


def test_a_calibration_is_kept(output: Output) -> None:
    record = open_output(output, resolve(), images("x"))
    assert keep_calibration(output, record, "cpu", HARDWARE, CALIBRATION)
    other = replace(CALIBRATION, micro_batch=64)
    assert keep_calibration(output, record, "cuda", replace(HARDWARE, device="cuda:T"), other)
    again = open_output(output, resolve(title="t"), images("x"))
    assert again["calibrations"] == {"cpu": kept_as(CALIBRATION), "cuda": kept_as(other)}
    assert [seen["device"] for seen in again["hardware"]] == ["cpu", "cuda:T"]


def test_the_first_calibration_holds(output: Output) -> None:
    record = open_output(output, resolve(), images("x"))
    assert keep_calibration(output, record, "cpu", HARDWARE, CALIBRATION)
    assert not keep_calibration(output, record, "cpu", HARDWARE, CALIBRATION)
    other = replace(HARDWARE, node="other", threads=8)
    assert not keep_calibration(output, record, "cpu", other, replace(CALIBRATION, micro_batch=99))
    kept = existing_study(output)
    assert kept is not None
    assert kept["calibrations"] == {"cpu": kept_as(CALIBRATION)}
    assert [seen["node"] for seen in kept["hardware"]] == ["n", "other"]


def test_what_could_not_be_measured_is_left_to_a_later_run(output: Output) -> None:
    record = open_output(output, resolve(), images("x"))
    assert not keep_calibration(output, record, "cpu", HARDWARE, None)
    kept = existing_study(output)
    assert kept is not None
    assert kept["calibrations"] == {}
    assert [seen["node"] for seen in kept["hardware"]] == ["n"]
    assert keep_calibration(output, record, "cpu", HARDWARE, CALIBRATION)
    assert open_output(output, resolve(), images("x"))["calibrations"] == {"cpu": kept_as(CALIBRATION)}


def test_what_an_earlier_igbatch_left_open_is_calibrated(output: Output) -> None:
    record = open_output(output, resolve(), images("x"))
    record["calibrations"] = {"cpu": {"threads": 2, "micro_batch": 8}}
    assert keep_calibration(output, record, "cpu", HARDWARE, replace(CALIBRATION, micro_batch=4))
    kept = existing_study(output)
    assert kept is not None
    assert kept["calibrations"] == {"cpu": kept_as(replace(CALIBRATION, micro_batch=4))}


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """Lest a sweep remove what was never ours."""
    precious = tmp_path / "attributions/mine.parquet"
    precious.parent.mkdir()
    precious.write_bytes(b"precious")
    output = Output(str(tmp_path))
    with pytest.raises(
        InputError, match=r"holds a folder attributions but no study\.json; choose another --out"
    ):
        existing_study(output)
    assert "attributions" in refusal(output, resolve())


def test_a_folder_with_other_files_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    open_output(Output(str(tmp_path)), resolve(), images("x"))
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "content", [b'{"format": 99}', b"{}", b"[]", b"{", b'{"name": "of another program"}']
)
def test_a_study_json_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.json").write_bytes(content)
    refusal(Output(str(tmp_path)), resolve())
    assert (tmp_path / "study.json").read_bytes() == content


def test_where_nothing_was_before_anything_goes(output: Output) -> None:
    check_same_study(output, None, resolve(name="t"))


def test_credentials_are_never_written(tmp_path: Path) -> None:
    for uri in ("s3://KEY:SECRET@bucket/out", "s3://bucket/out?secret_key=SECRET"):
        with pytest.raises(InputError, match="credentials") as caught:
            open_output(Output(uri), resolve(), images("x"))
        assert "SECRET" not in str(caught.value)
    assert list(tmp_path.rglob("*")) == []


def test_images_are_replaced_whole(output: Output) -> None:
    open_output(output, resolve(), images("y", "z"))
    assert Reader(output).images["image_id"].to_pylist() == ["y", "z"]


def test_counts_of_boxes_are_kept_by_every_run(output: Output) -> None:
    """Also by one that computes nothing: a box file may have changed for images that are not in the study."""
    for number, change in enumerate((open_output, keep_study)):
        counts = BoxCounts(812, 1, 1, unknown_images=number)
        change(output, resolve(), replace(images("x"), box_counts=counts))
        record = existing_study(output)
        assert record is not None
        assert record["boxes"] == counts.record()
    keep_study(output, resolve(), images("x"))
    assert (existing_study(output) or {})["boxes"] is None


def test_how_a_study_is_audited_may_change_and_is_kept(output: Output) -> None:
    for number, change in enumerate((open_output, keep_study)):
        current = resolve(audit={"faithfulness": {"perturbations": 3 + number}})
        check_same_study(output, existing_study(output), current)
        change(output, current, images("x"))
        record = existing_study(output)
        assert record is not None
        assert record["study"]["audit"]["faithfulness"]["perturbations"] == 3 + number
