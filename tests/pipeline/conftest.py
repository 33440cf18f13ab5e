"""Studies, plans and one thread for the tests of the pipeline; their Ray is `local_ray` of all tests."""

import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
import yaml
from ray import cloudpickle

from igbatch.pipeline import cluster, driver, worker, worker_pool
from igbatch.pipeline.plan import Plan, make_plan
from igbatch.pipeline.resolve import ResolvedModel, ResolvedStudy
from igbatch.pipeline.study_images import StudyImages
from igbatch.store import schemas
from igbatch.store.output import Output
from igbatch.study_file import LoadedStudy, load_study, parse_study
from igbatch.variants.specs import variant_specs
from igbatch.variants.weights import WeightsSource

# Workers find the installed packages, not these tests: what a test sends them takes its code along
cloudpickle.register_pickle_by_value(sys.modules[__name__.partition(".")[0]])


@pytest.fixture
def cold_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's runs start workers of their own, as any run does."""
    monkeypatch.setattr(driver, "actor_class", worker.actor_class)
    monkeypatch.setattr(driver, "kill_worker", worker_pool.kill_worker)
    monkeypatch.setattr(worker_pool, "why_restarted", cluster.why_restarted)


@pytest.fixture
def load(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., LoadedStudy]:
    """Load the least study of the test's module, `LEAST`, with some sections changed."""

    def load(**changes: Any) -> LoadedStudy:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({**request.module.LEAST, **changes}))
        return load_study(path)

    return load


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Run on one thread: the models are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def many_variants() -> Callable[..., Plan]:
    """A plan of random variants `random-0`, … over images, with no model behind them."""

    def make(
        variants: int, images: int, shard_images: int, trained: bool = False, targets: Sequence[str] = "ab"
    ) -> Plan:
        kinds = [{"kind": "random", "seeds": list(range(variants))}] + [{"kind": "trained"}] * trained
        study = parse_study(
            {
                "name": "s", "images": {"root": "r"}, "models": {"m": {}}, "targets": list(targets),
                "variants": kinds, "run": {"shard_images": shard_images},
            },
            "test",
        )  # fmt: skip
        classes = {"a": 0, "b": 1}
        config = {"input_size": [3, 224, 224]}
        indices = {name: classes.get(name) for name in study.target_names()}
        model = ResolvedModel("m", WeightsSource("swin", None), "w", 2, classes, classes, config, indices)
        resolved = ResolvedStudy(study, "gray", {"m": model}, variant_specs(study, {}), study.target_names())
        rows = [{"image_id": f"i{n}", "uri": f"/i{n}", "etag": "1"} for n in range(images)]
        listed = StudyImages(pa.Table.from_pylist(rows, schema=schemas.IMAGES), None, [])
        return make_plan(resolved, listed, Output(f"memory://plan-{uuid.uuid4()}"))

    return make
