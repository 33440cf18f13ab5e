"""What a run tells Ray's metrics (Prometheus, the dashboard): how fast it goes and how busy devices are."""

from __future__ import annotations

from functools import partial

from ray.util.metrics import Counter, Gauge

from igbatch.pipeline.reports import ShardReport


class WorkerMetrics:
    """Metrics of one worker, tagged with the study and the kind of device."""

    def __init__(self, study: str, device: str) -> None:
        tags = {"study": study, "device": device}
        counter, gauge = partial(Counter, tag_keys=tuple(tags)), partial(Gauge, tag_keys=tuple(tags))
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
        self._all = (
            self._images, self._nodes, self._quarantined, self._rate, self._steps, self._busy,
            self._passes, self._micro_batch,
        )  # fmt: skip
        for metric in self._all:
            metric.set_default_tags(tags)

    def shard(self, report: ShardReport) -> None:
        """Take note of a shard that was computed."""
        if report.already_committed or report.seconds <= 0:
            return
        attributed = report.images
        if attributed:
            self._images.inc(attributed)
        if report.nodes:
            self._nodes.inc(report.nodes)
        if report.quarantined:
            self._quarantined.inc(report.quarantined)
        self._rate.set(attributed / report.seconds)
        self._steps.set(report.nodes / max(1, attributed))
        if report.times.seconds:
            self._busy.set(report.times.busy / report.times.seconds)
            self._passes.set(report.times.passes / report.times.seconds)
        self._micro_batch.set(report.micro_batch)


class DriverMetrics:
    """Metrics of the driver, tagged with the study."""

    def __init__(self, study: str) -> None:
        self._retries = Counter(
            "igbatch_shards_put_back", "Shards put back after their worker or store failed.", ("study",)
        )
        self._ready = 0
        self._workers = Gauge("igbatch_workers", "Workers that are ready.", ("study",))
        for metric in (self._retries, self._workers):
            metric.set_default_tags({"study": study})

    def retried(self) -> None:
        """Count a shard that was put back."""
        self._retries.inc()

    def workers(self, count: int) -> None:
        """Tell how many workers are ready."""
        if count != self._ready:
            self._ready = count
            self._workers.set(count)
