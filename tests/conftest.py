"""Shared by all tests: no network, no usage statistics, and small studies to run."""

import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    HF_HUB_OFFLINE="1",
    RAY_DEDUP_LOGS="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    OMP_NUM_THREADS="1",  # a thread a process of these: more would wait for each other
)
os.environ.pop("RAY_ADDRESS", None)

import pytest
import yaml
from helpers import Command, Ended, run_igbatch
from hypothesis import settings

from igbatch import cli
from igbatch.birds.scenes import write_scenes
from igbatch.store.output import Output
from igbatch.study_file import load_study

if TYPE_CHECKING:
    from warm_workers import WarmWorkers

S3_SECRET = "secret-of-the-tests"
SMALL = 56
TINY = {
    "name": "tiny",
    "images": {
        "scenes": [{"kind": "double", "seeds": [1, 2]}, {"kind": "single", "label": "magpie", "seeds": [5]}]
    },
    "models": {"small": {"weights": "bundled"}},
    "targets": ["eagle", "magpie"],
    "variants": [{"kind": "trained"}, {"kind": "random", "seeds": [3]}],
    "attribution": {"steps": 4, "micro_batch": 4, "reproducible": "image"},  # runs are compared bit by bit
    "run": {"shard_images": 1, "workers": 1},  # each imports torch: 4 s of a core; tests of several say so
    "report": {"figures": False},  # tests of the report draw them; here they would take most of a run
}


settings.register_profile("daily", max_examples=25, deadline=None)
settings.register_profile("nightly", max_examples=100, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "daily"))


SHARED = ("local_ray", "browser", "randomized", "reference", "evaluation", "computed")
"""Fixtures that take seconds to make: the tests of one are kept in one process.

So one process alone has a Ray, which takes 7 s of a core to start and 3 s a minute to keep.
"""


gc.disable()  # until all is imported


def pytest_collection_finish() -> None:
    """Keep what was imported out of garbage collection: tests that use many objects take an eighth less."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share what is slow to make in one process; a browser and a server are slow."""
    on_ray = {item.path for item in items if "local_ray" in getattr(item, "fixturenames", ())}
    for item in items:
        used = getattr(item, "fixturenames", ())
        shared = next((name for name in SHARED if name in used), None)
        if item.path.parent.name == "pipeline":
            shared = "local_ray" if item.path in on_ray else item.path.stem
        if shared:
            item.add_marker(pytest.mark.xdist_group(shared))
        if "browser" in used or "s3" in used:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def tiny_content() -> dict[str, Any]:
    """A study of three scenes, two variants, two targets and four steps."""
    return TINY


@pytest.fixture
def tiny_study(tmp_path: Path) -> Path:
    """The file of that study."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture(scope="session")
def drawn_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "scenes"
    write_scenes(folder, 4, first_seed=40, kind="single")
    return folder


@pytest.fixture
def scene_folder(tmp_path: Path, drawn_scenes: Path) -> Path:
    """A folder of four drawn scenes with boxes.csv and manifest.csv, to be changed."""
    return Path(shutil.copytree(drawn_scenes, tmp_path / "scenes"))


@pytest.fixture
def igbatch(tmp_path: Path) -> Command:
    """Run `igbatch` as a process: (*arguments, cwd, env, timeout)."""
    return partial(run_igbatch, cwd=tmp_path)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `igbatch` in this process and on its Ray, from arguments to exit code: (*arguments)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["igbatch", *map(str, arguments)])
        capsys.readouterr()
        start = time.monotonic()
        code = cli.exit_code(cli.main)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err, time.monotonic() - start)

    return run


@pytest.fixture(scope="session")
def local_ray(s3: "ObjectStore") -> Iterator[None]:
    """One embedded Ray, which runs of this process use; its workers find the S3 server of the tests."""
    from igbatch.pipeline.session import ray_session

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_metrics_report_interval_ms", "2000")  # else test_metrics waits for 10 s
        with ray_session():
            yield


@pytest.fixture
def not_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this process, where other tests have a Ray, for one that is not connected."""
    import ray

    from igbatch.pipeline import session

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(session, "_embedded", False)


