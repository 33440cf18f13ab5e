"""Maps over several baselines: means of the engine's own, and their spread, also as a study grows."""

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from igbatch.attribution import integrated_gradients
from igbatch.errors import InputError
from igbatch.images.baselines import baseline_pixels
from igbatch.images.loading import load_image
from igbatch.pipeline.run import plan_study
from igbatch.report.findings.summary import cautions, describe
from igbatch.results import StudyResults, open_study
from igbatch.store.output import Output
from igbatch.store.verify import verify
from igbatch.store.verify_spread import wrong_spreads
from igbatch.study_file import load_study
from igbatch.terminal import print_box_sums
from igbatch.variants.models import load_trained
from igbatch.variants.weights import locate_weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

Compute = Callable[..., Output]
LISTED = ["gray", "black", "blurred"]
IMAGE = "double-00001"


def pixels_of(uri: str) -> NDArray[np.float32]:
    """An image as the small model takes it, in 0..1: float32 [56, 56, 3]."""
    image = load_image(uri).image.resize((56, 56), Image.Resampling.BICUBIC)
    return np.asarray(image).astype(np.float32) / np.float32(255)


def to_input(pixels: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy((pixels.transpose(2, 0, 1) - np.float32(0.5)) / np.float32(0.5))


def set_baseline(value: Any) -> str:
    return f"attribution.baseline={yaml.safe_dump(value, default_flow_style=True).strip()}"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, small_content: dict[str, Any]) -> Path:
    path = tmp_path_factory.mktemp("baselines") / "small.yaml"
    path.write_text(yaml.safe_dump({**small_content, "variants": [{"kind": "trained"}]}))
    return path


@pytest.fixture(scope="module")
def results(study: Path, tmp_path_factory: pytest.TempPathFactory, compute_study: Compute) -> StudyResults:
    out = tmp_path_factory.mktemp("out") / "out"
    return open_study(compute_study(study, out, set_baseline(LISTED)).uri)


def test_maps_are_means_over_baselines_and_their_spread_is_stored_for_pixels_and_boxes(
    results: StudyResults, small_model: str
) -> None:
    model = load_trained(locate_weights(small_model, None, "k"), "k")
    pixels = pixels_of("scene:1?kind=double")
    starts = torch.stack([to_input(baseline_pixels(name, pixels)) for name in LISTED])
    images = to_input(pixels).expand(3, -1, -1, -1)
    own = integrated_gradients(model, images, [0, 1], starts, steps=4, micro_batch=4)
    rows = results.image_stats.set_index(["image_id", "target"])
    boxes = results.box_stats.set_index(["image_id", "target"])
    for k, target in enumerate(("eagle", "magpie")):
        maps = own.attributions[:, k].double().numpy()
        mean, deviation = maps.mean(0), maps.std(0)
        exact = {"atol": 1e-4 * np.abs(mean).max()}
        np.testing.assert_allclose(results.attribution("trained", IMAGE, target), mean, **exact)
        np.testing.assert_allclose(results.spread("trained", IMAGE, target), deviation, **exact)
        row = rows.loc[(IMAGE, target)]
        assert row["score_baseline"] == pytest.approx(own.baseline_scores[:, k].mean().item(), rel=1e-5)
        assert row["score"] == pytest.approx(own.scores[0, k].item(), rel=1e-5)
        gap = row["sum"] - (row["score"] - row["score_baseline"])
        assert row["convergence_delta"] == pytest.approx(gap, abs=1e-12)
        assert row["steps"] == 3 * 4
        norms = [np.linalg.norm(each) for each in (deviation, mean)]
        assert row["spread"] == pytest.approx(norms[0] / norms[1], rel=1e-4)
        for _, box in boxes.loc[[(IMAGE, target)]].iterrows():
            sums = maps[:, box["y_min"] : box["y_max"], box["x_min"] : box["x_max"]].sum((1, 2))
            assert box["sum"] == pytest.approx(sums.mean(), abs=1e-5)
            assert box["sum_spread"] == pytest.approx(sums.std(), abs=1e-5)
            assert box["sign_agreement"] == np.mean(np.sign(sums) == np.sign(box["sum"]))
    assert not verify(results.reader.output).problems


def test_sums_whose_sign_depends_on_the_baseline_are_marked_and_counted(results: StudyResults) -> None:
    boxes = results.box_stats
    marked = boxes[boxes["sign_agreement"] < 1]
    assert 0 < len(marked) < len(boxes)
    assert results.aggregates["n_sign_depends"].sum() == len(marked)
    printed = io.StringIO()
    print_box_sums(results, Console(file=printed, width=200))
    first = marked[marked["image_id"] == IMAGE]
    assert len(re.findall(r"\(sign (?:33.3|66.7)\s%\)", printed.getvalue())) == len(first)
    assert ("its sign depends on the baseline" in printed.getvalue()) == bool(len(first))
    lead = f"The sign of {len(marked)} of {len(boxes)} box sums depends on the baseline"
    assert [line for line in cautions(results, 0) if line.startswith(lead)]
    assert "gray, black and blurred; each map is the mean over these 3" in describe(results)[1]["Baseline"]


