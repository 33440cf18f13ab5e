"""The pages in `docs/` against the code: keys, defaults, columns, messages, links and examples.

Blocks fenced as ``python run`` are run, in order, on a small output. ``$ igbatch plan`` lines that are
followed by a message are called, and the message compared.
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
import yaml
from PIL import Image
from pydantic import BaseModel

from igbatch import study as study_module
from igbatch.birds.facts import BUNDLED_WEIGHTS
from igbatch.cli import main
from igbatch.errors import IgbatchError
from igbatch.pipeline.compute import ShardComputer
from igbatch.pipeline.messages import Calibration
from igbatch.pipeline.run import plan_study
from igbatch.pipeline.study_output import open_output
from igbatch.reduce.randomization.values import BOX_STATISTICS, MAP_STATISTICS
from igbatch.reduce.study import reduce_study
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.study_file import load_study, parse_study

pytestmark = pytest.mark.xdist_group("docs")  # they share an output
ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SECTIONS = {
    "The study": study_module.Study,
    "images": study_module.Images,
    "images.boxes": study_module.Boxes,
    "images.scenes": study_module.SceneGroup,
    "models": study_module.Model,
    "variants": study_module.Variant,
    "attribution": study_module.AttributionSection,
    "attribution.baseline": study_module.DrawnBaselines,
    "attribution.smoothing": study_module.Smoothing,
    "store": study_module.Store,
    "store.maps": study_module.SeededSample,
    "run": study_module.Run,
    "run.workers": study_module.WorkerRange,
    "quarantine": study_module.QuarantineSection,
    "randomization": study_module.Randomization,
    "report": study_module.Report,
    "audit": study_module.AuditSection,
    "audit.thresholds": study_module.Thresholds,
    "audit.faithfulness": study_module.Faithfulness,
    "audit.curves": study_module.Curves,
    "audit.webhook": study_module.Webhook,
    "audit.retain": study_module.Retain,
}
TABLES = {
    "images.parquet": schemas.IMAGES,
    "variants.parquet": schemas.VARIANTS,
    "image_stats": schemas.IMAGE_STATS,
    "box_stats": schemas.BOX_STATS,
    "attributions": schemas.attributions(224, 224, spread=True),
    "quarantine": schemas.QUARANTINE,
    "rankings": schemas.RANKINGS,
    "ranges.parquet": schemas.RANGES,
    "aggregates.parquet": schemas.AGGREGATES,
    "summary.parquet": schemas.SUMMARY,
    "image_summary.parquet": schemas.IMAGE_SUMMARY,
    "shards.parquet": schemas.SHARDS,
    "faithfulness.parquet": schemas.FAITHFULNESS,
    "curves.parquet": schemas.CURVES,
    "quiz/answers.parquet": schemas.QUIZ_ANSWERS,
    "quiz/summary.parquet": schemas.QUIZ_SUMMARY,
    "quiz/comparisons.parquet": schemas.QUIZ_COMPARISONS,
}

RANDOMIZATION = {
    "similarity.parquet": schemas.SIMILARITY,
    "map_measures.parquet": schemas.MAP_MEASURES,
    "localization.parquet": schemas.LOCALIZATION,
    "randomization.parquet": schemas.RANDOMIZATION,
    "significance.parquet": schemas.SIGNIFICANCE,
}
PAGES = {"results.md": TABLES, "randomization.md": RANDOMIZATION}


def read(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def section(page: str, heading: str) -> str:
    """Return the text below a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#|\Z)", read(page), re.MULTILINE | re.DOTALL)
    assert found, f"docs/{page} has no heading {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the cells of the first table in a text, without its head."""
    lines = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert lines, "a table is missing"
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[0].splitlines()[2:]]


def table(page: str, heading: str) -> dict[str, list[str]]:
    """Return the table below a heading: the name in the first cell, without its backticks, to the others."""
    return {first.strip("`"): rest for first, *rest in rows(section(page, heading))}


