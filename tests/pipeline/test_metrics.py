"""What a run tells Ray's metrics: the values that follow from its reports, and that they can be scraped."""

import re
import time
import urllib.request
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from igbatch.pipeline import metrics
from igbatch.pipeline.messages import ShardReport, Times
from igbatch.pipeline.metrics import DriverMetrics, WorkerMetrics

REPORT = ShardReport(
    "s", 4, 6, 2, seconds=2.0, times=Times(2.0, busy=0.5, passes=0.4), nodes=80, micro_batch=16
)
EXPECTED = {
    "igbatch_images": 4.0, "igbatch_nodes": 80.0, "igbatch_rows_quarantined": 2.0,
    "igbatch_images_per_second": 2.0, "igbatch_steps_per_image": 20.0, "igbatch_device_busy_fraction": 0.25,
    "igbatch_passes_fraction": 0.2,
    "igbatch_micro_batch": 16.0,
}  # fmt: skip


class Recorded:
    """Stands for Ray's metrics: values by name, and the tags that each was given."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.records: dict[str, int] = defaultdict(int)
        self.kinds: dict[str, str] = {}

    def make(self, kind: str) -> Any:
        record = self

        class Metric:
            def __init__(self, name: str, description: str = "", tag_keys: tuple[str, ...] = ()) -> None:
                assert description.endswith(".")
                self.name, self.tag_keys = name, tag_keys
                record.kinds[name] = kind

            def set_default_tags(self, tags: dict[str, str]) -> None:
                assert set(tags) == set(self.tag_keys)  # Ray refuses others
                record.tags[self.name] = tags

            def inc(self, value: float = 1.0) -> None:
                assert kind == "counter"
                assert value > 0  # Ray refuses 0
                record.values[self.name] = record.values.get(self.name, 0.0) + value

            def set(self, value: float) -> None:
                assert kind == "gauge"
                record.records[self.name] += 1
                record.values[self.name] = value

        return Metric


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return record(monkeypatch)


def record(patch: pytest.MonkeyPatch) -> Recorded:
    found = Recorded()
    patch.setattr(metrics, "Counter", found.make("counter"))
    patch.setattr(metrics, "Gauge", found.make("gauge"))
    return found


def test_a_report_is_reported_with_the_study_and_the_device(recorded: Recorded) -> None:
    WorkerMetrics("tiny", "cuda:H100").shard(REPORT)
    assert recorded.values == EXPECTED
    assert recorded.tags == {name: {"study": "tiny", "device": "cuda:H100"} for name in EXPECTED}


def test_amounts_add_up_and_rates_are_those_of_the_last_shard(recorded: Recorded) -> None:
    worker = WorkerMetrics("tiny", "cpu")
    worker.shard(REPORT)
    times = Times(4.0, busy=0.5, passes=0.4)
    worker.shard(replace(REPORT, images=1, quarantined=0, seconds=4.0, times=times, nodes=30, micro_batch=8))
    counters = {name: value for name, value in recorded.values.items() if recorded.kinds[name] == "counter"}
    assert counters == {"igbatch_images": 5.0, "igbatch_nodes": 110.0, "igbatch_rows_quarantined": 2.0}
    gauges = {name: value for name, value in recorded.values.items() if recorded.kinds[name] == "gauge"}
    assert gauges == {
        "igbatch_images_per_second": 0.25, "igbatch_steps_per_image": 30.0,
        "igbatch_device_busy_fraction": 0.125, "igbatch_passes_fraction": 0.1, "igbatch_micro_batch": 8.0,
    }  # fmt: skip


def test_a_shard_that_was_committed_already_is_not_told(recorded: Recorded) -> None:
    worker = WorkerMetrics("tiny", "cpu")
    worker.shard(replace(REPORT, already_committed=True))
    worker.shard(replace(REPORT, seconds=0.0))
    assert recorded.values == {}


def test_a_shard_of_which_nothing_could_be_used_is_reported_by_its_quarantine(recorded: Recorded) -> None:
    WorkerMetrics("tiny", "cpu").shard(ShardReport("s", 3, 0, 6, seconds=1.5, times=Times(1.5)))
    assert recorded.values["igbatch_rows_quarantined"] == 6.0
    assert recorded.values["igbatch_device_busy_fraction"] == 0.0
    assert "igbatch_nodes" not in recorded.values


reports = st.builds(
    ShardReport, shard=st.just("s"), images=st.integers(0, 9), rows=st.integers(0, 9),
    quarantined=st.integers(0, 9), seconds=st.just(0.0) | st.floats(1e-3, 1e3),
    times=st.just(Times()), nodes=st.integers(0, 99), already_committed=st.booleans(),
)  # fmt: skip


@given(st.lists(reports, max_size=5))
def test_amounts_are_the_sums_over_the_shards_that_were_computed(given_reports: list[ShardReport]) -> None:
    """Nought is never added: Ray refuses it."""
    with pytest.MonkeyPatch.context() as patch:
        recorded = record(patch)
        worker = WorkerMetrics("tiny", "cpu")
        for report in given_reports:
            worker.shard(report)
    counted = [each for each in given_reports if not each.already_committed and each.seconds]
    assert recorded.values.get("igbatch_images", 0) == sum(each.images for each in counted)
    assert recorded.values.get("igbatch_nodes", 0) == sum(each.nodes for each in counted)
    assert recorded.values.get("igbatch_rows_quarantined", 0) == sum(each.quarantined for each in counted)
    assert set(recorded.records.values()) <= {len(counted)}


def test_the_driver_tells_what_was_put_back_and_who_is_ready(recorded: Recorded) -> None:
    driver = DriverMetrics("tiny")
    assert recorded.values == {}
    driver.retried()
    driver.retried()
    driver.workers(3)
    driver.workers(2)
    assert recorded.values == {"igbatch_shards_put_back": 2.0, "igbatch_workers": 2.0}
    assert recorded.tags == {name: {"study": "tiny"} for name in recorded.values}


class Reporting:
    """An actor that tells a shard to Ray's metrics, as a worker does."""

    def __init__(self, study: str, device: str) -> None:
        self.metrics = WorkerMetrics(study, device)

    def shard(self, report: ShardReport) -> None:
        self.metrics.shard(report)