@pytest.fixture(scope="session")
def kept_workers(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> "WarmWorkers":
    """The workers that the modules which ask for `warm_workers` share."""
    from warm_workers import WarmWorkers

    from igbatch.pipeline.worker import Worker

    return WarmWorkers(Worker, tmp_path_factory.mktemp("workers"))


@pytest.fixture(scope="module")
def warm_workers(kept_workers: "WarmWorkers") -> Iterator[None]:
    """Let a module's runs take workers that have imported torch for an earlier one."""
    with pytest.MonkeyPatch.context() as patch:
        kept_workers.stand_in(patch)
        yield


@pytest.fixture(scope="session")
def on_one_thread() -> Iterator[None]:
    """Keep torch to one thread from the first test that asks for it to the end."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def compute_study() -> Callable[..., Output]:
    """Compute and reduce a study in this process, without Ray: (study file, output folder, overrides)."""

    def compute(study: Path, out: Path | str, *overrides: str, reduce: bool = True, **how: Any) -> Output:
        import torch

        from igbatch.pipeline.compute import ShardComputer
        from igbatch.pipeline.messages import Calibration
        from igbatch.pipeline.run import plan_study
        from igbatch.pipeline.study_output import open_output
        from igbatch.reduce.study import reduce_study

        torch.set_num_threads(1)
        calibration = Calibration("float32", 0.0, micro_batch=4)
        output = Output(str(out))
        plan = plan_study(load_study(study, overrides), output, **how)
        open_output(output, plan.resolved, plan.images)
        computer = ShardComputer(plan.resolved, output, torch.device("cpu"))
        for shard in plan.shards():
            computer.compute(shard, calibration)
        if reduce:
            reduce_study(output)
        return output

    return compute


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bundled model made for pictures of 56 x 56, which costs an eighth: `weights` of a study's model.

    It has the layers and the classes of the bundled one, and is as sure of what it says, but often wrong.
    It is built once to be described, once to be read and once a seed, and not once a study, which would take
    most of the time of most tests: what is built of it is copied by whoever uses it.
    """
    import timm
    import torch
    from safetensors.torch import save_file

    from igbatch.birds.bundled import BUNDLED_ARCHITECTURE, default_cfgs
    from igbatch.pipeline import resolve
    from igbatch.variants import randomized
    from igbatch.variants.weights import locate_weights

    folder = tmp_path_factory.mktemp("small_model")
    config = {**default_cfgs[BUNDLED_ARCHITECTURE], "input_size": [3, SMALL, SMALL]}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):
        model = timm.create_model(BUNDLED_ARCHITECTURE, pretrained=True, pretrained_cfg_overlay=config)
    save_file(model.state_dict(), folder / "model.safetensors")
    content = {"architecture": BUNDLED_ARCHITECTURE, "pretrained_cfg": config}
    (folder / "config.json").write_text(json.dumps(content))
    weights = f"local-dir:{folder}"
    file = locate_weights(weights, None, "small").file

    def once(function: Callable[..., Any]) -> Callable[..., Any]:
        """Call a function of a source, a seed and a name once a seed where the source is this model."""
        kept: dict[Any, Any] = {}

        def call(source: Any, *how: Any, **more: Any) -> Any:
            if source.file != file:
                return function(source, *how, **more)
            asked = (source.classes, *how[:-1], *sorted(more.items()))  # the name in messages is last
            if asked not in kept:
                kept[asked] = function(source, *how, **more)
            return kept[asked]

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "find_facts", once(resolve.find_facts))
        patch.setattr(randomized, "load_trained", once(randomized.load_trained))
        patch.setattr(randomized, "random_model", once(randomized.random_model))
        yield weights


@pytest.fixture(scope="session")
def small_content(small_model: str) -> dict[str, Any]:
    """The tiny study with the small model."""
    return {**TINY, "models": {"small": {"weights": small_model}}}


@pytest.fixture
def small_study(tmp_path: Path, small_content: dict[str, Any]) -> Path:
    """The file of that study."""
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(small_content))
    return path


@pytest.fixture(scope="session")
def computed(
    tmp_path_factory: pytest.TempPathFactory, compute_study: Callable[..., Output]
) -> Iterator[Output]:
    """The tiny study, computed and reduced. Tests read it and leave it as it is: see the end."""
    folder = tmp_path_factory.mktemp("computed")
    study = folder / "tiny.yaml"
    study.write_text(yaml.safe_dump(TINY))
    output = compute_study(study, folder / "out")

    def files() -> set[tuple[str, int]]:
        return {
            (str(path), path.stat().st_mtime_ns) for path in Path(output.uri).rglob("*") if path.is_file()
        }

    before = files()
    yield output
    assert files() == before, "a test wrote into the study that all tests read: give it a copy"


