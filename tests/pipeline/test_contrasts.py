"""Contrasts from study file to tables: rows, sums, ranges of their own, and studies that grow by one."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from igbatch.errors import InputError
from igbatch.pipeline import compute
from igbatch.pipeline.run import plan_study
from igbatch.reduce.image_ranges import IMAGE_SCOPES
from igbatch.report.build import render_report
from igbatch.report.figures.image_data import ImageMaps
from igbatch.report.figures.layout import scope_sheet, sequence_sheet
from igbatch.report.figures.scales import color_scale
from igbatch.report.findings.boxes import box_findings
from igbatch.report.findings.summary import describe
from igbatch.results import StudyResults, open_study
from igbatch.statistics.agreement import MEASURES
from igbatch.store.output import Output
from igbatch.store.verify import verify
from igbatch.study_file import load_study

NAME = "eagle - magpie"
AUTO = ("attribution.steps=auto", "attribution.output=logit")
TARGETS = f"targets=[eagle, magpie, {NAME}]"
KEY = ["variant_id", "image_id"]

pytestmark = pytest.mark.usefixtures("one_thread")
Compute = Callable[..., Output]


@pytest.fixture(scope="module")
def study_file(small_content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contrasts") / "small.yaml"
    path.write_text(yaml.safe_dump(small_content))
    return path


@pytest.fixture(scope="module")
def contrasted(study_file: Path, compute_study: Compute) -> StudyResults:
    return open_study(compute_study(study_file, study_file.parent / "contrasted", TARGETS).uri)


@pytest.fixture(scope="module")
def plain(study_file: Path, compute_study: Compute) -> StudyResults:
    """The same study without a contrast."""
    return open_study(compute_study(study_file, study_file.parent / "plain").uri)


def of(
    results: StudyResults, target: str, table: str = "image_stats", keys: tuple[str, ...] = ()
) -> pd.DataFrame:
    rows = getattr(results, table)
    return rows[rows["target"] == target].set_index([*KEY, *keys]).sort_index()


def test_the_line_under_a_map_says_whose_joint_range_it_is(contrasted: StudyResults) -> None:
    maps = ImageMaps(contrasted, contrasted.listing.ids(range(1))[0])
    found = {
        target: scale.words["label"]
        for target in ("eagle", NAME)
        if (scale := color_scale(maps, "dataset", "trained", [target]))
    }
    assert found == {
        "eagle": "joint range of the study",
        NAME: "joint range of this contrast over the study",
    }


def test_maps_rows_and_box_sums_are_differences_of_the_two_classes(contrasted: StudyResults) -> None:
    first, other, both = (of(contrasted, name) for name in ("eagle", "magpie", NAME))
    for variant, image in both.index:
        maps = [contrasted.attribution(variant, image, each) for each in ("eagle", "magpie", NAME)]
        apart = np.abs(maps[2] - (maps[0].astype(np.float64) - maps[1])).max()
        assert apart <= 1e-6 * max(np.abs(each).max() for each in maps)
    for name in ("score", "score_baseline"):
        np.testing.assert_allclose(both[name], first[name] - other[name], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        both["sum"], both["score"] - both["score_baseline"] + both["convergence_delta"], rtol=0, atol=1e-12
    )
    assert set(both["target_index"]) == {0}
    assert set(both["other_index"]) == {1}
    assert both["target_probability"].isna().all()
    assert first["other_index"].isna().all()
    boxes = [of(contrasted, each, "box_stats", ("box_id",)) for each in ("eagle", "magpie", NAME)]
    size = boxes[0]["abs_sum"] + boxes[1]["abs_sum"]
    assert (np.abs(boxes[2]["sum"] - (boxes[0]["sum"] - boxes[1]["sum"])) <= 1e-6 * size).all()
    assert verify(contrasted.reader.output).whole


def test_a_contrast_has_a_range_of_its_own_under_every_scope(
    contrasted: StudyResults, plain: StudyResults
) -> None:
    rows = of(contrasted, NAME)
    variant, image = rows.index[0]
    one = rows.loc[(variant, image)]
    expected = {
        "image": one, "targets": one, "models": rows.xs(image, level="image_id"),
        "variant": rows.loc[variant], "dataset": rows,
    }  # fmt: skip
    for scope, own in expected.items():
        keys = {"variant_id": variant, "image_id": image}
        found = contrasted.scope_range(scope, **keys, targets=[NAME])  # type: ignore[arg-type]
        assert (found.minimum, found.maximum) == (np.min(own["minimum"]), np.max(own["maximum"]))
        assert found.complete
        targets = ["eagle"] if scope == "image" else None
        assert contrasted.scope_range(scope, **keys, targets=targets) == plain.scope_range(  # type: ignore[arg-type]
            scope, **keys, targets=targets
        )
    raw = contrasted.scope_range("raw")
    assert (raw.minimum, raw.maximum) == (plain.scope_range("raw").minimum, plain.scope_range("raw").maximum)
    for scope, keys in (("dataset", {}), ("pair", {"variant_id": variant, "image_id": image})):
        with pytest.raises(ValueError, match="a contrast has its own; name it alone"):
            contrasted.scope_range(scope, **keys, targets=["eagle", NAME])  # type: ignore[arg-type]
    for scope in IMAGE_SCOPES:
        frame = contrasted.image_ranges(scope)
        apart = frame["targets"].map(lambda names: NAME in names and len(names) > 1)
        assert not apart.any()
        assert frame["targets"].map(list).isin([[NAME]]).any() == (scope != "pair")
    classes = contrasted.ranges[contrasted.ranges["target"].isna()].drop(columns="target")
    pd.testing.assert_frame_equal(classes, plain.ranges.drop(columns="target"))
    assert contrasted.n_rows == contrasted.expected_rows == len(contrasted.image_stats)


def test_a_study_that_grows_by_a_contrast_computes_it_alone(
    small_study: Path, tmp_path: Path, compute_study: Compute, contrasted: StudyResults, plain: StudyResults
) -> None:
    output = Output(str(shutil.copytree(plain.uri, tmp_path / "grown")))
    before = open_study(output.uri)
    plan = plan_study(load_study(small_study, [TARGETS]), output)
    assert plan.missing_rows == len(before.image_stats) // 2
    assert {shard.targets for shard in plan.shards()} == {(NAME,)}
    grown = open_study(compute_study(small_study, tmp_path / "grown", TARGETS).uri)
    assert grown.record["fingerprint"] == before.record["fingerprint"]
    assert verify(output).whole
    for variant, image in of(grown, NAME).index:
        maps = [results.attribution(variant, image, NAME) for results in (grown, contrasted)]
        assert np.abs(maps[0] - maps[1]).max() <= 1e-4 * np.abs(maps[1]).max()
    key = {"variant_id": "trained"}
    assert grown.scope_range("dataset") == before.scope_range("dataset")
    assert grown.scope_range("variant", **key, targets=[NAME]).n_maps == len(of(grown, NAME)) // 2
    remapped = load_study(small_study, [f"targets=[{NAME}]", "models.small.classes={eagle: 1, magpie: 0}"])
    with pytest.raises(InputError, match="was computed for class 0 less class 1, the study now says 1 less"):
        plan_study(remapped, output)
    shrunk = open_study(compute_study(small_study, tmp_path / "grown").uri)
    assert shrunk.scope_range("dataset") == before.scope_range("dataset")
    assert verify(output).whole


def test_a_contrast_follows_from_stored_maps_where_their_errors_allow_and_is_computed_elsewhere(
    small_study: Path, tmp_path: Path, compute_study: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    attribute = compute.ShardComputer._attribute

    def counted(self: Any, shard: Any, prepared: Any, *how: Any) -> None:
        items = list(prepared)
        computed.extend(f"{shard.spec.variant_id}/{item.entry.image_id}" for item in items)
        attribute(self, shard, iter(items), *how)

    monkeypatch.setattr(compute.ShardComputer, "_attribute", counted)
    two = [*AUTO, "images.scenes=[{kind: double, seeds: [1, 2]}]"]
    exactly = [f"targets=[{NAME}]", *two, "attribution.tolerance=1e-3", "attribution.deletion=none"]
    exact = open_study(compute_study(small_study, tmp_path / "exact", *exactly).uri)
    compute_study(small_study, tmp_path / "grown", *two)
    rounded = [*two, "store.encoding=int16", "variants=[{kind: random, seeds: [3]}]"]
    compute_study(small_study, tmp_path / "int16", *rounded)
    computed.clear()
    grown = open_study(compute_study(small_study, tmp_path / "grown", TARGETS, *two).uri)
    rows, true = of(grown, NAME), of(exact, NAME)
    derived = {"/".join(key) for key in rows.index} - {*computed}
    assert {name.split("/")[0] for name in derived} == {"random-3"}  # whose bounds are within the tolerance
    assert verify(grown.reader.output).whole
    assert rows["converged"].all()
    for key, row in rows.iterrows():
        maps = [results.attribution(*key, NAME).astype(np.float64) for results in (grown, exact)]
        norms = [np.linalg.norm(each) for each in maps]
        bound = row["map_error"] * norms[0] + true.loc[key, "map_error"] * norms[1]
        assert np.linalg.norm(maps[0] - maps[1]) <= bound
        if "/".join(key) in derived:
            parts = [grown.attribution(*key, name).astype(np.float64) for name in ("eagle", "magpie")]
            assert np.array_equal(maps[0], (parts[0] - parts[1]).astype(np.float32))
            whole = sum(
                of(grown, name).loc[key, "map_error"] * np.linalg.norm(part)
                for name, part in zip(("eagle", "magpie"), parts, strict=True)
            )
            assert row["map_error"] == pytest.approx(whole / norms[0])
    columns = list(MEASURES)
    lost = grown.box_stats.set_index(["target", "variant_id", "image_id", "box_id"]).sort_index()
    classes = [lost.loc[name, columns] for name in ("eagle", "magpie")]
    pd.testing.assert_frame_equal(lost.loc[NAME, columns], classes[0] - classes[1], atol=1e-6)
    assert lost.loc[(NAME, "trained"), columns].notna().all(axis=None)
    computed.clear()
    compute_study(small_study, tmp_path / "int16", TARGETS, *rounded)
    assert len(computed) == len(rows.loc["random-3"])  # from maps that were rounded nothing is derived


def test_contrasts_of_classes_without_removals_are_computed_with_theirs(
    small_study: Path, tmp_path: Path, compute_study: Compute
) -> None:
    """Whether a map follows from stored ones does not decide whether its removals are known."""
    compute_study(small_study, tmp_path / "out", "attribution.deletion=none")
    results = open_study(compute_study(small_study, tmp_path / "out", TARGETS).uri)
    known = results.box_stats.set_index(["target", "variant_id"])["deletion_blurred"].notna()
    assert known.loc[NAME, "trained"].all()
    assert known.sum() == known.loc[NAME, "trained"].sum()
    assert verify(results.reader.output).whole
    compute_study(small_study, tmp_path / "other")
    without = open_study(
        compute_study(small_study, tmp_path / "other", TARGETS, "attribution.deletion=none").uri
    )
    known = without.box_stats.set_index(["target", "variant_id"])["deletion_blurred"].notna()
    assert known.loc["eagle", "trained"].all()
    assert not known.loc[NAME, "trained"].any()


def test_a_contrast_alone_is_a_study(small_study: Path, tmp_path: Path, compute_study: Compute) -> None:
    alone = open_study(compute_study(small_study, tmp_path / "alone", f"targets=[{NAME}]").uri)
    assert alone.complete
    assert verify(alone.reader.output).whole
    assert alone.scope_range("dataset").n_maps == len(alone.image_stats)
    assert set(alone.summary["target"]) == {NAME}


def test_labels_and_a_contrast_are_a_study_of_images_without_labels(
    small_study: Path, tmp_path: Path, compute_study: Compute
) -> None:
    folder = tmp_path / "unlabelled"
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (56, 56, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    wanted = (f"images={{root: {folder}}}", f"targets=[label, {NAME}]")
    results = open_study(compute_study(small_study, tmp_path / "out", *wanted).uri)
    assert set(results.image_stats["target"]) == {NAME}
    end = results.scope_range("raw").maximum
    assert end == results.scope_range("raw", targets=[NAME]).maximum > 0
    pages: dict[str, Any] = {}
    render_report(results, lambda name, content: pages.update({name: content}), say=lambda line: None)
    assert "The raw scale ends at" in str(pages["report/index.html"])


def test_signs_are_expected_of_both_classes_and_stated_in_words(contrasted: StudyResults) -> None:
    rows = contrasted.aggregates
    signs = rows[rows["target"] == NAME].groupby("box_label")["expected_sign"].first()
    assert (signs["eagle"], signs["magpie"]) == (1, -1)
    contrast = contrasted.image_scores(["box_contrast"])["box_contrast"].to_numpy()
    sums = contrasted.box_stats.query("variant_id == 'trained'").pivot_table(
        index=["image_id", "box_id"], columns="target", values="sum"
    )
    largest = (sums["eagle"] - sums["magpie"]).abs().groupby("image_id").max()
    ids = contrasted.listing.image_ids.to_pylist()
    np.testing.assert_allclose(contrast, largest.reindex(ids), rtol=1e-9)
    (finding,) = [each for each in box_findings(contrasted) if each.key == "trained_contrast"]
    assert finding.claim.startswith(
        "Asked “eagle or magpie”, the trained model counts the box of the eagle for"
    )
    assert "cannot be told" in finding.verdict
    _, facts = describe(contrasted)
    assert facts["Targets"] == "eagle (class 0), magpie (class 1) and eagle - magpie (class 0 less class 1)"
    assert "of a contrast that of its first class less that of the other" in facts["Explained"]


def test_of_a_contrast_alone_figures_say_that_its_range_is_its_own(contrasted: StudyResults) -> None:
    image = str(of(contrasted, NAME).index[0][1])
    n_maps, maps = len(of(contrasted, NAME)), ImageMaps(contrasted, image)
    for targets, over, own in (
        ([NAME], f"all {n_maps} maps of the same contrast", True),
        (["eagle", NAME], f"all {2 * n_maps} maps of the study", True),
        (["eagle"], f"all {2 * n_maps} maps of the study", False),
    ):
        said = " ".join(scope_sheet(maps, "dataset", targets=targets).facts)
        assert f"largest value of {over}. Compare " in said
        assert ("has a range of its own" in said) == own
        assert ("every map of the study with" in said) == (targets != [NAME])
        (*_, row) = sequence_sheet(maps, "trained", targets).rows
        assert ("has a range of its own" in " ".join(row.facts)) == own
    assert "of its own" not in " ".join(scope_sheet(maps, "raw", targets=[NAME]).facts)