def test_a_list_of_one_is_that_baseline_bit_for_bit_and_its_output_goes_on(
    study: Path, tmp_path: Path, compute_study: Compute
) -> None:
    plain = compute_study(study, tmp_path / "plain", "attribution.baseline=blurred")
    listed = compute_study(study, tmp_path / "listed", set_baseline(["blurred"]))
    one, other = open_study(plain.uri), open_study(listed.uri)
    volatile = ["attempt", "attributions_bytes", "box_stats_bytes"]
    pd.testing.assert_frame_equal(
        one.image_stats.drop(columns=volatile), other.image_stats.drop(columns=volatile)
    )
    pd.testing.assert_frame_equal(one.box_stats, other.box_stats)
    assert one.record["fingerprint"] == other.record["fingerprint"]
    assert one.image_stats["spread"].isna().all()
    assert one.box_stats[["sum_spread", "sign_agreement"]].isna().all(axis=None)
    assert one.attribution("trained", IMAGE, "eagle").tobytes() == (
        other.attribution("trained", IMAGE, "eagle").tobytes()
    )
    with pytest.raises(KeyError, match=r"no spread of .*: it has one baseline"):
        one.spread("trained", IMAGE, "eagle")
    compute_study(study, tmp_path / "plain", set_baseline(["blurred"]))


@pytest.fixture
def folder(tmp_path: Path, small_content: dict[str, Any]) -> Path:
    """A study of a folder of six images, two of which are the baselines of all."""
    (tmp_path / "images").mkdir()
    for number in range(6):
        draw(tmp_path, number)
    content = {
        **small_content, "images": {"root": "images"}, "variants": [{"kind": "trained"}],
        "targets": ["eagle"],
    }  # fmt: skip
    content["attribution"] = {**content["attribution"], "baseline": {"images": 2, "seed": 1}}
    path = tmp_path / "folder.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def draw(folder: Path, number: int) -> None:
    load_image(f"scene:{number}?kind=single").image.resize((80, 70)).save(folder / f"images/{number}.png")


def test_images_of_the_data_set_are_drawn_once_and_stay_as_it_grows(
    folder: Path, tmp_path: Path, small_model: str, compute_study: Compute
) -> None:
    out = compute_study(folder, tmp_path / "out", "run.shard_images=1")
    first = open_study(out.uri)
    drawn = [name for name, _ in first.record["fingerprint"]["trained"]["baseline"]["taken"]]
    assert len(set(drawn)) == 2
    model = load_trained(locate_weights(small_model, None, "k"), "k")
    starts = torch.stack([to_input(first.pixels(name)) for name in drawn])
    maps = {name: first.attribution("trained", name, "eagle") for name in first.images["image_id"]}
    for name, stored in maps.items():  # that of a drawn image too, under which its own map is 0
        images = to_input(first.pixels(name)).expand(2, -1, -1, -1)
        own = integrated_gradients(model, images, [0], starts, steps=4, micro_batch=4)
        expected = own.attributions[:, 0].double().mean(0).numpy()
        np.testing.assert_allclose(stored, expected, atol=1e-4 * np.abs(expected).max())
    again = compute_study(folder, tmp_path / "again", "run.shard_images=6")
    for name, stored in maps.items():
        assert open_study(again.uri).attribution("trained", name, "eagle").tobytes() == stored.tobytes()
    for number in range(6, 10):
        draw(tmp_path, number)
    before = {info.path for info in out.files("image_stats")}
    compute_study(folder, tmp_path / "out")
    grown = open_study(out.uri)
    assert grown.n_rows == 10
    assert before <= {info.path for info in out.files("image_stats")}
    assert grown.record["fingerprint"] == first.record["fingerprint"]
    fresh = plan_study(load_study(folder), Output(str(tmp_path / "new"))).resolved
    assert fresh.fingerprint() != first.record["fingerprint"]  # others are drawn of more
    assert not verify(out).problems


def test_an_image_that_is_its_own_baseline_is_no_fill_of_its_boxes(
    study: Path, tmp_path: Path, compute_study: Compute
) -> None:
    results = open_study(compute_study(study, tmp_path / "out", set_baseline({"images": 1})).uri)
    ((drawn, _),) = results.record["fingerprint"]["trained"]["baseline"]["taken"]
    boxes = results.box_stats.set_index("image_id")
    lacking = boxes["deletion"].isna()
    assert (lacking == (boxes.index == drawn)).all()
    assert boxes["deletion_blurred"].notna().all()
    assert verify(results.reader.output).whole
    two = open_study(compute_study(study, tmp_path / "two", set_baseline({"images": 2})).uri)
    own = two.box_stats.set_index("image_id").loc[[drawn]]
    assert own["deletion"].notna().all()
    assert own["sign_agreement"].isna().all()  # one baseline is left