@pytest.fixture
def copy(computed: Output, tmp_path: Path) -> Output:
    """A copy of that study, to be changed."""
    shutil.copytree(computed.path(), tmp_path / "copy")
    return Output(str(tmp_path / "copy"))


@pytest.fixture
def local_output(tmp_path: Path) -> Output:
    """A new output on a local disk."""
    return Output(str(tmp_path / "out"))


@pytest.fixture(scope="session")
def lay_out() -> Callable[..., None]:
    """Write study.json, images.parquet and variants.parquet.

    `images` maps ids to etags, `subsets` variants to the images that they are computed on, where not all.
    """
    import pyarrow as pa

    from igbatch.store import schemas

    def write(
        output: Output,
        images: dict[str, str],
        variants: Iterable[str] = ("v",),
        targets: Iterable[str] = ("a", "b"),
        subsets: dict[str, list[str]] | None = None,
    ) -> None:
        output.put_json(output.path("study.json"), {"format": schemas.FORMAT, "target_names": list(targets)})
        rows = [{"image_id": name, "uri": f"/{name}", "etag": etag} for name, etag in images.items()]
        output.put_table(output.path("images.parquet"), pa.Table.from_pylist(rows, schema=schemas.IMAGES))
        rows = [
            {"variant_id": name, "model": "m", "kind": "trained", "images": (subsets or {}).get(name)}
            for name in variants
        ]
        output.put_table(output.path("variants.parquet"), pa.Table.from_pylist(rows, schema=schemas.VARIANTS))

    return write


@pytest.fixture(scope="session")
def stats_row() -> Callable[..., dict[str, Any]]:
    """A whole row of image_stats of a map of any size, without its variant."""
    from igbatch.statistics.image_stats import map_statistics

    def make(image: str, target: str, attribution: Any, etag: str = "1", **changes: Any) -> dict[str, Any]:
        return {
            "image_id": image, "label": None, "target": target, "target_index": 0, "prediction": None,
            "prediction_index": 1, "prediction_probability": 0.5, "target_probability": 0.5, "score": 0.5,
            "score_baseline": 0.25, **map_statistics(attribution), "convergence_delta": 0.0,
            "relative_delta": 0.0, "map_error": None, "steps": 4, "converged": True, "negligible": False,
            "precision": "float32", "device": "cpu", "image_etag": etag, "image_sha256": f"sha-{image}",
            "image_width": 6, "image_height": 6, "weights_sha256": "w", **changes,
        }  # fmt: skip

    return make


def make_audit(name: str = "eagle", failed: bool = True, **changes: Any) -> Any:
    """Make an audit whose names from the data all hold `name`; without `failed` nothing fails."""
    from igbatch.audit.verdict import Audit, Change, Check, CheckPart, Comparison, Offender, Outcome

    offender = Offender(
        image_id=name, variant_id="trained", target="eagle", value=0.28, words=f"{name}: 0.41"
    )
    part = CheckPart(name=f"trained, {name}", figure=0.5, now=1.0, before=2.0, n=3, outcome=Outcome.FAILED)
    sums = Check(
        name="box_sums",
        title="Box sums changed",
        compared=f"Sums in the boxes of {name}.",
        figure=0.5 if failed else 0.05,
        threshold=0.1,
        outcome=Outcome.FAILED if failed else Outcome.PASSED,
        words=f"The box of {name} fell.",
        parts=(part,) if failed else (),
        offenders=(offender,) if failed else (),
    )
    alike = Check(
        name="similarity", title="Maps differ", compared="Maps.", figure=0.99, threshold=0.95,
        at_least=True, unit="of 1", outcome=Outcome.PASSED, words="Alike.",
    )  # fmt: skip
    sanity = Check(
        name="sanity", title="Sanity ratio fell", compared="Ratios.", figure=None, threshold=0.7,
        outcome=Outcome.SKIPPED, words="No random variant.",
    )  # fmt: skip
    comparisons = (
        Comparison(
            role="reference", uri="/nights/old", study=name, checks=(sums, alike, sanity),
            changes=(Change(what="weights", before=name, now="other"),),
        ),
        Comparison(role="last-good", uri="/nights/good", study=name, checks=(alike,)),
    )  # fmt: skip
    values = {
        "igbatch": "0.1.0", "made_at": "2026-11-26T02:03:04Z", "uri": "/nights/new", "study": name,
        "comparisons": comparisons,
    }  # fmt: skip
    return Audit(**{**values, **changes})