def written(value: Any) -> Any:
    """Return a default as YAML has it."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_defaults=True)
    return [written(item) for item in value] if isinstance(value, tuple) else value


def literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    for part in get_args(annotation):
        yield from literals(part)


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_stands_in_the_study_page_with_its_default(heading: str) -> None:
    model, keys = SECTIONS[heading], table("study.md", heading)
    assert list(keys) == list(model.model_fields)
    for name, field in model.model_fields.items():
        kind, default, meaning = keys[name]
        if field.is_required():
            assert default == "required", name
        else:
            assert yaml.safe_load(default.strip("`")) == written(field.default), name
        for option in literals(field.annotation):
            assert f"`{option}`" in f"{kind} {default} {meaning}", f"{name}: {option} is not explained"


def test_every_section_of_the_study_is_documented() -> None:
    sections = {
        thing
        for thing in vars(study_module).values()
        if isinstance(thing, type) and issubclass(thing, study_module.Section) and thing.model_fields
    }
    assert sections == set(SECTIONS.values())


def test_the_examples_of_the_study_page_are_valid() -> None:
    base = yaml.safe_load(example_study())
    for block in re.findall(r"```yaml\n(.*?)```", read("study.md"), re.DOTALL):
        parse_study({**base, **yaml.safe_load(block)}, "example")


def type_name(kind: pa.DataType) -> str:
    if isinstance(kind, pa.FixedShapeTensorType):
        return "fixed_shape_tensor"
    if pa.types.is_list(kind):
        return "list of struct" if pa.types.is_struct(kind.value_type) else f"list of {kind.value_type}"
    return str(kind)


@pytest.mark.parametrize(
    ("page", "heading"), [(page, name) for page, headings in PAGES.items() for name in headings]
)
def test_every_column_stands_in_the_page_of_its_table(page: str, heading: str) -> None:
    documented = [(name, cells[0], cells[1]) for name, cells in table(page, heading).items()]
    schema = PAGES[page][heading]
    assert documented == [
        (field.name, type_name(field.type), "null" if field.nullable else "") for field in schema
    ]


def test_every_statistic_that_is_tested_is_explained() -> None:
    headings = table("randomization.md", "Statistics")
    scales = {**MAP_STATISTICS, **BOX_STATISTICS}
    assert set(headings) == {*scales, "sum_minus_other"}
    assert {name: headings[name][1] for name in scales} == {
        name: "free" if free else "bound" for name, free in scales.items()
    }


def test_the_fingerprint_is_documented_whole(output: Path) -> None:
    covered = set(re.findall(r"^\|(.*?)\|", section("study.md", "Running again"), re.MULTILINE))
    names = {name for cell in covered for name in re.findall(r"`(\w+)`", cell)}
    prints: set[str] = set()
    for steps in (2, "auto"):
        loaded = load_study(output / "birds.yaml", [f"attribution.steps={steps}"])
        plan = plan_study(loaded, Output(str(output / "new")))
        prints.update(*plan.resolved.fingerprint().values())
    assert names - {"auto"} == prints  # `auto` is a value, beside the key that it is of


@pytest.mark.parametrize("page", sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")]), ids=lambda p: p.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name}: {link}"


def anchors(page: Path) -> set[str]:
    """Return what GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_files_of_the_architecture_page_are_there() -> None:
    for path in re.findall(r"`((?:igbatch|tests)/[\w./]+)`", read("dev/architecture.md")):
        assert (ROOT / path).exists(), path


def example_study() -> str:
    found = re.search(r"```yaml\n(.*?)```", read("study.md"), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the pages speak of: birds.yaml, its finished output, and what is wrong beside it."""
    folder = tmp_path_factory.mktemp("me")
    settings = "attribution: {steps: 2, tolerance: 0.0001, micro_batch: 2}\n"
    (folder / "birds.yaml").write_text(example_study() + settings, "utf-8")
    (folder / "empty").mkdir()
    (folder / "photos").mkdir()
    Image.new("RGB", (220, 244)).save(folder / "photos" / "magpie.png")
    box = "image,label,x_min,y_min,x_max,y_max\nmagpie.png,magpie,10,36,190,300\n"
    (folder / "boxes.csv").write_text(box, "utf-8")
    shutil.copy(BUNDLED_WEIGHTS, folder / "swin.safetensors")
    target = Output(str(folder / "igbatch-out" / "birds"))
    plan = plan_study(load_study(folder / "birds.yaml"), target)
    open_output(target, plan.resolved, plan.images)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    computer = ShardComputer(plan.resolved, target, torch.device("cpu"))
    for shard in plan.shards():
        computer.compute(shard, Calibration("float32", 0.0, micro_batch=2))
    torch.set_num_threads(threads)
    reduce_study(target)
    return folder


def test_the_three_ways_of_the_results_page_agree(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("duckdb")
    pytest.importorskip("polars")
    monkeypatch.chdir(output)
    blocks = re.findall(r"```python run\n(.*?)```", read("results.md"), re.DOTALL)
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"docs/results.md, block {number}", "exec"), names)
    assert len(blocks) >= 12

    key = ["variant_id", "target"]
    for other in (names["eagle_rows"].rename("mean_sum").reset_index(), names["eagle_duckdb"],
                  names["eagle_polars"].to_pandas()):  # fmt: skip
        assert_same(names["eagle_igbatch"], other, key)

    for scope in ("whole", "pair"):
        expected = names[f"{scope}_igbatch"]
        for other in (names[f"{scope}_duckdb"], names[f"{scope}_polars"].to_pandas()):
            found = (other["minimum"][0], other["maximum"][0], bool(other["complete"][0]))
            assert found == (expected.minimum, expected.maximum, expected.complete)

    key = ["variant_id", "image_id", "target"]
    assert len(names["unconverged_igbatch"]) > 0
    assert (names["unconverged_igbatch"]["missed"] > 1).all()
    for other in (names["unconverged_duckdb"], names["unconverged_polars"].to_pandas()):
        assert_same(names["unconverged_igbatch"], other, key)

    assert names["attribution"].shape == (224, 224)
    assert np.array_equal(names["attribution"], names["same"])
    assert (output / "double-00001.png").stat().st_size > 0


def assert_same(expected: pd.DataFrame, found: pd.DataFrame, key: list[str]) -> None:
    frames = [frame.sort_values(key).reset_index(drop=True) for frame in (expected, found)]
    pd.testing.assert_frame_equal(*frames, check_dtype=False, rtol=1e-9)


def test_bad_input_gives_the_messages_of_the_study_page(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(output)
    calls = re.findall(r"^\$ igbatch (plan .*)\n(igbatch: .*)$", read("study.md"), re.MULTILINE)
    assert len(calls) >= 8
    for call, message in calls:
        with pytest.raises(IgbatchError) as raised:
            main.main(shlex.split(call), standalone_mode=False)
        assert f"igbatch: {raised.value}".replace(str(output), "/home/me") == message
        assert raised.value.exit_code == 2


def test_exit_codes_stand_in_the_study_page() -> None:
    codes = {error.exit_code for error in [IgbatchError, *IgbatchError.__subclasses__()]}
    assert codes | {0} == {int(code) for code in table("study.md", "Exit codes")}
