"""The metrics that a run exports through Ray (Prometheus, the dashboard): its speed, how busy devices are."""

from __future__ import annotations

from functools import partial
from typing import Any

from ray.util.metrics import Counter, Gauge

from igbatch.pipeline.messages import ShardReport


def _tagged(kind: type, tags: dict[str, str], name: str, description: str) -> Any:
    metric = kind(name, description, tuple(tags))
    metric.set_default_tags(tags)
    return metric


class WorkerMetrics:
    """Metrics of one worker, tagged with the study and the kind of device."""

    def __init__(self, study: str, device: str) -> None:
        tags = {"study": study, "device": device}
        counter, gauge = partial(_tagged, Counter, tags), partial(_tagged, Gauge, tags)
        self._images = counter("igbatch_images", "Images attributed, one for each variant.")
        self._nodes = counter("igbatch_nodes", "Integration nodes computed.")
        self._quarantined = counter("igbatch_rows_quarantined", "Rows put in quarantine.")
        self._rate = gauge("igbatch_images_per_second", "Images a second in the last shard.")
        self._steps = gauge("igbatch_steps_per_image", "Integration nodes an image in the last shard.")
        self._busy = gauge("igbatch_device_busy_fraction", "Share of the last shard in which devices worked.")
        self._passes = gauge(
            "igbatch_passes_fraction", "Share of the last shard that the model's passes took."
        )
        self._micro_batch = gauge("igbatch_micro_batch", "Most rows that went through the model together.")

    def shard(self, report: ShardReport) -> None:
        """Take note of a shard that was computed."""
        if report.already_committed or report.seconds <= 0:
            return
        if report.images:
            self._images.inc(report.images)
        if report.nodes:
            self._nodes.inc(report.nodes)
        if report.quarantined:
            self._quarantined.inc(report.quarantined)
        self._rate.set(report.images / report.seconds)
        self._steps.set(report.nodes / max(1, report.images))
        if report.times.seconds:
            self._busy.set(report.times.busy / report.times.seconds)
            self._passes.set(report.times.passes / report.times.seconds)
        self._micro_batch.set(report.micro_batch)


class DriverMetrics:
    """Metrics of the driver, tagged with the study."""

    def __init__(self, study: str) -> None:
        counter, gauge = (partial(_tagged, kind, {"study": study}) for kind in (Counter, Gauge))
        self._retries = counter(
            "igbatch_shards_put_back", "Shards put back after their worker or store failed."
        )
        self._workers = gauge("igbatch_workers", "Workers that are ready.")
        self._ready = 0

    def retried(self) -> None:
        """Count a shard that was put back."""
        self._retries.inc()

    def workers(self, count: int) -> None:
        """Set how many workers are ready."""
        if count != self._ready:
            self._ready = count
            self._workers.set(count)