def scraped(port: int, study: str) -> dict[str, tuple[dict[str, str], float]]:
    """The values of a study by name, with their tags, as a node serves them; none where it does not yet."""
    try:
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    except OSError:
        return {}
    lines = re.findall(r"^ray_(igbatch_[a-z_]+)[{](.*)[}] (.*)$", text, re.MULTILINE)
    found = {name: (dict(re.findall(r'(study|device)="(.*?)"', tags)), float(n)) for name, tags, n in lines}
    return {name: value for name, value in found.items() if value[0].get("study") == study}


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_metrics_reach_whoever_scrapes_a_node() -> None:
    """With `ray[default]`, whose agent serves them on every node; amounts get `_total` after their names."""
    (node,) = ray.nodes()
    actor = ray.remote(num_cpus=0)(Reporting).remote("scraped", "cpu")
    ray.get(actor.shard.remote(REPORT))
    driver = DriverMetrics("scraped")
    driver.retried()
    driver.workers(3)
    deadline, found = time.monotonic() + 60, {}
    while len(found) < 10 and time.monotonic() < deadline:
        time.sleep(0.2)
        found = scraped(node["MetricsExportPort"], "scraped")
    amounts = ("igbatch_images", "igbatch_nodes", "igbatch_rows_quarantined")
    expected = {name + "_total" * (name in amounts): value for name, value in EXPECTED.items()}
    by_worker = {name: ({"study": "scraped", "device": "cpu"}, value) for name, value in expected.items()}
    by_driver = {
        "igbatch_shards_put_back_total": ({"study": "scraped"}, 1.0),
        "igbatch_workers": ({"study": "scraped"}, 3.0),
    }
    assert found == by_worker | by_driver