@pytest.fixture(scope="session")
def audit_of() -> Callable[..., Any]:
    """Make an audit with a check of each outcome, against two references: `audit_of(name, failed=True)`."""
    return make_audit


@pytest.fixture(scope="session")
def change_study() -> Callable[..., None]:
    """Change keys of an opened study's sections: `change_study(results, report={"figures": False})`."""
    from igbatch.study import Study

    def change(results: Any, **sections: dict[str, Any]) -> None:
        content = results.study.model_dump()
        for name, keys in sections.items():
            content[name] = {**(content[name] or {}), **keys}
        results.study = Study.model_validate(content)

    return change


@pytest.fixture
def write_font(tmp_path: Path) -> Callable[..., Path]:
    """Write a font whose letters are black squares: `write_font(letters, family="Squares", cff=False)`."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.t2CharStringPen import T2CharStringPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    def write(letters: str, family: str = "Squares", *, cff: bool = False) -> Path:
        names = {ord(letter): f"uni{ord(letter):05X}" for letter in letters}
        glyphs = [".notdef", *names.values()]
        builder = FontBuilder(1000, isTTF=not cff)
        builder.setupGlyphOrder(glyphs)
        builder.setupCharacterMap(names)
        drawn = {}
        for glyph in glyphs:
            pen = T2CharStringPen(1000, None) if cff else TTGlyphPen(None)
            for place, point in enumerate(((100, 0), (100, 700), (800, 700), (800, 0))):
                (pen.lineTo if place else pen.moveTo)(point)
            pen.closePath()
            drawn[glyph] = pen.getCharString() if cff else pen.glyph()
        if cff:
            builder.setupCFF(family, {"FullName": family}, drawn, {})
        else:
            builder.setupGlyf(drawn)
        builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 100)))
        builder.setupHorizontalHeader(ascent=800, descent=-200)
        builder.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWeightClass=400)
        builder.setupNameTable({"familyName": family, "styleName": "Regular", "psName": family})
        builder.setupPost()
        path = tmp_path / f"{family}.{'otf' if cff else 'ttf'}"
        builder.save(path)
        return path

    return write


@pytest.fixture
def only_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let figures believe that this machine has no fonts but matplotlib's and the given files."""
    from matplotlib import font_manager

    from igbatch.report.figures import typeset

    def forget() -> None:
        typeset.fallbacks.cache_clear()
        typeset.text_width.cache_clear()

    def install(*paths: Path) -> None:
        own = [entry for entry in font_manager.fontManager.ttflist if "mpl-data" in entry.fname]
        monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: list(map(str, paths)))
        forget()

    install()
    yield install
    forget()


class ObjectStore:
    """An S3 server of its own (moto) over HTTP; `client` is boto3's."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self.secret = S3_SECRET
        self._buckets = 0
        command = [sys.executable, "-m", "moto.server", "-p", str(port), "-H", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self) -> None:
        """Wait until the server answers, and connect to it."""
        import boto3

        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "moto's server does not answer"
                time.sleep(0.05)
        self.client = boto3.client("s3", endpoint_url=self.endpoint)

    def new_bucket(self) -> str:
        """Make a bucket; return its name."""
        self._buckets += 1
        name = f"bucket-{self._buckets}"
        self.client.create_bucket(Bucket=name)
        return name

    def objects(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """Return everything in a bucket whose key begins so, by key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return {key: self.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


@pytest.fixture(scope="session")
def s3() -> Iterator[ObjectStore]:
    """An S3 server that this process and those it starts find through their environment, as users would."""
    store = ObjectStore()
    settings = {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_ACCESS_KEY_ID": "key-of-the-tests",
        "AWS_SECRET_ACCESS_KEY": store.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",  # else pyarrow waits for a server of Amazon's
    }
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            store.start()
            yield store
    finally:
        store.process.kill()
        store.process.wait()