def test_a_drawn_image_that_is_gone_changed_or_unreadable_is_refused_by_its_name(
    folder: Path, tmp_path: Path, compute_study: Compute
) -> None:
    with pytest.raises(InputError, match=r"baseline.images: 7 images are to be drawn, the study has 6"):
        compute_study(folder, tmp_path / "out", set_baseline({"images": 7}))
    out = compute_study(folder, tmp_path / "out", reduce=False)
    ((name, etag), _) = open_study(out.uri).record["fingerprint"]["trained"]["baseline"]["taken"]
    place = tmp_path / "images" / name
    good = place.read_bytes()
    os.utime(place, (1, 1))  # touched, the same bytes: the study goes on, and this image is computed again
    compute_study(folder, tmp_path / "out", reduce=False)
    touched = open_study(out.uri)
    assert touched.record["fingerprint"]["trained"]["baseline"]["taken"][0] == [name, etag]
    assert touched.n_rows == touched.expected_rows
    place.write_bytes(good[:100])
    with pytest.raises(InputError, match=f"{name}, one of the images .* has changed; put it back"):
        compute_study(folder, tmp_path / "out", reduce=False)
    with pytest.raises(InputError, match=f"{name}, which was drawn as a baseline, cannot be used: .*; mend"):
        compute_study(folder, tmp_path / "other", reduce=False)
    place.unlink()
    with pytest.raises(InputError, match=f"{name}, one of the images .* no longer among the study's"):
        compute_study(folder, tmp_path / "out", reduce=False)
    with pytest.raises(InputError, match=r"baseline.images 2, the study now says 3"):
        compute_study(folder, tmp_path / "out", set_baseline({"images": 3, "seed": 1}))


def test_a_contrast_has_a_spread_of_its_own_also_where_both_maps_were_there(
    study: Path, tmp_path: Path, compute_study: Compute
) -> None:
    few = ["images.scenes=[{kind: double, seeds: [1]}]", set_baseline(LISTED)]
    compute_study(study, tmp_path / "out", *few)
    name = "eagle - magpie"
    out = compute_study(study, tmp_path / "out", f"targets=[eagle, magpie, {name}]", *few)
    grown = open_study(out.uri)
    one, other, both = (grown.attribution("trained", IMAGE, each) for each in ("eagle", "magpie", name))
    np.testing.assert_allclose(both, one - other, atol=1e-5 * np.abs(both).max())
    (row,) = grown.rows_of([IMAGE], ["target", "spread"]).query("target == @name").to_dict("records")
    norms = [np.linalg.norm(each) for each in (grown.spread("trained", IMAGE, name), both)]
    assert row["spread"] == pytest.approx(norms[0] / norms[1], rel=1e-5)
    assert not verify(out).problems


@pytest.mark.parametrize("encoding", ["float32", "int16"])
def test_spreads_that_are_not_those_of_the_maps_are_found(
    study: Path, tmp_path: Path, compute_study: Compute, encoding: str
) -> None:
    few = "images.scenes=[{kind: double, seeds: [1]}]"
    out = compute_study(study, tmp_path / "out", set_baseline(LISTED), few, f"store.encoding={encoding}")
    assert not verify(out).problems
    opened = open_study(out.uri)
    norms = [np.linalg.norm(each("trained", IMAGE, "eagle")) for each in (opened.spread, opened.attribution)]
    (row,) = opened.rows_of([IMAGE], ["target", "spread"]).query("target == 'eagle'").to_dict("records")
    assert row["spread"] == pytest.approx(norms[0] / norms[1], rel=1e-2)
    (info,) = out.files("image_stats")
    table = pq.read_table(info.path)
    place = table.schema.get_field_index("spread")
    doubled = pa.array([value * 1.1 for value in table["spread"].to_pylist()])
    pq.write_table(table.set_column(place, table.schema.field(place), doubled), info.path)
    found = [(each.kind, each.what) for each in verify(out).problems]
    assert ("numbers", "spread is another than its deviations say") in found
    (info,) = out.files("box_stats")
    table = pq.read_table(info.path)
    place = table.schema.get_field_index("sign_agreement")
    above = pa.array([2.0] * len(table))
    pq.write_table(table.set_column(place, table.schema.field(place), above), info.path)
    assert wrong_spreads(pq.ParquetFile(info.path)).endswith("have spreads over baselines that cannot be")
