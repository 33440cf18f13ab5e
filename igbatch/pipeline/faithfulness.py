"""Lists and schedules the measurement of infidelity and maximum sensitivity for a sample of maps.

Each image under each variant is a part, a file of its own, whose name is a digest of all that decides its
numbers. Parts that exist are not measured again, so that an interrupted run is resumed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, groupby
from math import ceil

import numpy as np

from igbatch.images.selection import select_images
from igbatch.pipeline.messages import FAITHFULNESS, Calibration, FaithfulnessPart, Skipped
from igbatch.pipeline.plan import ShardImage
from igbatch.pipeline.reduction_state import keep_derived, read_derived
from igbatch.pipeline.resolve import ResolvedStudy
from igbatch.store import schemas
from igbatch.store.fingerprint import digest
from igbatch.store.output import Output
from igbatch.store.reader import Reader
from igbatch.study import Faithfulness, VariantSpec

VERSION = 1
"""Of the measures: another one measures all parts anew."""

FILE = "faithfulness.parquet"
_COLUMNS = [
    "image_id", "target", "target_index", "other_index",
    "image_etag", "image_sha256", "weights_sha256", "fingerprint",
]  # fmt: skip


def measure_parts(
    resolved: ResolvedStudy,
    output: Output,
    device: str,
    threads: int,
    calibration: Calibration | None,
    parts: Sequence[FaithfulnessPart],
) -> list[Skipped]:
    """Measure and write parts of one variant in this process; return those that could not be measured.

    There is one at least. `device` is a type of torch's, `calibration` what workers on such devices run with.
    """
    import torch  # in the worker and not in the driver

    from igbatch.pipeline.faithfulness_measurer import FaithfulnessMeasurer

    torch.set_num_threads(threads)
    return FaithfulnessMeasurer(resolved, output, torch.device(device), calibration, parts).run()


def measured_variants(resolved: ResolvedStudy, settings: Faithfulness) -> list[VariantSpec]:
    """Return the variants whose maps are measured, in the order of the study."""
    choice = settings.variants
    if choice == "all":
        return resolved.variants
    return [
        spec
        for spec in resolved.variants
        if (spec.kind == "trained" if choice == "trained" else spec.variant_id in choice)
    ]


def find_parts(reader: Reader, resolved: ResolvedStudy, settings: Faithfulness) -> Iterator[FaithfulnessPart]:
    """Yield the parts of a study, by variant and image; images in quarantine have none.

    One scan of each variant's statistics finds the rows of the sample.
    """
    ids = reader.listing.image_ids
    places = np.flatnonzero(select_images(settings.images, ids))
    sample: list[str] = ids.take(places).to_pylist()
    uris = dict(zip(sample, reader.listed(sample, ["uri"])["uri"].to_pylist(), strict=True))
    order = {name: place for place, name in enumerate(reader.target_names)}
    measure = {"seed": settings.images.seed, **settings.model_dump(include={"perturbations", "radius"})}
    for spec in measured_variants(resolved, settings):
        rows = defaultdict(list)
        for row in reader.rows_of(sample, _COLUMNS, spec.variant_id).to_pylist():
            rows[row["image_id"]].append(row)
        for image_id in (name for name in sample if name in rows):
            found = sorted(rows[image_id], key=lambda row: order[row["target"]])
            others = [row.pop("other_index") for row in found]
            for row, other in zip(found, others, strict=True):
                row |= {} if other is None else {"other_index": other}  # digests of before stay
            name = digest({"version": VERSION, **measure, "variant": spec.variant_id, "rows": found})[:16]
            first = found[0]
            image = ShardImage(image_id, uris[image_id], first["image_etag"], None, (), keep_map=False)
            targets = tuple(
                (row["target"], row["target_index"] if other is None else (row["target_index"], other))
                for row, other in zip(found, others, strict=True)
            )
            yield FaithfulnessPart(name, spec, image, first["image_sha256"], targets)


def on_cluster(
    output: Output, resolved: ResolvedStudy, missing: Sequence[FaithfulnessPart], address: str | None
) -> list[Skipped]:
    """Measure parts on a cluster, each task on the device of a worker; return those that could not be.

    Raises:
        UnfinishedError: the cluster was lost; what is measured is kept.
    """
    from igbatch.pipeline.cluster import map_shards, size_workers
    from igbatch.pipeline.session import ray_session

    known = Reader(output).record["calibrations"]
    with ray_session(address):
        workers = size_workers(resolved.study.run, known)
        calibration = Calibration.from_record(known.get(workers.device, {}))
        measure = partial(measure_parts, resolved, output, workers.device, workers.threads, calibration)
        shared = lots(missing, workers.count)
        found = map_shards(measure, shared, workers.count, cpus=workers.threads, gpus=workers.gpus)
        return list(chain.from_iterable(found))


def lots(parts: Sequence[FaithfulnessPart], workers: int) -> Iterator[Sequence[FaithfulnessPart]]:
    """Yield parts of one variant, which stand together, in as many lots as there are workers.

    Each lot builds the model once.
    """
    for _, same in groupby(parts, lambda part: part.spec.variant_id):
        lot = list(same)
        size = ceil(len(lot) / workers)
        for start in range(0, len(lot), size):
            yield lot[start : start + size]


def measure_faithfulness(
    output: Output,
    resolved: ResolvedStudy,
    state: str,
    *,
    address: str | None = None,
    check: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Write `faithfulness.parquet` of a study whose maps are computed; measure what was not before.

    Without the section nothing is written, nothing removed, and no cluster started. `state` is that of the
    study's results (`reduction_state.state_of`). `check` is called before the table is written; it
    raises where the output is another run's by now.
    """
    settings = resolved.study.audit.faithfulness
    if settings is None:
        return
    state = digest({"state": state, "faithfulness": settings.model_dump(mode="json")})
    if read_derived(output).get("faithfulness") == state and output.exists(output.path(FILE)):
        return
    parts = list(find_parts(Reader(output), resolved, settings))
    there = {info.path for info in output.files(FAITHFULNESS)}
    missing = [part for part in parts if part.path(output) not in there]
    skipped = on_cluster(output, resolved, missing, address) if missing else []
    check()
    for each in skipped:
        where = f"{each.part.spec.variant_id}/{each.part.image.image_id}"
        say(f"faithfulness: {where}: {each.error}; it has no row, the next run tries again")
    lost = {each.part.path(output) for each in skipped}
    paths = [path for part in parts if (path := part.path(output)) not in lost]
    output.put_tables(output.path(FILE), schemas.FAITHFULNESS, map(output.read_table, paths))
    for path in there - set(paths):
        output.delete(path)
    if not skipped:
        keep_derived(output, faithfulness=state)
    say(
        f"faithfulness of {len(paths)} (image, variant) pairs: {len(missing) - len(skipped)} measured, "
        f"{len(parts) - len(missing)} stood from before"
    )
